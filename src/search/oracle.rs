//! Oracle: what measures cells. Columns of a table, or a command of the user's that trains them for real.

use super::Answer;
use super::catalog::Catalog;
use crate::error::{Error, Result, Stage};
use crate::file;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// The end of a command's output that is read.
const TAIL: u64 = 1 << 16;
/// How often a command is looked after.
const WATCH: Duration = Duration::from_millis(10);
/// Characters of a command's output that a failure quotes.
const QUOTED: usize = 120;
/// Runs the command $1 and writes its exit status to the file $2: also if the search has been killed by then.
const WRAPPER: &str = "sh -c \"$1\"; echo $? > \"$2\"";

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Number of the query, from 0.
    pub number: usize,
    /// Slot in which it runs, from 0.
    pub slot: usize,
    /// The cell.
    pub text: &'a str,
    /// Name of the fidelity; none for the objectives themselves.
    pub fidelity: Option<&'a str>,
}

/// What a search wants of a command that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Its answer.
    Wait,
    /// Its end.
    Kill,
}

/// Measures cells.
pub trait Oracle: Sync {
    /// Number of cells that are measured at once.
    fn slots(&self) -> usize;

    /// Whether an answer takes no time, so that no thread is worth it.
    fn is_instant(&self) -> bool {
        false
    }

    /// The answer to `question`; none if it was ended because `patience` asked for it.
    ///
    /// # Errors
    /// Only what stops the search; a cell that cannot be measured is an answer.
    fn measure(&self, question: Question, patience: &dyn Fn() -> Patience) -> Result<Option<Answer>>;
}

/// Looks answers up.
pub struct TableOracle<'a> {
    /// The rows.
    pub catalog: &'a Catalog,
    /// One column per objective, NaN where there is no value.
    pub columns: &'a [Vec<f64>],
    /// Names and columns of the fidelities.
    pub fidelities: &'a [(String, Vec<f64>)],
    /// Cells that are measured at once.
    pub slots: usize,
}

impl Oracle for TableOracle<'_> {
    fn slots(&self) -> usize {
        self.slots
    }

    fn is_instant(&self) -> bool {
        true
    }

    fn measure(&self, question: Question, _: &dyn Fn() -> Patience) -> Result<Option<Answer>> {
        let values = self.catalog.row(question.text).map(|row| -> Vec<f64> {
            match question.fidelity {
                None => self.columns.iter().map(|column| column[row]).collect(),
                Some(name) => {
                    self.fidelities.iter().filter(|entry| entry.0 == name).map(|entry| entry.1[row]).collect()
                }
            }
        });
        let values = values.filter(|values| !values.is_empty() && values.iter().all(|value| value.is_finite()));
        Ok(Some(values.ok_or_else(|| "the table has no value".to_string())))
    }
}

/// Runs a command for each cell: the cell on its standard input, numbers on the last line of its output.
///
/// The cell comes from a file in a folder, and the output goes to files there: a command is the same whether the search lives or
/// has been killed. It keeps its output file locked as long as it runs, so a search that goes on after it was killed finds the
/// commands that are still running, or have ended since, and takes their answers.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandOracle {
    /// Given to `sh -c`.
    pub command: String,
    /// Commands at once.
    pub jobs: usize,
    /// How long one may take.
    pub timeout: Option<Duration>,
    /// Numbers that are expected of a full measurement.
    pub objectives: usize,
    /// Folder of the outputs.
    pub folder: PathBuf,
}

/// Files of one query.
struct QueryFiles {
    input: PathBuf,
    output: PathBuf,
    errors: PathBuf,
    status: PathBuf,
}

impl Oracle for CommandOracle {
    fn slots(&self) -> usize {
        self.jobs
    }

    fn measure(&self, question: Question, patience: &dyn Fn() -> Patience) -> Result<Option<Answer>> {
        file::create_folder(&self.folder)?;
        let files = self.files(question.number);
        let expected = if question.fidelity.is_some() { 1 } else { self.objectives };
        if files.output.exists() && !self.wait_for_orphan(&files, patience)? {
            return Ok(None);
        }
        if let Some(answer) = answer_of(&files, expected)? {
            return Ok(Some(answer));
        }
        let mut group = ProcessGroup(self.start(question)?);
        let started = Instant::now();
        loop {
            match group.0.try_wait() {
                Ok(Some(_)) => break,
                Ok(None) if patience() == Patience::Kill => return Ok(None),
                Ok(None) if self.timeout.is_some_and(|limit| started.elapsed() > limit) => {
                    let limit = self.timeout.unwrap_or_default().as_secs_f64();
                    return Ok(Some(Err(format!("no answer within {limit} s"))));
                }
                Ok(None) => std::thread::sleep(WATCH),
                Err(error) => return Err(Error::io("sh", "wait for the oracle", &error)),
            }
        }
        // What it left running is not waited for.
        group.end();
        let lost = || "ended without an exit status".to_string();
        Ok(Some(answer_of(&files, expected)?.unwrap_or_else(|| Err(lost()))))
    }
}

