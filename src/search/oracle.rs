//! Oracle: what measures cells. Columns of a table, or a command of the user's that trains them for real.

use super::Answer;
use super::catalog::Catalog;
use crate::error::{Error, Result, Stage};
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What a command may print; the rest is read and forgotten.
const MOST_OUTPUT: usize = 1 << 16;
/// How often a command is looked after.
const WATCH: Duration = Duration::from_millis(10);
/// Characters of a command's output that a failure quotes.
const QUOTED: usize = 120;

/// Hears an answer: which cell, what, after how many seconds.
pub type Hear<'h> = dyn FnMut(usize, Answer, f64) -> Result<()> + 'h;

/// Measures cells.
pub trait Oracle: Sync {
    /// Answers for each of `cells`, in any order, each told to `hear` at once. Once `stop` is set, no further one is begun,
    /// those under way are ended, and neither is told.
    ///
    /// # Errors
    /// Only what stops the search; a cell that cannot be measured is an answer.
    fn query(&self, cells: &[&str], stop: &AtomicBool, hear: &mut Hear) -> Result<()>;
}

/// Looks answers up.
pub struct TableOracle<'a> {
    /// The rows.
    pub catalog: &'a Catalog,
    /// One column an objective, NaN where there is no value.
    pub columns: Vec<Vec<f64>>,
}

impl Oracle for TableOracle<'_> {
    fn query(&self, cells: &[&str], stop: &AtomicBool, hear: &mut Hear) -> Result<()> {
        for (place, text) in cells.iter().enumerate().take_while(|_| !stop.load(Ordering::SeqCst)) {
            let values: Option<Vec<f64>> = self
                .catalog
                .row(text)
                .map(|row| self.columns.iter().map(|column| column[row]).collect())
                .filter(|values: &Vec<f64>| values.iter().all(|value| value.is_finite()));
            hear(place, values.ok_or_else(|| "the table has no value".to_string()), 0.0)?;
        }
        Ok(())
    }
}

/// Runs a command for each cell: the cell on its standard input, numbers on the last line of its output.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandOracle {
    /// Given to `sh -c`.
    pub command: String,
    /// Commands at once.
    pub jobs: usize,
    /// How long one may take.
    pub timeout: Option<Duration>,
    /// Numbers that are expected.
    pub objectives: usize,
}

impl Oracle for CommandOracle {
    fn query(&self, cells: &[&str], stop: &AtomicBool, hear: &mut Hear) -> Result<()> {
        let next = AtomicUsize::new(0);
        // Set when the log cannot be written: the commands under way are then ended too.
        let failed = AtomicBool::new(false);
        let (sender, receiver) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.clamp(1, cells.len()) {
                let sender = sender.clone();
                let (next, failed) = (&next, &failed);
                scope.spawn(move || {
                    let ended = || stop.load(Ordering::SeqCst) || failed.load(Ordering::SeqCst);
                    while let Some((place, cell)) = take(next, cells).filter(|_| !ended()) {
                        let started = Instant::now();
                        let answer = self.ask(cell, &ended);
                        // Nobody listens once the search has failed.
                        let _ = sender.send((place, answer, started.elapsed().as_secs_f64()));
                    }
                });
            }
            drop(sender);
            for (place, answer, seconds) in receiver {
                let heard = match answer {
                    Ok(Some(answer)) => hear(place, answer, seconds),
                    Ok(None) => Ok(()),
                    Err(error) => Err(error),
                };
                if let Err(error) = heard {
                    failed.store(true, Ordering::SeqCst);
                    return Err(error);
                }
            }
            Ok(())
        })
    }
}

fn take<'c>(next: &AtomicUsize, cells: &[&'c str]) -> Option<(usize, &'c str)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    cells.get(place).map(|&cell| (place, cell))
}

