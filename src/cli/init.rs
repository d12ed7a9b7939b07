//! `carl init`: a commented configuration for a table, and what was understood of it.

use super::{Common, counted, find_table, talk};
use crate::error::{Error, Result, Stage, shorten};
use crate::file;
use crate::graph::{Role, Vocabulary};
use crate::source::columns::JoinedColumns;
use crate::source::table::Table;
use crate::space::rules::DagRules;
use crate::space::{self, Architecture, Dag, Space};
use clap::Args;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Cells of more nodes are no cells that could be drawn at random: their rules are told, but not set.
const DRAWN: usize = 32;
/// Numbers with a fraction are values of a choice where a column has at most so many, each as often as this in the mean.
const FEW: usize = 16;
const REPEATED: usize = 2;
/// Rows that are trained on where there are more.
const TRAIN: usize = 200;
/// Names of columns that number or name rows.
const KEYS: &str = "index id hash name key recipe_id arch ops edges seed";
/// Parts of names of columns of which less is better, and of those that say how good an architecture is.
const COSTS: &str =
    "loss lat err param flop madd energy ppl perplexity time second size memory epoch ms depth std node";
const QUALITIES: &str = "acc top1 top5 val valid test perf score final miou map auc f1 ssim r2 tau quality reward";
/// Values of a column that say that a run went well.
const DONE: [&str; 6] = ["ok", "success", "successful", "done", "finished", "completed"];

/// Write a commented configuration for a table
#[derive(Args)]
#[command(after_help = "Examples:
  carl init networks.csv > mine.yaml && carl train mine.yaml
  carl init networks.csv --columns accuracies.csv --target top1 --output mine.yaml")]
pub struct InitConfig {
    /// Table of architectures
    table: PathBuf,
    /// Column to predict [default: the one whose name speaks most for it]
    #[arg(long)]
    target: Option<String>,
    /// A further table, joined by `index`, `name` or architecture; with PREFIX= its columns are called PREFIX_COLUMN
    #[arg(long, value_name = "[PREFIX=]TABLE")]
    columns: Vec<String>,
    /// Configuration to write; - is standard output
    #[arg(long, default_value = "-")]
    output: PathBuf,
}

impl InitConfig {
    pub fn run(&self, common: &Common) -> Result<()> {
        let path = find_table(&self.table);
        common.check_output(&self.output, Some(&path))?;
        let mut table = Table::open(&path)?;
        let mut notes = Vec::new();
        let filter = failed_rows(&table, &mut notes);
        if let Some((column, value)) = &filter {
            table = table.filter(column, value)?;
        }
        let (space, described) = describe_space(&table, self.target.as_deref(), &mut notes)?;
        let further = super::table_arguments(&self.columns);
        let joined = JoinedColumns::open(&table, &further, space.as_ref())?;
        duplicates(&table, space.as_ref(), &mut notes)?;
        let columns = Columns::read(&table, &joined, space.as_ref(), &filter, &mut notes);
        let data = columns.describe(self, &filter, &mut notes)?;
        let mut text = format!(
            "# Proposed by `carl init` from {} of {}. Check what is marked with a question mark; `carl config --explain KEY` says\n\
             # what a key means. Ready for: carl train THIS.yaml{}\n{described}{data}",
            counted(table.len(), "row"),
            self.table.display(),
            self.columns.iter().map(|table| format!(" --columns {table}")).collect::<String>(),
        );
        if !notes.is_empty() {
            text.push_str("\n# What was seen, or not understood:\n");
            notes.iter().for_each(|note| text.push_str(&format!("# - {note}\n")));
        }
        file::write_bytes(&self.output, text.as_bytes())?;
        if self.output != Path::new("-") {
            talk(&format!("{} written for the space {}", self.output.display(), space.name()));
        }
        Ok(())
    }
}

