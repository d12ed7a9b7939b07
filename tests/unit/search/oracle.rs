//! Commands that answer, fail, hang, or outlive the search that started them.

use crate::search::oracle::{CommandOracle, Patience, Question};
use crate::search::{Answer, Oracle};
use std::path::Path;
use std::time::{Duration, Instant};

fn oracle(folder: &Path, command: &str, seconds: f64, objectives: usize) -> CommandOracle {
    let timeout = Some(Duration::from_secs_f64(seconds));
    CommandOracle { command: command.to_string(), jobs: 2, timeout, objectives, folder: folder.to_path_buf() }
}

fn question(fidelity: Option<&str>) -> Question<'_> {
    Question { number: 7, slot: 1, text: "a cell", fidelity }
}

fn ask(command: &str, seconds: f64, objectives: usize) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    let oracle = oracle(folder.path(), command, seconds, objectives);
    oracle.measure(question(None), &|| Patience::Wait).unwrap().unwrap()
}

#[test]
fn numbers_are_answers_and_all_else_is_a_failure() {
    assert_eq!(ask("echo epoch 1; cat >&2; echo 93.5", 10.0, 1), Ok(vec![93.5]));
    assert_eq!(ask("wc -c", 10.0, 1), Ok(vec![7.0]));
    assert_eq!(ask("echo 1 -2e3", 10.0, 2), Ok(vec![1.0, -2000.0]));
    assert_eq!(ask("echo $CARL_QUERY $CARL_SLOT$CARL_FIDELITY", 10.0, 2), Ok(vec![7.0, 1.0]));
    let failure = |command: &str| ask(command, 5.0, 1).unwrap_err();
    assert_eq!(failure("echo nan"), "printed NaN, not a finite number");
    assert_eq!(failure("echo out of memory"), "printed `out of memory`, not a number");
    assert_eq!(failure("echo 1 2"), "printed 2 numbers, expected is 1");
    assert_eq!(failure("true"), "printed nothing");
    assert_eq!(failure("echo 5; echo no device >&2; exit 3"), "exit status 3: no device");
    assert_eq!(failure("kill -9 $$").split(':').next().unwrap(), "killed by signal 9");
    assert_eq!(failure("/nonexistent/program 2>/dev/null"), "exit status 127");
}

#[test]
fn a_cheaper_measurement_is_one_number_and_outputs_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let oracle = oracle(folder.path(), "test \"$CARL_FIDELITY\" = e12 && echo 5", 10.0, 2);
    let answer = oracle.measure(question(Some("e12")), &|| Patience::Wait).unwrap().unwrap();
    assert_eq!(answer, Ok(vec![5.0]));
    assert_eq!(std::fs::read_to_string(folder.path().join("query-000007.out")).unwrap(), "5\n");
}

#[test]
fn what_hangs_is_ended_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let started = Instant::now();
    let command = format!("sleep 60 & echo $! > {}; wait", file.display());
    assert_eq!(ask(&command, 0.3, 1).unwrap_err(), "no answer within 0.3 s");
    // One that answers, but leaves something behind.
    assert_eq!(ask("sleep 60 & echo 1", 20.0, 1), Ok(vec![1.0]));
    assert!(started.elapsed() < Duration::from_secs(15));
    let child: libc::pid_t = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
    let ended = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        // SAFETY: signal 0 only asks whether the process is there.
        unsafe { libc::kill(child, 0) != 0 }
    });
    let status = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    // A killed process may only wait to be reaped by the system's first one.
    assert!(ended || status.contains(") Z "));
}

#[test]
fn the_answer_of_a_command_that_outlived_its_search_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let command = format!("echo started >> {}; sleep 1; echo 42", ledger.display());
    let first = oracle(folder.path(), &command, 20.0, 1);
    // As a killed search leaves it: the command runs, and nobody waits for it.
    drop(first.start(question(None)).unwrap());
    // The cell does not come from the search, which may be gone by now.
    let cell = std::fs::read_to_string(folder.path().join("query-000007.in")).unwrap();
    assert_eq!(cell, format!("{}\n", question(None).text));
    let answer = first.measure(question(None), &|| Patience::Wait).unwrap().unwrap();
    assert_eq!(answer, Ok(vec![42.0]));
    assert_eq!(std::fs::read_to_string(ledger).unwrap(), "started\n");
}
