//! `carl search` as its users run it: with a table, with a command that measures, killed and resumed.
#![cfg(feature = "cli")]

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn carl() -> Command {
    Command::cargo_bin("carl").unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A configuration over all of NAS-Bench-201, whose label is made up of what a cell holds.
fn config(folder: &Path) -> String {
    let space = carl::open_space("nasbench201", None).unwrap();
    let names = space.vocabulary().operations();
    let conv = names.iter().position(|operation| operation.name == "nor_conv_3x3").unwrap() as u16;
    let mut table = String::from("arch,val,cost\n");
    for cell in space.enumerate().unwrap().step_by(7) {
        let count = cell.operations.iter().filter(|&&id| id == conv).count();
        let place: usize = cell.operations.iter().enumerate().map(|(place, &id)| place * usize::from(id)).sum();
        table += &format!("{},{},{}\n", space.print(&cell), 50.0 + 5.0 * count as f64 + 0.01 * place as f64, count);
    }
    fs::write(folder.join("table.csv"), table).unwrap();
    let path = folder.join("config.yaml");
    let yaml = format!(
        "space: nasbench201\ndata: {{table: {}, train_target: val}}\nsplit: {{train: 20}}\n",
        folder.join("table.csv").display()
    );
    fs::write(&path, yaml).unwrap();
    text(&path).to_string()
}

fn json(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn it_finds_the_best_cell_and_repeats_itself_whatever_the_threads() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    let run = |threads: &str| {
        let mut found = json(carl().args(["search", &config, "--budget", "40", "--runs", "3", "--json"]).args([
            "--baselines",
            "random,evolution,local-search",
            "--threads",
            threads,
        ]));
        for run in found["runs"].as_array_mut().unwrap() {
            run.as_object_mut().unwrap().remove("seconds");
        }
        found
    };
    let found = run("1");
    let runs = found["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3);
    for run in runs {
        assert_eq!(run["queries"], 40);
        let trajectory: Vec<f64> =
            run["trajectory"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        assert_eq!(trajectory.len(), 40);
        assert!(trajectory.is_sorted());
        assert_eq!(run["best_validation"].as_f64().unwrap(), trajectory[39]);
    }
    assert!(found["optimum_found"].as_u64().unwrap() >= 2, "{found}");
    assert_eq!(found["runs"], run("2")["runs"]);
}

#[test]
fn the_report_draws_why_the_best_cells_are_good() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    let page = folder.path().join("page.html");
    let mut command = carl();
    command.args(["search", &config, "--budget", "30", "--baselines", "random", "--report", text(&page)]);
    for set in ["model.members=2", "model.hidden=8", "train.epochs=10"] {
        command.args(["--set", set]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let html = fs::read_to_string(page).unwrap();
    for place in 1..=5 {
        assert!(html.contains(&format!("Best cell {place}: ")), "cell {place} is not drawn");
    }
    assert!(!html.contains("Best cell 6: "));
    // The legend of each drawing.
    assert_eq!(html.matches("bold: critical substructure").count(), 5);
}

#[test]
fn several_objectives_give_a_front_within_the_bounds() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    let mut command = carl();
    let command = command.args(["search", &config, "--budget", "30", "--json", "--baselines", "random,nsga2"]);
    let found = json(command.args(["--objective", "val", "--objective", "-cost", "--max", "cost=3"]));
    assert!(found["baselines"]["nsga2"]["mean_hypervolume"].as_f64().unwrap() > 0.0);
    let front = found["runs"][0]["front"].as_array().expect("a front");
    assert!(!front.is_empty());
    for cell in front {
        let arch = cell["arch"].as_str().unwrap();
        assert!(arch.matches("nor_conv_3x3").count() <= 3, "{arch}");
    }
}

#[test]
fn an_open_space_is_searched_and_its_candidates_evolve() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("config.yaml");
    fs::write(&config, "space: darts\ndata: {table: none.csv, train_target: val}\nsplit: {train: 20}\n").unwrap();
    let script = folder.path().join("oracle.sh");
    fs::write(&script, "tr ' ' '\\n' | grep -c sep_conv_5x5 || true\n").unwrap();
    let oracle = format!("sh {}", script.display());
    let mut command = carl();
    command.args(["search", text(&config), "--budget", "24", "--json", "--oracle", &oracle, "--jobs", "4"]);
    command.args(["--set", "search.candidates=400"]);
    let found = json(command.args(["--log", text(&folder.path().join("log.jsonl"))]));
    let drawn = found["runs"][0]["trajectory"][9].as_f64().unwrap();
    assert!(found["runs"][0]["best_validation"].as_f64().unwrap() > drawn, "{found}");
}

/// Rows of a suggestion: architecture and utility.
fn suggested(arguments: &[&str]) -> Vec<(String, String)> {
    let output = carl().arg("suggest").args(arguments).args(["--output", "-"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.starts_with("arch,utility\n"), "{table}");
    let row =
        |line: &str| line.rsplit_once(',').map(|(arch, utility)| (arch.to_string(), utility.to_string())).unwrap();
    table.lines().skip(1).map(row).collect()
}

#[test]
fn suggestions_are_new_and_among_the_candidates() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    let table = fs::read_to_string(folder.path().join("table.csv")).unwrap();
    let lines: Vec<&str> = table.lines().skip(1).collect();
    // Far apart from each other in the order of the space.
    let rows: Vec<&str> = (0..lines.len()).map(|index| lines[index * 37 % lines.len()]).collect();
    let write = |name: &str, head: &str, rows: &[&str]| {
        let path = folder.path().join(name);
        fs::write(&path, format!("{head}\n{}\n", rows.join("\n"))).unwrap();
        text(&path).to_string()
    };
    let arch = |row: &&str| row.split(',').next().unwrap().to_string();
    let known = write("known.csv", "arch,val,cost", &rows[..60]);
    let pending: Vec<String> = rows[60..70].iter().map(arch).collect();
    let pending_rows: Vec<&str> = pending.iter().map(String::as_str).collect();
    let pending_file = write("pending.csv", "arch", &pending_rows);
    let candidates: Vec<String> = rows[40..140].iter().map(arch).collect();
    let candidate_rows: Vec<&str> = candidates.iter().map(String::as_str).collect();
    let candidates_file = write("candidates.csv", "arch", &candidate_rows);
    let arguments = [
        config.as_str(),
        "--count",
        "8",
        "--for",
        "best",
        "--known",
        &known,
        "--pending",
        &pending_file,
        "--candidates",
        &candidates_file,
    ];
    let found = suggested(&arguments);
    assert_eq!(found.len(), 8);
    assert_eq!(found, suggested(&arguments));
    let taken: Vec<String> = rows[..70].iter().map(arch).collect();
    for (arch, utility) in &found {
        assert!(candidates.contains(arch) && !taken.contains(arch), "{arch}");
        assert!(utility.parse::<f64>().unwrap().is_finite());
    }
    // Nothing is known: cells are drawn.
    let drawn = suggested(&[&config, "--count", "5"]);
    assert!(drawn.len() == 5 && drawn.iter().all(|(_, utility)| utility.is_empty()));
}

#[test]
fn rows_of_a_user_table_are_its_candidates() {
    let folder = TempDir::new().unwrap();
    let (table, config) = (folder.path().join("dag.csv"), folder.path().join("dag.yaml"));
    fs::write(&config, format!("space: dag\ndata: {{table: {}, train_target: y}}\n", table.display())).unwrap();
    let mut rows = "ops,edges,y\n".to_string();
    for code in 0..64 {
        let op = |digit: u32| ["conv", "pool", "mix", "gate"][(code >> (2 * digit)) % 4];
        rows += &format!("input {} {} {} output,0>1 1>2 2>3 3>4,{code}\n", op(0), op(1), op(2));
    }
    fs::write(&table, &rows).unwrap();
    let oracle = "tee -a \"$LEDGER\" | tr ' ' '\\n' | grep -c conv || true";
    let ledger = folder.path().join("ledger");
    let mut command = carl();
    command.env("LEDGER", &ledger).args(["search", text(&config), "--budget", "30", "--json", "--oracle", oracle]);
    let found = json(command.args(["--jobs", "3", "--log", text(&folder.path().join("log.jsonl"))]));
    assert_eq!(found["runs"][0]["best_validation"], 3.0);
    for cell in fs::read_to_string(ledger).unwrap().lines() {
        assert!(rows.contains(&cell.replace(';', ",")), "{cell} is not in the table");
    }
}

/// A command that measures: it fails in every way for some cells and never ends for others.
const ORACLE: &str = r#"read cell
echo "$cell" >> "$LEDGER"
case "$cell" in
  *avg_pool_3x3~2*) echo nan ;;
  *none~2*) echo "no number" ;;
  *skip_connect~2*) exit 3 ;;
  *nor_conv_1x1~2*) sleep 60 ;;
  *) echo "$cell" | tr -cd '3' | wc -c ;;
