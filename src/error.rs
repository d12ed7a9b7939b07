//! The error type of the crate: which stage failed, in which file, at which position and why, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// The result type of the crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The stage of the program that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Command line options and arguments.
    Usage,
    /// Reading a configuration.
    Config,
    /// Reading an official benchmark file.
    Source,
    /// Reading a table of architectures.
    Table,
    /// Reading an architecture or bringing its graph into canonical form.
    Architecture,
    /// Building or splitting a data set.
    Dataset,
    /// Reading or writing a checkpoint.
    Checkpoint,
    /// Using LibTorch or the device on which it runs.
    Device,
    /// Training a predictor.
    Training,
    /// Reading or writing a file, because of the operating system.
    Io,
    /// None: the user interrupted the run.
    Interrupted,
}

impl Stage {
    /// The name of the stage. It is stable, so that scripts can match on it.
    pub fn code(self) -> &'static str {
        match self {
            Stage::Usage => "usage",
            Stage::Config => "config",
            Stage::Source => "source",
            Stage::Table => "table",
            Stage::Architecture => "architecture",
            Stage::Dataset => "dataset",
            Stage::Checkpoint => "checkpoint",
            Stage::Device => "device",
            Stage::Training => "training",
            Stage::Io => "io",
            Stage::Interrupted => "interrupted",
        }
    }
}

/// A position in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// A line, counted from 1.
    Line(u64),
    /// A record, counted from 0 as in the official loaders.
    Record(u64),
    /// A byte offset.
    Byte(u64),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Line(n) => write!(f, "line {n}"),
            Position::Record(n) => write!(f, "record {n}"),
            Position::Byte(n) => write!(f, "byte {n}"),
        }
    }
}

/// An error with its stage, message, and optionally a file, a position in it and a hint.
///
/// It is displayed as `file, position: message`, followed by a second line with the hint. The content is boxed, so that
/// results stay small.
#[derive(Debug)]
pub struct Error(Box<Detail>);

#[derive(Debug)]
struct Detail {
    stage: Stage,
    message: String,
    file: Option<PathBuf>,
    position: Option<Position>,
    hint: Option<String>,
}

impl Error {
    /// An error in `stage`. The message says what is wrong, without a full stop.
    pub fn new(stage: Stage, message: impl Into<String>) -> Self {
        Error(Box::new(Detail { stage, message: message.into(), file: None, position: None, hint: None }))
    }

    /// An error of the operating system in `action` (`read`, `write`) on `file`.
    pub fn io(file: impl AsRef<Path>, action: &str, source: &std::io::Error) -> Self {
        let error = Error::new(Stage::Io, format!("cannot {action}: {source}")).file(file);
        match source.kind() {
            std::io::ErrorKind::StorageFull => error.hint("free some space, then run again"),
            std::io::ErrorKind::NotFound => error.hint("check the path"),
            _ => error,
        }
    }

    /// Adds the file, unless the error has one.
    pub fn file(mut self, file: impl AsRef<Path>) -> Self {
        self.0.file.get_or_insert_with(|| file.as_ref().to_path_buf());
        self
    }

    /// Adds the position in the file, unless the error has one.
    pub fn at(mut self, position: Position) -> Self {
        self.0.position.get_or_insert(position);
        self
    }

    /// Adds a hint on what to do, unless the error has one.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// The stage that failed.
    pub fn stage(&self) -> Stage {
        self.0.stage
    }

    /// The stable name of the stage, such as `config`.
    pub fn code(&self) -> &'static str {
        self.0.stage.code()
    }

    /// The message, without file, position and hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The position in the file, if there is one.
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }

    /// The hint on what to do, if there is one.
    pub fn advice(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.0.file {
            write!(f, "{}", file.display())?;
            if let Some(position) = self.0.position {
                write!(f, ", {position}")?;
            }
            write!(f, ": ")?;
        } else if let Some(position) = self.0.position {
            write!(f, "{position}: ")?;
        }
        write!(f, "{}", self.0.message)?;
        if let Some(hint) = &self.0.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// `name` in backquotes, followed by "(did you mean `other`?)" if one of `known` is similar.
pub fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let nearest = known
        .into_iter()
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, other)| *distance <= 1 + other.len().max(name.len()) / 3)
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((_, other)) => format!("`{name}` (did you mean `{other}`?)"),
        None => format!("`{name}`"),
    }
}

/// The first 80 characters of `text`, for messages; an ellipsis marks the omission of others.
pub fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
