//! `carl search` as its users run it: with a table, with a command that measures, killed and resumed.
#![cfg(feature = "torch")]

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
    let space = carl::space::open("nasbench201", None).unwrap();
    let conv = space.vocabulary().id("nor_conv_3x3").unwrap();
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
    assert_eq!(html.matches("★ critical substructure").count(), 5);
}

#[test]
fn several_objectives_give_a_front_within_the_bounds() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    let networks =
        ["search.surrogate=both", "graph.statistics=true", "model.hidden=8", "model.members=2", "train.epochs=5"];
    for settings in [&[][..], &networks] {
        let mut command = carl();
        let command = command.args(["search", &config, "--budget", "30", "--json", "--baselines", "none"]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let found = json(command.args(["--objective", "val", "--objective", "-cost", "--max", "cost=3"]));
        let front = found["runs"][0]["front"].as_array().or(found["front"].as_array()).expect("a front");
        assert!(!front.is_empty());
        for cell in front {
            let arch = cell["arch"].as_str().unwrap();
            assert!(arch.matches("nor_conv_3x3").count() <= 3, "{arch}");
        }
    }
}

#[test]
fn an_open_space_is_searched_and_evolved_to_cells_that_can_be_pasted() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("config.yaml");
    fs::write(&config, "space: darts\ndata: {table: none.csv, train_target: val}\nsplit: {train: 20}\n").unwrap();
    let script = folder.path().join("oracle.sh");
    fs::write(&script, "tr ' ' '\\n' | grep -c sep_conv_5x5 || true\n").unwrap();
    let oracle = format!("sh {}", script.display());
    let mut command = carl();
    command.args(["search", text(&config), "--budget", "20", "--json", "--oracle", &oracle, "--jobs", "4"]);
    command.args(["--evolve", "4000", "--set", "search.candidates=400"]);
    let found = json(command.args(["--log", text(&folder.path().join("log.jsonl"))]));
    let drawn = found["runs"][0]["trajectory"][9].as_f64().unwrap();
    assert!(found["runs"][0]["best_validation"].as_f64().unwrap() > drawn, "{found}");
    let evolved = found["evolved"].as_array().unwrap();
    assert_eq!(evolved.len(), 10);
    let space = carl::space::open("darts", None).unwrap();
    let mut cells = Vec::new();
    for cell in evolved {
        let pasted = space.parse(cell["genotype"].as_str().unwrap()).unwrap();
        assert_eq!(space.print(&pasted), cell["arch"].as_str().unwrap());
        assert!(pasted.edges.chunks(2).all(|pair| pair[0].0 != pair[1].0), "{cell}");
        cells.push(pasted);
    }
    for (place, cell) in cells.iter().enumerate() {
        for other in &cells[..place] {
            let choices = |cell: &carl::space::Architecture| -> Vec<_> {
                cell.operations.iter().copied().zip(cell.edges.iter().copied()).collect()
            };
            let differ = choices(cell).iter().zip(choices(other)).filter(|(a, b)| **a != *b).count();
            assert!(differ > 2, "{cell:?} {other:?}");
        }
    }
    let best = evolved[0]["arch"].as_str().unwrap().matches("sep_conv_5x5").count() as f64;
    assert!(best > drawn, "{found}");
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
}

#[test]
fn killed_and_resumed_it_ends_where_it_would_have() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    let (script, log) = (folder.path().join("oracle.sh"), folder.path().join("log.jsonl"));
    fs::write(&script, "read cell\nsleep 0.05\necho \"$cell\" | tr -cd '3' | wc -c\n").unwrap();
    let oracle = format!("sh {}", script.display());
    let arguments = |log: &Path| -> Vec<String> {
        ["search", &config, "--budget", "24", "--json", "--jobs", "2", "--oracle", &oracle, "--log", text(log)]
            .map(str::to_string)
            .into()
    };
    let whole = json(carl().args(arguments(&folder.path().join("whole.jsonl"))));
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("carl"))
        .args(arguments(&log))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    let waiting = Instant::now();
    while lines() < 12 && waiting.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The line that was being written is not whole.
    let cut = fs::read(&log).unwrap();
    fs::write(&log, &cut[..cut.len() - 3]).unwrap();
    let mut resumed = carl();
    let resumed = resumed.args(["search", &config, "--budget", "24", "--json", "--jobs", "2", "--oracle", &oracle]);
    let found = json(resumed.args(["--resume", text(&log)]));
    assert_eq!(found["runs"][0]["trajectory"], whole["runs"][0]["trajectory"]);
    assert_eq!(found["runs"][0]["best_arch"], whole["runs"][0]["best_arch"]);
}