esac
"#;

#[test]
fn a_command_that_fails_hangs_or_lies_does_not_stop_it() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    let (script, ledger, log) =
        (folder.path().join("oracle.sh"), folder.path().join("ledger"), folder.path().join("log.jsonl"));
    fs::write(&script, ORACLE).unwrap();
    let started = Instant::now();
    let oracle = format!("sh {}", script.display());
    let mut command = carl();
    let command = command.args(["search", &config, "--budget", "16", "--json", "--jobs", "4", "--timeout", "1"]);
    let found = json(command.args(["--oracle", &oracle, "--log", text(&log)]).env("LEDGER", &ledger));
    assert!(started.elapsed() < Duration::from_secs(50), "a hanging command was waited for");
    assert!(!found["runs"][0]["failures"].as_array().unwrap().is_empty(), "{found}");
    let asked = fs::read_to_string(&ledger).unwrap();
    let mut cells: Vec<&str> = asked.lines().collect();
    cells.sort_unstable();
    let count = cells.len();
    cells.dedup();
    assert_eq!(cells.len(), count, "a cell was measured twice");
}

#[test]
fn a_command_that_only_fails_is_an_error() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    let log = folder.path().join("log.jsonl");
    let output =
        carl().args(["search", &config, "--budget", "4", "--oracle", "false", "--log", text(&log)]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("all 4 queries"));
    assert_eq!(fs::read_to_string(&log).unwrap().matches("exit status 1").count(), 4);
    // A first round that fails whole stops it early; a repaired command goes on.
    let log = folder.path().join("early.jsonl");
    let arguments = |command: &str, option: &str| -> Vec<String> {
        ["search", &config, "--budget", "40", "--json", "--oracle", command, option, text(&log)]
            .map(String::from)
            .into()
    };
    let output = carl().args(arguments("false", "--log")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("first round"));
    assert_eq!(fs::read_to_string(&log).unwrap().matches("exit status 1").count(), 10);
    let found = json(carl().args(arguments("tr -cd 3 | wc -c", "--resume")).arg("--retry-failed"));
    assert_eq!(
        (found["runs"][0]["queries"].clone(), found["runs"][0]["failures"].clone()),
        (40.into(), Value::Array(vec![]))
    );
}