impl CommandOracle {
    /// Runs the command once; none if it was ended because the search is.
    fn ask(&self, cell: &str, ended: &dyn Fn() -> bool) -> Result<Option<Answer>> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that all that it starts can be ended, and Ctrl-C reaches only the search.
        command.process_group(0);
        let child = command.spawn().map_err(|error| Error::io("sh", "run the oracle", &error))?;
        let mut group = Group(child);
        let mut input = group.0.stdin.take().expect("it is a pipe");
        let (output, errors) = (group.0.stdout.take(), group.0.stderr.take());
        let text = format!("{cell}\n");
        // A command that does not read its input has a closed or a full pipe: neither may stop the search.
        std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
        let output = reader(output.expect("it is a pipe"));
        let errors = reader(errors.expect("it is a pipe"));
        let started = Instant::now();
        let status = loop {
            match group.0.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if ended() => return Ok(None),
                Ok(None) if self.timeout.is_some_and(|limit| started.elapsed() > limit) => {
                    let limit = self.timeout.unwrap_or_default().as_secs_f64();
                    return Ok(Some(Err(format!("no answer within {limit} s"))));
                }
                Ok(None) => std::thread::sleep(WATCH),
                Err(error) => return Err(Error::io("sh", "wait for the oracle", &error)),
            }
        };
        // What it left running would hold the pipes open.
        group.end();
        let (output, errors) = (output.recv().unwrap_or_default(), errors.recv().unwrap_or_default());
        Ok(Some(self.judge(status, &output, &errors)))
    }

    fn judge(&self, status: ExitStatus, output: &str, errors: &str) -> Answer {
        if !status.success() {
            let how = match (status.code(), status.signal()) {
                (Some(code), _) => format!("exit status {code}"),
                (None, Some(signal)) => format!("killed by signal {signal}"),
                (None, None) => "failed".to_string(),
            };
            let why = last_line(errors);
            return Err(if why.is_empty() { how } else { format!("{how}: {}", quote(why)) });
        }
        let line = last_line(output);
        if line.is_empty() {
            return Err("printed nothing".to_string());
        }
        let values: Vec<f64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
        if values.len() != line.split_whitespace().count() {
            return Err(format!("printed `{}`, not a number", quote(line)));
        }
        if values.len() != self.objectives {
            return Err(format!("printed {} numbers, expected is {}", values.len(), self.objectives));
        }
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(format!("printed {value}, not a finite number")),
            None => Ok(values),
        }
    }
}

/// A command and all that it started; ended when it is dropped.
struct Group(Child);

impl Group {
    fn end(&mut self) {
        let leader = self.0.id() as libc::pid_t;
        // SAFETY: kill has no memory to harm; the group's number stays taken while a process of it lives.
        unsafe { libc::kill(-leader, libc::SIGKILL) };
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
        // It has just been killed: this only takes its status.
        let _ = self.0.wait();
    }
}

/// Reads all of a pipe on a thread of its own and gives the end of it.
fn reader(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            kept.extend_from_slice(&buffer[..count]);
            if kept.len() > 2 * MOST_OUTPUT {
                kept.drain(..kept.len() - MOST_OUTPUT);
            }
        }
        // Nobody listens where the command was ended.
        let _ = sender.send(String::from_utf8_lossy(&kept).into_owned());
    });
    receiver
}

fn last_line(text: &str) -> &str {
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("")
}

fn quote(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Refuses what is no command.
///
/// # Errors
/// An empty command.
pub fn check(command: &str) -> Result<()> {
    match command.trim().is_empty() {
        true => Err(Error::new(Stage::Usage, "--oracle is empty").hint("give a command that prints a number")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(command: &str, seconds: f64, objectives: usize) -> Answer {
        let timeout = Some(Duration::from_secs_f64(seconds));
        let oracle = CommandOracle { command: command.to_string(), jobs: 2, timeout, objectives };
        let mut answers = Vec::new();
        let hear = &mut |_, answer, _| {
            answers.push(answer);
            Ok(())
        };
        oracle.query(&["a cell"], &AtomicBool::new(false), hear).unwrap();
        answers.pop().unwrap()
    }

    #[test]
    fn numbers_are_answers_and_all_else_is_a_failure() {
        assert_eq!(ask("echo epoch 1; cat >&2; echo 93.5", 10.0, 1), Ok(vec![93.5]));
        assert_eq!(ask("wc -c", 10.0, 1), Ok(vec![7.0]));
        assert_eq!(ask("echo 1 -2e3", 10.0, 2), Ok(vec![1.0, -2000.0]));
        let failure = |command: &str| ask(command, 0.3, 1).unwrap_err();
        assert_eq!(failure("echo nan"), "printed NaN, not a finite number");
        assert_eq!(failure("echo out of memory"), "printed `out of memory`, not a number");
        assert_eq!(failure("echo 1 2"), "printed 2 numbers, expected is 1");
        assert_eq!(failure("true"), "printed nothing");
        assert_eq!(failure("echo 5; echo no device >&2; exit 3"), "exit status 3: no device");
        assert_eq!(failure("kill -9 $$"), "killed by signal 9");
        assert_eq!(failure("/nonexistent/program 2>/dev/null"), "exit status 127");
    }

    #[test]
    fn what_hangs_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let started = Instant::now();
        let command = format!("sleep 60 & echo $! > {}; wait", file.display());
        assert_eq!(ask(&command, 0.3, 1).unwrap_err(), "no answer within 0.3 s");
        // One that answers, but leaves something behind that holds the pipe.
        assert_eq!(ask("sleep 60 & echo 1", 5.0, 1), Ok(vec![1.0]));
        assert!(started.elapsed() < Duration::from_secs(5));
        let child: libc::pid_t = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
        let gone = (0..200).any(|_| {
            std::thread::sleep(WATCH);
            // SAFETY: signal 0 only asks whether the process is there.
            unsafe { libc::kill(child, 0) != 0 }
        });
        assert!(gone || zombie(child));
    }

    /// Whether a killed process only waits to be reaped by the system's first one.
    fn zombie(process: libc::pid_t) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        status.contains(") Z ")
    }
}