/// The column that says how a run ended, and its value for those that ended well, where some did not.
fn failed_rows(table: &Table, notes: &mut Vec<String>) -> Option<(String, String)> {
    for name in table.header() {
        let values = table.texts(name)?;
        let is_done = |value: &&String| DONE.contains(&value.to_lowercase().as_str());
        let Some(done) = values.iter().find(is_done).cloned() else { continue };
        let failed = values.iter().filter(|value| **value != done).count();
        if failed > 0 {
            let rows = counted(failed, "row");
            notes.push(format!("{rows} with another `{name}` than {done} failed, and are left out"));
            return Some((name.clone(), done));
        }
    }
    None
}

/// The space of a table and the lines that declare it: a built-in one where all architectures are of it, choices where there are no
/// architectures, else cells of one's own.
fn describe_space(table: &Table, target: Option<&str>, notes: &mut Vec<String>) -> Result<(Box<dyn Space>, String)> {
    for (name, make) in space::SPACES {
        let space = make();
        if let Ok(texts) = table.architectures(space.as_ref())
            && texts.iter().all(|text| space.parse(text).is_ok())
        {
            return Ok((space, format!("space: {name}\n")));
        }
    }
    let open = Dag::new(Vocabulary::default())?;
    let texts = match table.architectures(&open) {
        Ok(texts) => texts,
        Err(error) => {
            let mut gaps = Vec::new();
            let found = choices(table, target, &mut gaps).ok_or_else(|| no_architectures(table, error, &gaps))?;
            let note =
                |gap: &Gap| format!("column `{}` has no value in line {}: no choice", gap.column, table.line(gap.row));
            notes.extend(gaps.iter().map(note));
            return Ok(found);
        }
    };
    let roles = roles(&texts, notes);
    let vocabulary = Vocabulary::new(roles.iter().map(|(name, role)| (name.as_str(), *role)));
    let space = Dag::new(vocabulary).map_err(|error| error.file(table.file()))?;
    let parse = |(row, text): (usize, &String)| space.parse(text).map_err(|error| table.at(row, error));
    let cells: Vec<Architecture> = texts.iter().enumerate().map(parse).collect::<Result<_>>()?;
    let mut lines = "space: dag\n\
        # Roles of operations: input, output, compute, identity (its input unchanged), absent (as if it were not there).\n\
        vocabulary:\n"
        .to_string();
    for (name, role) in &roles {
        lines.push_str(&yaml(&BTreeMap::from([(name, role)]), "  "));
    }
    let rules = DagRules::observed(&cells, space.vocabulary());
    let large = rules.nodes.is_some_and(|nodes| nodes.most > DRAWN);
    lines.push_str("# What all rows obey; cells are drawn, mutated and searched within it.\n");
    if large {
        lines.push_str(&format!(
            "# Networks of more than {DRAWN} nodes are not drawn: without rules, the rows are the candidates.\n"
        ));
    }
    lines.push_str(&yaml(&BTreeMap::from([("rules", rules)]), if large { "# " } else { "" }));
    Ok((Box::new(space), lines))
}

/// A row without a value in a column that could be a choice but for that.
struct Gap {
    row: usize,
    column: String,
}