impl CommandOracle {
    fn files(&self, number: usize) -> QueryFiles {
        let name = |ending: &str| self.folder.join(format!("query-{number:06}.{ending}"));
        QueryFiles { input: name("in"), output: name("out"), errors: name("err"), status: name("status") }
    }

    /// Starts the command for `question`.
    pub(crate) fn start(&self, question: Question) -> Result<Child> {
        let files = self.files(question.number);
        let create = |path: &Path| File::create(path).map_err(|error| Error::io(path, "write", &error));
        std::fs::write(&files.input, format!("{}\n", question.text))
            .map_err(|error| Error::io(&files.input, "write", &error))?;
        let input = File::open(&files.input).map_err(|error| Error::io(&files.input, "read", &error))?;
        let output = create(&files.output)?;
        // Held by the command, too, since it inherits the open file.
        let _ = output.try_lock();
        let mut command = Command::new("sh");
        command.arg("-c").arg(WRAPPER).arg("carl").arg(&self.command).arg(&files.status);
        command.env("CARL_SLOT", question.slot.to_string()).env("CARL_QUERY", question.number.to_string());
        command.env("CARL_FIDELITY", question.fidelity.unwrap_or(""));
        command.stdin(input).stdout(output).stderr(create(&files.errors)?);
        // A group of its own, so that all that it starts can be ended, and Ctrl-C reaches only the search.
        command.process_group(0);
        command.spawn().map_err(|error| Error::io("sh", "run the oracle", &error))
    }

    /// Waits for a command that an earlier search started, as long as it runs; false if `patience` ends first.
    fn wait_for_orphan(&self, files: &QueryFiles, patience: &dyn Fn() -> Patience) -> Result<bool> {
        let fail = |error: std::io::Error| Error::io(&files.output, "look at the output of an earlier search", &error);
        let output = OpenOptions::new().read(true).open(&files.output).map_err(fail)?;
        let started = Instant::now();
        while let Err(error) = output.try_lock() {
            match error {
                _ if files.status.exists() => break,
                TryLockError::Error(error) => return Err(fail(error)),
                TryLockError::WouldBlock if patience() == Patience::Kill => return Ok(false),
                TryLockError::WouldBlock if self.timeout.is_some_and(|limit| started.elapsed() > limit) => break,
                TryLockError::WouldBlock => std::thread::sleep(WATCH),
            }
        }
        Ok(true)
    }
}

/// The answer in the files of a command that has ended; none where it has written no exit status.
fn answer_of(files: &QueryFiles, expected: usize) -> Result<Option<Answer>> {
    let Ok(status) = std::fs::read_to_string(&files.status) else { return Ok(None) };
    let Ok(status) = status.trim().parse::<i32>() else { return Ok(None) };
    Ok(Some(judge(status, &tail(&files.output)?, &tail(&files.errors)?, expected)))
}

/// What an exit status and the outputs of a command say.
fn judge(status: i32, output: &str, errors: &str, expected: usize) -> Answer {
    if status != 0 {
        // A shell reports a signal as 128 and its number.
        let how = if (129..=192).contains(&status) {
            format!("killed by signal {}", status - 128)
        } else {
            format!("exit status {status}")
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
    if values.len() != expected {
        return Err(format!("printed {} numbers, expected is {expected}", values.len()));
    }
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(format!("printed {value}, not a finite number")),
        None => Ok(values),
    }
}

/// A command and all that it started; ended when it is dropped.
struct ProcessGroup(Child);

impl ProcessGroup {
    fn end(&mut self) {
        let leader = self.0.id() as libc::pid_t;
        // SAFETY: kill has no memory to harm; the number of the group stays taken while a process of it lives.
        unsafe { libc::kill(-leader, libc::SIGKILL) };
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.end();
        // It has just been killed: this only takes its status.
        let _ = self.0.wait();
    }
}

/// The end of a file as text.
fn tail(path: &Path) -> Result<String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| Error::io(path, "read the output of the oracle", &error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
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
