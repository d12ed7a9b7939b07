//! Log of a search: JSON Lines that are only ever appended to, each on disk before the search goes on.
//!
//! The first line names the search, then there is a line for every query that is asked and one for every answer. A line cut
//! short by a crash is dropped when the log is opened again. A query that was asked and has no answer is asked again; if its
//! command is still running, or has ended since, its answer is taken.

use super::{Answer, Proposal, Reason};
use crate::error::{Error, Position, Result, Stage};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the first line of a log calls itself.
const FORMAT: &str = "carl search log 2";
/// How long a lock that another process holds is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The search that a log belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogHeader {
    /// Always the same.
    pub format: String,
    /// Name of the space.
    pub space: String,
    /// Names of the objectives, those that are minimised with a minus sign.
    pub objectives: Vec<String>,
    /// Seed.
    pub seed: u64,
    /// The resolved configuration.
    pub config: String,
    /// The table and its constraints, the candidates and hash of what is known; not the command, which may change.
    pub cells: String,
    /// The command; empty where a table answers.
    pub oracle: String,
}

impl LogHeader {
    /// The header of the log that begins with `text`.
    ///
    /// # Errors
    /// Text that is not a log.
    pub fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text.lines().next().unwrap_or_default())
            .map_err(|_| Error::new(Stage::Table, "not a log of this release of carl search").at(Position::Line(1)))
    }

    /// Of this release's format.
    pub fn new(space: &str, objectives: Vec<String>, seed: u64, config: String, cells: String, oracle: String) -> Self {
        LogHeader { format: FORMAT.to_string(), space: space.to_string(), objectives, seed, config, cells, oracle }
    }
}

/// Every line but the first.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum LogEntry {
    Asked { asked: usize, arch: String, reason: Reason, fidelity: Option<usize> },
    Value { answered: usize, arch: String, values: Vec<f64>, seconds: f64 },
    Failure { answered: usize, arch: String, failed: String, seconds: f64 },
}

/// A query of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedQuery {
    /// The cell.
    pub arch: String,
    /// Why it was asked for.
    pub reason: Reason,
    /// Index of its fidelity.
    pub fidelity: Option<usize>,
    /// Its answer, if there is one.
    pub answer: Option<Answer>,
}

/// Where lines go.
#[derive(Debug, Default)]
enum LogSink {
    /// Nowhere.
    #[default]
    None,
    /// A file, where each is on disk before the search goes on.
    File(File, PathBuf),
    /// Memory.
    Memory(Vec<u8>),
}

/// What is known of a search so far, and where it is kept.
#[derive(Debug, Default)]
pub struct Log {
    sink: LogSink,
    /// Queries by number.
    pub queries: Vec<LoggedQuery>,
    /// Numbers of the answered queries in the order of their answers.
    pub order: Vec<usize>,
}

impl Log {
    /// One that keeps nothing.
    pub fn none() -> Self {
        Log::default()
    }

    /// One in memory that goes on from `text`, which may be empty.
    ///
    /// # Errors
    /// A log of another search, naming what differs; a damaged line before the last one.
    pub fn in_memory(text: &[u8], header: &LogHeader) -> Result<Self> {
        let mut log = Log { sink: LogSink::Memory(text.to_vec()), ..Log::default() };
        log.replay(text, header)?;
        Ok(log)
    }

    /// The lines of a log in memory.
    pub fn text(&self) -> &[u8] {
        if let LogSink::Memory(text) = &self.sink { text } else { &[] }
    }

