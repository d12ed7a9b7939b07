//! The one error type: which stage failed, in which file and where, why, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// Result of everything in the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The part of the program that could not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Options and arguments.
    Usage,
    /// A YAML configuration.
    Config,
    /// An official benchmark file.
    Source,
    /// A table of architectures.
    Table,
    /// An architecture of a search space.
    Architecture,
    /// Labels, sizes and splits of a data set.
    Dataset,
    /// A checkpoint folder.
    Checkpoint,
    /// LibTorch or the device it runs on.
    Device,
    /// Training did not come to an end.
    Training,
    /// The operating system refused to read or write.
    Io,
    /// The user stopped the run.
    Interrupted,
}

impl Stage {
    /// Stable name, for scripts that match on errors.
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

/// Where in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Line, counted from 1.
    Line(u64),
    /// Record, counted from 0 as the official loaders do.
    Record(u64),
    /// Byte offset.
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

/// What went wrong, where, and what to do. Boxed, so that results stay small.
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
    /// An error of `stage`; the message says what is wrong, without a full stop.
    pub fn new(stage: Stage, message: impl Into<String>) -> Self {
        Error(Box::new(Detail { stage, message: message.into(), file: None, position: None, hint: None }))
    }

    /// A refused read or write of `file`.
    pub fn io(file: impl AsRef<Path>, action: &str, source: &std::io::Error) -> Self {
        let error = Error::new(Stage::Io, format!("cannot {action}: {source}")).file(file);
        match source.kind() {
            std::io::ErrorKind::StorageFull => error.hint("free some space, then run again"),
            std::io::ErrorKind::NotFound => error.hint("check the path"),
            _ => error,
        }
    }

    /// Names the file, unless a deeper caller has done so.
    pub fn file(mut self, file: impl AsRef<Path>) -> Self {
        self.0.file.get_or_insert_with(|| file.as_ref().to_path_buf());
        self
    }

    /// Names the place in the file, unless a deeper caller has done so.
    pub fn at(mut self, position: Position) -> Self {
        self.0.position.get_or_insert(position);
        self
    }

    /// Says what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// The part of the program that failed.
    pub fn stage(&self) -> Stage {
        self.0.stage
    }

    /// Stable name of the stage, such as `config`.
    pub fn code(&self) -> &'static str {
        self.0.stage.code()
    }

    /// The message alone, without place and hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where in the file, if known.
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }

    /// What to do, if known.
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

/// `name` or, if one of `known` is close, "`name` (did you mean `other`?)".
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

/// At most 80 characters of a text, for messages.
pub fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
