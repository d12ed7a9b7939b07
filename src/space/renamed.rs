//! A built-in space whose operations have names of one's own, in texts as in what the program says.

use super::{Architecture, Digits, Space};
use crate::error::{Error, Result, Stage};
use crate::graph::{Graph, Vocabulary};
use crate::random::Random;
use std::collections::BTreeMap;

/// A space and the names of its operations.
pub struct Renamed {
    inner: Box<dyn Space>,
    vocabulary: Vocabulary,
    /// The space's name for each name of one's own, and the other way round.
    inner_names: BTreeMap<String, String>,
    own_names: BTreeMap<String, String>,
}

impl Renamed {
    /// `inner` with the operations called `names.0` for `names.1`. Where an operation has several names, the first in alphabetical
    /// order is printed.
    ///
    /// # Errors
    /// A name that cannot be told from others in a text, or one for an operation that the space does not have.
    pub fn new(inner: Box<dyn Space>, names: BTreeMap<String, String>) -> Result<Self> {
        let mut own_names = BTreeMap::new();
        for (own, name) in &names {
            if own.is_empty() || !own.chars().all(is_word) {
                return Err(Error::new(Stage::Config, format!("`vocabulary`: `{own}` cannot name an operation"))
                    .hint("use letters, digits and underscores"));
            }
            inner.vocabulary().id(name).map_err(|error| {
                let wrong =
                    Error::new(Stage::Config, format!("`vocabulary`: `{own}` stands for an {}", error.message()));
                error.advice().into_iter().fold(wrong, Error::hint)
            })?;
            own_names.entry(name.clone()).or_insert_with(|| own.clone());
        }
        let operations = inner.vocabulary().operations().iter();
        let name = |name: &String| own_names.get(name).unwrap_or(name).clone();
        let operations: Vec<_> = operations.map(|operation| (name(&operation.name), operation.role)).collect();
        let operations = operations.iter().map(|(name, role)| (name.as_str(), *role));
        let vocabulary = Vocabulary::new(operations).with_names(names.clone());
        Ok(Renamed { inner, vocabulary, inner_names: names, own_names })
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// `text` with those of its words that are in `names` replaced.
fn translate(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut translated = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|letter| is_word(letter) != is_word(first)).unwrap_or(rest.len());
        let part = &rest[..end];
        translated.push_str(names.get(part).map_or(part, String::as_str));
        rest = &rest[end..];
    }
    translated
}

impl Space for Renamed {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn parse(&self, text: &str) -> Result<Architecture> {
        self.inner.parse(&translate(text, &self.inner_names))
    }

    fn print(&self, architecture: &Architecture) -> String {
        translate(&self.inner.print(architecture), &self.own_names)
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        self.inner.graph(architecture)
    }

    fn digits(&self) -> Option<Digits> {
        self.inner.digits()
    }

    fn size(&self) -> Option<u64> {
        self.inner.size()
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Architecture> + Send + '_>> {
        self.inner.enumerate()
    }

    fn sample(&self, random: &mut Random) -> Result<Architecture> {
        self.inner.sample(random)
    }

    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture> {
        self.inner.mutate(architecture, random)
    }

    fn alternatives(&self, architecture: &Architecture, index: usize) -> Vec<Architecture> {
        self.inner.alternatives(architecture, index)
    }

    fn columns(&self) -> Vec<Vec<&str>> {
        self.inner.columns()
    }

    fn compose(&self, fields: &[&str]) -> Result<String> {
        self.inner.compose(fields)
    }
}