    /// Starts the log `path`, which must not exist.
    ///
    /// # Errors
    /// A file that is there already, or a folder that refuses.
    pub fn create(path: &Path, header: &LogHeader) -> Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path).map_err(|error| {
            let failed = Error::io(path, "start the log", &error);
            match error.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    failed.hint("go on with it by --resume, or name another one with --log")
                }
                _ => failed,
            }
        })?;
        let mut log = Log { sink: LogSink::File(file, path.to_path_buf()), ..Log::default() };
        log.lock()?;
        log.append(header)?;
        Ok(log)
    }

    /// Opens a log to go on with it.
    ///
    /// # Errors
    /// A log of another search, naming what differs; one in use; a damaged line before the last one.
    pub fn resume(path: &Path, header: &LogHeader) -> Result<Self> {
        let fail = |action: &str, error: std::io::Error| Error::io(path, action, &error);
        let mut file =
            OpenOptions::new().read(true).append(true).open(path).map_err(|error| fail("open the log", error))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| fail("read the log", error))?;
        let mut log = Log { sink: LogSink::File(file, path.to_path_buf()), ..Log::default() };
        log.lock()?;
        log.replay(&bytes, header).map_err(|error| error.file(path))?;
        Ok(log)
    }

    /// Takes over the whole lines of `bytes`, which the sink holds, and cuts it there; starts it where there are none.
    fn replay(&mut self, bytes: &[u8], header: &LogHeader) -> Result<()> {
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let text = std::str::from_utf8(&bytes[..whole])
            .map_err(|_| Error::new(Stage::Table, "the log is not UTF-8 text").hint("is it a log of carl search?"))?;
        let mut lines = text.lines().enumerate();
        if let Some((_, first)) = lines.next() {
            check(first, header).map_err(|error| error.at(Position::Line(1)))?;
        }
        for (number, line) in lines {
            self.read(line).map_err(|error| error.at(Position::Line(number as u64 + 1)))?;
        }
        self.truncate(whole)?;
        // Killed before the first line was whole.
        if whole == 0 { self.append(header) } else { Ok(()) }
    }

    /// Writes down what is about to be asked for; it becomes the last query.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn ask(&mut self, proposal: &Proposal) -> Result<()> {
        let (arch, reason, fidelity) = (proposal.cell.text.clone(), proposal.reason, proposal.fidelity);
        self.append(&LogEntry::Asked { asked: self.queries.len(), arch: arch.clone(), reason, fidelity })?;
        self.queries.push(LoggedQuery { arch, reason, fidelity, answer: None });
        Ok(())
    }

    /// Writes down the answer to query `number`.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn answer(&mut self, number: usize, answer: &Answer, seconds: f64) -> Result<()> {
        let arch = self.queries[number].arch.clone();
        self.append(&match answer {
            Ok(values) => LogEntry::Value { answered: number, arch, values: values.clone(), seconds },
            Err(failed) => LogEntry::Failure { answered: number, arch, failed: failed.clone(), seconds },
        })?;
        self.queries[number].answer = Some(answer.clone());
        self.order.push(number);
        Ok(())
    }

    /// Asks for every failed query once more, under a new number.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn retry_failed(&mut self) -> Result<usize> {
        let failed = |number: &usize| matches!(self.queries[*number].answer, Some(Err(_)));
        let failed: Vec<LoggedQuery> =
            self.order.iter().filter(|number| failed(number)).map(|&number| self.queries[number].clone()).collect();
        for LoggedQuery { arch, reason, fidelity, .. } in &failed {
            let (asked, arch) = (self.queries.len(), arch.clone());
            self.append(&LogEntry::Asked { asked, arch: arch.clone(), reason: *reason, fidelity: *fidelity })?;
            self.push(LoggedQuery { arch, reason: *reason, fidelity: *fidelity, answer: None });
        }
        Ok(failed.len())
    }

    /// Adds a query, which takes the place of an earlier one of the same cell that failed.
    fn push(&mut self, query: LoggedQuery) {
        let queries = &self.queries;
        self.order.retain(|&number| {
            let other = &queries[number];
            (&other.arch, other.fidelity) != (&query.arch, query.fidelity) || matches!(other.answer, Some(Ok(_)))
        });
        self.queries.push(query);
    }

    fn lock(&self) -> Result<()> {
        let LogSink::File(file, path) = &self.sink else { return Ok(()) };
        let started = Instant::now();
        while let Err(error) = file.try_lock() {
            // A search that has just been killed, or a command that it was about to start, holds the lock a moment longer.
            if started.elapsed() > PATIENCE || !matches!(error, TryLockError::WouldBlock) {
                let message = format!("cannot lock the log: {error}");
                return Err(Error::new(Stage::Io, message).file(path).hint("another search is writing to it"));
            }
            std::thread::sleep(PATIENCE / 100);
        }
        Ok(())
    }

    fn truncate(&mut self, length: usize) -> Result<()> {
        match &mut self.sink {
            LogSink::None => Ok(()),
            LogSink::File(file, path) => {
                let done = file.set_len(length as u64).and_then(|()| file.seek(SeekFrom::End(0)).map(drop));
                done.map_err(|error| Error::io(&path, "cut the log at its last whole line", &error))
            }
            LogSink::Memory(text) => {
                text.truncate(length);
                Ok(())
            }
        }
    }

    /// Writes a line and waits for the disk.
    fn append(&mut self, line: &impl Serialize) -> Result<()> {
        if matches!(self.sink, LogSink::None) {
            return Ok(());
        }
        let mut line = serde_json::to_vec(line).expect("a line is plain data");
        line.push(b'\n');
        match &mut self.sink {
            LogSink::File(file, path) => {
                let done = file.write_all(&line).and_then(|()| file.sync_data());
                done.map_err(|error| Error::io(&path, "write to the log", &error))
            }
            LogSink::Memory(text) => {
                text.extend(line);
                Ok(())
            }
            LogSink::None => Ok(()),
        }
    }

    fn read(&mut self, text: &str) -> Result<()> {
        let wrong = |message: String| {
            Error::new(Stage::Table, message).hint("the log was changed; cut it before this line to go on from there")
        };
        let (number, arch, answer) =
            match serde_json::from_str(text).map_err(|_| wrong("not a line of a search log".into()))? {
                LogEntry::Asked { asked, arch, reason, fidelity } if asked == self.queries.len() => {
                    self.push(LoggedQuery { arch, reason, fidelity, answer: None });
                    return Ok(());
                }
                LogEntry::Asked { asked, .. } => return Err(wrong(format!("query {asked} is not expected here"))),
                LogEntry::Value { answered, arch, values, .. } => (answered, arch, Ok(values)),
                LogEntry::Failure { answered, arch, failed, .. } => (answered, arch, Err(failed)),
            };
        match self.queries.get_mut(number).filter(|query| query.arch == arch && query.answer.is_none()) {
            Some(query) => query.answer = Some(answer),
            None => return Err(wrong(format!("query {number} was not asked for as `{arch}`"))),
        }
        self.order.push(number);
        Ok(())
    }
}

/// Compares the first line with the search at hand.
fn check(line: &str, header: &LogHeader) -> Result<()> {
    let found: Value = serde_json::from_str(line).unwrap_or_default();
    let wanted = serde_json::to_value(header).expect("a header is plain data");
    for (key, value) in wanted.as_object().expect("a header is an object") {
        let other = &found[key];
        // Another command may go on with a search: one that was repaired, or that runs elsewhere.
        if other == value || key == "oracle" && value != "" && other != "" {
            continue;
        }
        return Err(match key.as_str() {
            "format" => Error::new(Stage::Table, "not a log of this release of carl search"),
            "config" => Error::new(Stage::Config, "the log was written with another configuration")
                .hint(difference(other.as_str().unwrap_or_default(), &header.config)),
            _ => Error::new(Stage::Usage, format!("{key} of the log is {other}, this search has {value}"))
                .hint("resume with the command line that started it"),
        });
    }
    Ok(())
}

/// The first line in which two configurations differ.
fn difference(old: &str, new: &str) -> String {
    let pair = old.lines().zip(new.lines()).find(|(old, new)| old != new);
    let (old, new) = pair.unwrap_or(("(other length)", "(other length)"));
    format!("there `{}`, here `{}`", old.trim(), new.trim())
}
