//! Log of a search: JSON Lines that are only ever appended to, each on disk before the search goes on.
//!
//! The first line names the search, then every round is a line of proposed cells and a line an answer. A line cut short by a
//! crash is dropped when the log is opened again; answers behind it were never there. A cell that was asked for and has no
//! answer is asked for once more, since nobody knows what became of it.

use super::{Answer, Cell};
use crate::error::{Error, Position, Result, Stage};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the first line of a log calls itself.
const FORMAT: &str = "carl search log 1";
/// How long a lock that another process holds is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The search that a log belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
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
    /// The oracle: a command, or the table and its constraints.
    pub oracle: String,
}

impl Header {
    /// Of this release's format.
    pub fn new(space: &str, objectives: Vec<String>, seed: u64, config: String, oracle: String) -> Self {
        Header { format: FORMAT.to_string(), space: space.to_string(), objectives, seed, config, oracle }
    }
}

/// Every line but the first.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Proposal { round: usize, cells: Vec<String> },
    Value { round: usize, place: usize, arch: String, values: Vec<f64>, seconds: f64 },
    Failure { round: usize, place: usize, arch: String, failed: String, seconds: f64 },
}

/// What is known of a search so far, and the file that it is kept in.
#[derive(Debug, Default)]
pub struct Log {
    file: Option<(File, PathBuf)>,
    rounds: Vec<Vec<String>>,
    answers: HashMap<(usize, usize), Answer>,
}

impl Log {
    /// One that keeps nothing.
    pub fn none() -> Self {
        Log::default()
    }

    /// Starts the log `path`, which must not exist.
    ///
    /// # Errors
    /// A file that is there already, or a folder that refuses.
    pub fn create(path: &Path, header: &Header) -> Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path).map_err(|error| {
            let failed = Error::io(path, "start the log", &error);
            match error.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    failed.hint("go on with it by --resume, or name another one with --log")
                }
                _ => failed,
            }
        })?;
        let mut log = Log { file: Some((file, path.to_path_buf())), ..Log::default() };
        log.lock()?;
        log.append(header)?;
        Ok(log)
    }

    /// Opens a log to go on with it.
    ///
    /// # Errors
    /// A log of another search, naming what differs; one in use; a damaged line before the last one.
    pub fn resume(path: &Path, header: &Header) -> Result<Self> {
        let fail = |action: &str, error: std::io::Error| Error::io(path, action, &error);
        let mut file =
            OpenOptions::new().read(true).append(true).open(path).map_err(|error| fail("open the log", error))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| fail("read the log", error))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let mut log = Log { file: Some((file, path.to_path_buf())), ..Log::default() };
        log.lock()?;
        let text = std::str::from_utf8(&bytes[..whole]).map_err(|_| {
            Error::new(Stage::Table, "the log is not UTF-8 text").file(path).hint("is it a log of carl search?")
        })?;
        let mut lines = text.lines().enumerate();
        match lines.next() {
            Some((_, first)) => check(first, header).map_err(|error| error.file(path).at(Position::Line(1)))?,
            // Killed before the first line was whole.
            None => {
                log.truncate(0)?;
                log.append(header)?;
                return Ok(log);
            }
        }
        for (number, line) in lines {
            log.read(line).map_err(|error| error.file(path).at(Position::Line(number as u64 + 1)))?;
        }
        log.truncate(whole as u64)?;
        Ok(log)
    }

    /// The cells of a round, if it was proposed.
    pub fn round(&self, round: usize) -> Option<&[String]> {
        self.rounds.get(round).map(Vec::as_slice)
    }

    /// The answer to a cell of a round, if there is one.
    pub fn answer(&self, round: usize, place: usize) -> Option<Answer> {
        self.answers.get(&(round, place)).cloned()
    }

    /// Number of answers.
    pub fn answers(&self) -> usize {
        self.answers.len()
    }

    /// Writes down what will be asked for.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn propose(&mut self, round: usize, cells: &[Cell]) -> Result<()> {
        let cells = cells.iter().map(|cell| cell.text.clone()).collect();
        self.append(&Line::Proposal { round, cells })
    }

    /// Writes down an answer.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn record(&mut self, round: usize, place: usize, arch: &str, answer: &Answer, seconds: f64) -> Result<()> {
        let arch = arch.to_string();
        self.append(&match answer {
            Ok(values) => Line::Value { round, place, arch, values: values.clone(), seconds },
            Err(failed) => Line::Failure { round, place, arch, failed: failed.clone(), seconds },
        })
    }

    fn lock(&self) -> Result<()> {
        let Some((file, path)) = &self.file else { return Ok(()) };
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

    fn truncate(&mut self, length: u64) -> Result<()> {
        let Some((file, path)) = &mut self.file else { return Ok(()) };
        let done = file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0)).map(drop));
        done.map_err(|error| Error::io(&path, "cut the log at its last whole line", &error))
    }

    /// Writes a line and waits for the disk.
    fn append(&mut self, line: &impl Serialize) -> Result<()> {
        let Some((file, path)) = &mut self.file else { return Ok(()) };
        let mut text = serde_json::to_vec(line).expect("a line is plain data");
        text.push(b'\n');
        let done = file.write_all(&text).and_then(|()| file.sync_data());
        done.map_err(|error| Error::io(&path, "write to the log", &error))
    }

    fn read(&mut self, text: &str) -> Result<()> {
        let wrong = |message: String| {
            Error::new(Stage::Table, message).hint("the log was changed; cut it before this line to go on from there")
        };
        match serde_json::from_str(text).map_err(|_| wrong("not a line of a search log".to_string()))? {
            Line::Proposal { round, cells } if round == self.rounds.len() && !cells.is_empty() => {
                self.rounds.push(cells)
            }
            Line::Proposal { round, .. } => return Err(wrong(format!("round {round} is not expected here"))),
            Line::Value { round, place, arch, values, .. } => {
                self.expect(round, place, &arch).map_err(wrong)?;
                self.answers.insert((round, place), Ok(values));
            }
            Line::Failure { round, place, arch, failed, .. } => {
                self.expect(round, place, &arch).map_err(wrong)?;
                self.answers.insert((round, place), Err(failed));
            }
        }
        Ok(())
    }

    fn expect(&self, round: usize, place: usize, arch: &str) -> std::result::Result<(), String> {
        match self.rounds.get(round).and_then(|cells| cells.get(place)) {
            Some(cell) if cell == arch => Ok(()),
            _ => Err(format!("cell {place} of round {round} was not asked for as `{arch}`")),
        }
    }
}