/// The space of the columns that could be choices, words or a few whole numbers, where there are several. Columns with `gaps` are
/// left out.
fn choices(table: &Table, target: Option<&str>, gaps: &mut Vec<Gap>) -> Option<(Box<dyn Space>, String)> {
    let mut lines = "choices:   # in the order of the network? Leave out what is none\n".to_string();
    let mut count = 0;
    for name in table.header().iter().filter(|name| !KEYS.split(' ').any(|key| key == name.as_str())) {
        let mut values = table.texts(name)?;
        let gap = values.iter().position(String::is_empty);
        values.retain(|value| !value.is_empty());
        // Numbers in their order, then words.
        values.sort_by(|a, b| match (a.parse::<f64>().ok(), b.parse::<f64>().ok()) {
            (Some(x), Some(y)) => x.total_cmp(&y).then(a.cmp(b)),
            (x, y) => y.is_some().cmp(&x.is_some()).then(a.cmp(b)),
        });
        values.dedup();
        // Numbers with a fraction are choices where they are few and come again and again.
        let is_short = values.len() <= FEW && REPEATED * values.len() <= table.len();
        let whole = |value: &String| value.parse().map_or(true, |number: f64| is_short || number.fract() == 0.0);
        // Whole numbers that are called like a result are one.
        let is_result = has_part(name, QUALITIES) && values.iter().all(|value| value.parse::<f64>().is_ok());
        if (2..=64).contains(&values.len()) && values.iter().all(whole) && !is_result && target != Some(name) {
            if let Some(row) = gap {
                gaps.push(Gap { row, column: name.clone() });
                continue;
            }
            let number = |value: &String| if value.parse::<f64>().is_ok() { value.clone() } else { yaml_text(value) };
            let values: Vec<String> = values.iter().map(number).collect();
            lines.push_str(&format!("  {}: [{}]\n", yaml_text(name), values.join(", ")));
            count += 1;
        }
    }
    let space = space::open(space::CHOICE_SPACE, Some(Vocabulary::of_choices(&lines).ok()?)).ok()?;
    let texts = table.architectures(space.as_ref()).ok()?;
    let fits = count > 1 && texts.iter().all(|text| space.parse(text).is_ok());
    fits.then(|| (space, format!("space: {}\n{lines}", space::CHOICE_SPACE)))
}

/// Whether one of `parts` is in the name of a column.
fn has_part(name: &str, parts: &str) -> bool {
    parts.split(' ').any(|part| name.to_lowercase().contains(part))
}

/// The error about a table in which no cells were found, with what the table seems to be.
fn no_architectures(table: &Table, error: Error, gaps: &[Gap]) -> Error {
    if ["arch", "ops"].iter().any(|name| table.header().iter().any(|column| column == name)) {
        return error;
    }
    let is_numbered = table.header().iter().any(|name| name == "index");
    if let Some(Gap { row, column }) = gaps.iter().min_by_key(|gap| gap.row).filter(|_| !is_numbered) {
        let message = format!("{}, or a choice `{column}` without a value here", error.message());
        return table.at(*row, Error::new(error.stage(), message).hint(
            "a choice has a value in every row; one that exists only beside certain values of others is declared by `when` in \
             a configuration of your own",
        ));
    }
    let hint = match is_numbered {
        true => "it numbers the architectures of another table: begin with that one, and add this one by --columns",
        false => {
            "an architecture is a text in a column `arch`, or `ops` and `edges`, or two columns or more with a choice each: at \
             most 64 words or whole numbers, and a value in every row; a built-in space may have columns of its own"
        }
    };
    Error::new(error.stage(), error.message()).file(table.file()).hint(hint)
}

/// The operations of cells and what each does, from its name and from where it stands.
fn roles(texts: &[String], notes: &mut Vec<String>) -> BTreeMap<String, Role> {
    /// Whether an operation was seen with an edge to it, with one from it, and without.
    #[derive(Default)]
    struct Seen {
        into: bool,
        out_of: bool,
    }
    let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
    for text in texts {
        let (names, edges) = text.split_once(';').unwrap_or((text, ""));
        let names: Vec<&str> = names.split_whitespace().collect();
        for name in &names {
            seen.entry(name).or_default();
        }
        for (from, to) in edges.split_whitespace().filter_map(|edge| edge.split_once('>')) {
            let name = |index: &str| names.get(index.parse::<usize>().ok()?).copied();
            if let (Some(from), Some(to)) = (name(from), name(to)) {
                seen.entry(from).or_default().out_of = true;
                seen.entry(to).or_default().into = true;
            }
        }
    }
    let mut role = |name: &str, seen: &Seen| {
        let word = name.to_lowercase().replace('-', "_");
        let is = |words: &[&str]| words.contains(&word.as_str());
        let (starts, ends) =
            (is(&["input", "in", "x", "data", "source", "start"]), is(&["output", "out", "y", "sink", "end"]));
        let by_name = match word.as_str() {
            _ if starts => Role::Input,
            _ if ends => Role::Output,
            "none" | "zero" | "zeroize" | "null" => Role::Absent,
            "skip" | "skip_connect" | "skip_connection" | "identity" | "id" => Role::Identity,
            _ => Role::Compute,
        };
        if (starts && seen.into) || (ends && seen.out_of) {
            let edges = if starts { "edges lead to it" } else { "edges lead from it" };
            notes.push(format!(
                "`{name}` is called like an end of a cell, but {edges}: it is taken for an operation that computes?"
            ));
            return Role::Compute;
        }
        if by_name == Role::Compute && texts.len() > 1 && !(seen.into && seen.out_of) {
            let ends = texts.iter().all(|text| is_end(text, name, seen.into));
            if ends {
                let (edges, role) = if seen.into { ("from", "output") } else { ("to", "input") };
                notes
                    .push(format!("`{name}` is in every cell once, and no edge leads {edges} it: is its role {role}?"));
            }
        }
        by_name
    };
    seen.iter().map(|(name, seen)| ((*name).to_string(), role(name, seen))).collect()
}