#[test]
fn killed_and_resumed_it_ends_where_it_would_have() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    let (script, log) = (folder.path().join("oracle.sh"), folder.path().join("log.jsonl"));
    fs::write(&script, "read cell\necho \"$cell\" >> \"$1\"\nsleep 0.05\necho \"$cell\" | tr -cd '3' | wc -c\n")
        .unwrap();
    let ledger = folder.path().join("ledger");
    let oracle = format!("sh {} {}", script.display(), ledger.display());
    let arguments = |log: &Path| -> Vec<String> {
        ["search", &config, "--budget", "24", "--json", "--oracle", &oracle, "--log", text(log)]
            .map(str::to_string)
            .into()
    };
    let whole = json(carl().args(arguments(&folder.path().join("whole.jsonl"))));
    fs::remove_file(&ledger).unwrap();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("carl"))
        .args(arguments(&log))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    let waiting = Instant::now();
    while lines() < 27 && waiting.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The line that was being written is not whole.
    let cut = fs::read(&log).unwrap();
    fs::write(&log, &cut[..cut.len() - 3]).unwrap();
    let mut resumed = carl();
    let resumed = resumed.args(["search", &config, "--budget", "24", "--json", "--oracle", &oracle]);
    let found = json(resumed.args(["--resume", text(&log)]));
    assert_eq!(found["runs"][0]["trajectory"], whole["runs"][0]["trajectory"]);
    assert_eq!(found["runs"][0]["best_arch"], whole["runs"][0]["best_arch"]);
    // What ran when the search was killed has ended since, and is not started again.
    assert_eq!(fs::read_to_string(&ledger).unwrap().lines().count(), 24);
}