/// Compares the first line with the search at hand.
fn check(line: &str, header: &Header) -> Result<()> {
    let found: Value = serde_json::from_str(line).unwrap_or_default();
    let wanted = serde_json::to_value(header).expect("a header is plain data");
    for (key, value) in wanted.as_object().expect("a header is an object") {
        let other = &found[key];
        if other == value {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;

    fn header(seed: u64) -> Header {
        Header::new("nasbench201", vec!["val".to_string()], seed, "space: nasbench201\n".to_string(), "cmd".to_string())
    }

    fn cell(text: &str) -> Cell {
        Cell { text: text.to_string(), graph: Graph::default(), key: Box::default() }
    }

    #[test]
    fn a_log_survives_being_cut_anywhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::create(&path, &header(1)).unwrap();
        log.propose(0, &[cell("a"), cell("b")]).unwrap();
        log.record(0, 1, "b", &Ok(vec![0.1 + 0.2]), 1.0).unwrap();
        log.record(0, 0, "a", &Err("exit status 1".to_string()), 1.0).unwrap();
        drop(log);
        let bytes = std::fs::read(&path).unwrap();
        let mut counts = Vec::new();
        for length in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let log = Log::resume(&path, &header(1)).unwrap();
            counts.push(log.answers());
            if log.answers() == 2 {
                assert_eq!(log.answer(0, 1), Some(Ok(vec![0.1 + 0.2])));
                assert_eq!(log.answer(0, 0), Some(Err("exit status 1".to_string())));
            }
            drop(log);
            assert!(std::fs::read(&path).unwrap().ends_with(b"\n"));
        }
        assert!(counts.is_sorted() && counts[0] == 0 && counts[bytes.len()] == 2);
    }

    #[test]
    fn another_search_and_damage_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::create(&path, &header(1)).unwrap();
        assert!(Log::create(&path, &header(1)).unwrap_err().advice().unwrap().contains("--resume"));
        assert!(Log::resume(&path, &header(1)).unwrap_err().advice().unwrap().contains("another search"));
        drop(log);
        assert!(Log::resume(&path, &header(2)).unwrap_err().message().contains("seed"));
        let mut text = std::fs::read_to_string(&path).unwrap();
        text += "{\"round\":0,\"place\":0,\"arch\":\"a\",\"values\":[1.0],\"seconds\":0.0}\n";
        std::fs::write(&path, &text).unwrap();
        let error = Log::resume(&path, &header(1)).unwrap_err();
        assert_eq!(error.position(), Some(Position::Line(2)));
        assert!(error.message().contains("not asked for"));
    }
}