/// Whether the cell spelled `text` has the operation `name` once, as its last node or else as its first.
fn is_end(text: &str, name: &str, last: bool) -> bool {
    let names: Vec<&str> = text.split(';').next().unwrap_or_default().split_whitespace().collect();
    let place = if last { names.last() } else { names.first() };
    place == Some(&name) && names.iter().filter(|other| **other == name).count() == 1
}

/// Tells of rows that spell one architecture.
fn duplicates(table: &Table, space: &dyn Space, notes: &mut Vec<String>) -> Result<()> {
    let mut rows: HashMap<String, usize> = HashMap::new();
    let mut twice = Vec::new();
    for (row, text) in table.architectures(space)?.into_iter().enumerate() {
        if let Some(first) = rows.insert(text, row) {
            twice.push((first, row));
        }
    }
    if let Some(&(first, row)) = twice.first() {
        let (count, one, other) = (counted(twice.len(), "row"), table.line(first), table.line(row));
        notes.push(format!("{count} with the architecture of an earlier row, such as lines {one} and {other}"));
    }
    Ok(())
}

/// The columns of numbers that are not part of the architecture.
struct Columns {
    /// Names and values in the order of the tables.
    numbers: Vec<(String, Vec<f64>)>,
}

impl Columns {
    /// Reads what can be read and tells of the rest.
    fn read(
        table: &Table,
        joined: &JoinedColumns,
        space: &dyn Space,
        filter: &Option<(String, String)>,
        notes: &mut Vec<String>,
    ) -> Self {
        let parts: Vec<&str> = space.columns().iter().flat_map(|set| set.iter().copied()).collect();
        let own = |name: &&String| !parts.contains(&name.as_str()) && !KEYS.split(' ').any(|key| key == name.as_str());
        let mut names: Vec<String> = table.header().iter().filter(own).cloned().collect();
        names.extend(joined.names(&[]));
        let mut columns = Columns { numbers: Vec::new() };
        let mut known: HashMap<Vec<u64>, String> = HashMap::new();
        for name in names {
            let values = match joined.numbers(&name) {
                Ok(values) => values,
                Err(_) if filter.as_ref().is_some_and(|(column, _)| *column == name) => continue,
                Err(error) => {
                    let at = error.position().map_or(String::new(), |position| format!(" ({position})"));
                    notes.push(format!("no target: {}{at}", error.message()));
                    continue;
                }
            };
            let mut present = values.iter().filter(|value| !value.is_nan());
            match present.next() {
                None => notes.push(format!("column `{name}` is empty")),
                Some(first) if present.all(|value| value == first) => {
                    notes.push(format!("column `{name}` is {first} everywhere"));
                }
                Some(_) => {
                    let bits = values.iter().map(|value| value.to_bits()).collect();
                    match known.get(&bits) {
                        Some(other) => notes.push(format!("column `{name}` is a copy of `{other}`")),
                        None => {
                            known.insert(bits, name.clone());
                            columns.numbers.push((name, values));
                        }
                    }
                }
            }
        }
        columns
    }