#[test]
fn every_slot_gets_a_query_at_once_though_few_cells_are_drawn() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log.jsonl");
    let oracle = "sleep 1; tr -cd 3 | wc -c";
    let arguments = ["--budget", "10", "--jobs", "8", "--set", "search.initial=2", "--oracle", oracle];
    carl().args(["search", &config(folder.path()), "--log", text(&log)]).args(arguments).assert().success();
    let log = fs::read_to_string(&log).unwrap();
    let asked = log.lines().skip(1).take_while(|line| line.contains("\"asked\"")).count();
    assert_eq!(asked, 8, "{log}");
}

#[test]
fn sixteen_jobs_killed_again_and_again_lose_and_repeat_nothing() {
    const QUERIES: usize = 80;
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    let (ledger, log) = (folder.path().join("ledger"), folder.path().join("log.jsonl"));
    let oracle =
        format!("sleep 0.2; read cell; echo \"$cell\" >> {}; echo \"$cell\" | tr -cd 3 | wc -c", ledger.display());
    let budget = QUERIES.to_string();
    let arguments = ["search", &config, "--budget", &budget, "--jobs", "16", "--oracle", &oracle];
    let asked = || fs::read_to_string(&log).map_or(0, |text| text.matches("\"asked\"").count());
    for kill in 0..4 {
        let option = if kill == 0 { "--log" } else { "--resume" };
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("carl"));
        command.args(arguments).args([option, text(&log)]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let waiting = Instant::now();
        // In the midst of a round, at another place each time.
        while asked() < 18 * kill + 5 && waiting.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let found = json(carl().args(arguments).args(["--json", "--resume", text(&log)]));
    assert_eq!(found["runs"][0]["queries"], QUERIES);
    let ledger = fs::read_to_string(ledger).unwrap();
    let cells: std::collections::HashSet<&str> = ledger.lines().filter(|cell| !cell.is_empty()).collect();
    assert_eq!((ledger.lines().count(), cells.len()), (QUERIES, QUERIES));
}

#[test]
fn the_first_interrupt_waits_for_what_runs_and_names_the_command_that_goes_on() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    let log = folder.path().join("log.jsonl");
    let child = std::process::Command::new(assert_cmd::cargo::cargo_bin("carl"))
        .args(["search", &config, "--budget", "40", "--jobs", "2", "--oracle", "sleep 0.3; wc -c", "--log", text(&log)])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let waiting = Instant::now();
    let lines = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    while lines() < 6 && waiting.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
    // SAFETY: a signal to a child that has not been waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("--resume") && message.contains("log.jsonl"), "{message}");
    let kept = fs::read_to_string(&log).unwrap();
    assert_eq!(kept.matches("\"asked\"").count(), kept.matches("\"answered\"").count(), "{kept}");
}