    /// The lines that say what is trained on.
    fn describe(
        &self,
        init: &InitConfig,
        filter: &Option<(String, String)>,
        notes: &mut Vec<String>,
    ) -> Result<String> {
        let names: Vec<&str> = self.numbers.iter().map(|(name, _)| name.as_str()).collect();
        // Validation before test, quality before cost.
        let rank = |name: &&&str| {
            let lower = name.to_lowercase();
            let is_test = lower.contains("test") && !lower.contains("val");
            (
                has_part(name, COSTS) && !lower.contains("loss"),
                !has_part(name, QUALITIES),
                lower.contains("train"),
                is_test,
            )
        };
        let chosen = match &init.target {
            Some(name) => names.iter().find(|other| *other == name).copied(),
            None => names.iter().min_by_key(rank).copied(),
        };
        let Some(target) = chosen else {
            let message = match &init.target {
                Some(name) => format!("there is no column `{}` of numbers that differ", shorten(name)),
                None => "there is no column of numbers that differ: nothing to predict".to_string(),
            };
            let hint = match names.is_empty() {
                true => {
                    notes.iter().map(|note| format!("{note}; ")).collect::<String>() + "--columns adds another table"
                }
                false => format!("columns that can be a target: {}; --columns adds another table", names.join(", ")),
            };
            return Err(Error::new(Stage::Usage, message).file(&init.table).hint(hint));
        };
        let values = &self.numbers.iter().find(|(name, _)| name == target).expect("it is one of them").1;
        let labelled = values.iter().filter(|value| !value.is_nan()).count();
        if labelled < values.len() {
            notes.push(format!("{} without a value of `{target}`", counted(values.len() - labelled, "row")));
        }
        let lower_is_better = has_part(target, COSTS);
        let test = target.replace("val", "test").replace("testid", "test");
        let test = names.iter().find(|name| **name == test && test != target);
        let others: Vec<&str> = names.iter().copied().filter(|name| *name != target).collect();
        let mut lines = format!("data:\n  table: {}", yaml_text(&init.table.display().to_string()));
        lines.push_str(&format!("\n  train_target: {}\n", yaml_text(target)));
        if let Some(test) = test {
            lines.push_str(&format!("  test_target: {}   # what predictions are judged by\n", yaml_text(test)));
        }
        if lower_is_better {
            lines.push_str("  higher_is_better: false   # from its name?\n");
        }
        if let Some((column, value)) = filter {
            lines.push_str(&format!("  where:\n    {}: {}\n", yaml_text(column), yaml_text(value)));
        }
        if !others.is_empty() {
            lines.push_str(&format!("  # Other columns that can be a target: {}\n", others.join(", ")));
            let cheap: Vec<String> =
                others.iter().filter(|name| has_part(name, "param flop madd depth")).map(|n| yaml_text(n)).collect();
            if !cheap.is_empty() {
                lines.push_str("  # What is known of all architectures helps where labels are few:\n");
                lines.push_str(&format!("  # columns: [{}]\n", cheap.join(", ")));
            }
        }
        let train = labelled.min(TRAIN);
        let all = if train < labelled { format!("   # of {labelled} rows with a value") } else { String::new() };
        lines.push_str(&format!("split: {{train: {train}}}{all}\n"));
        Ok(lines)
    }
}

/// A text as it is written in YAML.
fn yaml_text(text: &str) -> String {
    serde_yaml::to_string(text).expect("a text").trim_end().to_string()
}

/// A value as lines of YAML, each after `margin`.
fn yaml(value: &impl serde::Serialize, margin: &str) -> String {
    let text = serde_yaml::to_string(value).expect("plain data");
    text.lines().map(|line| format!("{margin}{line}\n")).collect()
}
