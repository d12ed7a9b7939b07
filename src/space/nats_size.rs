//! NATS-Bench, size (Dong et al., TPAMI 2021): one fixed cell in five groups of layers, whose channels are chosen. Text:
//! five numbers of channels, `8:16:24:64:8`.

use super::choices::Choices;
use super::{Architecture, Space};
use crate::error::{Error, Result, Stage, shorten};
use crate::graph::Graph;
use crate::graph::{Role, Vocabulary};

const CHOICES: Choices = Choices { places: 5, first: 2, count: 8 };
/// Numbers of channels are multiples of it.
const STEP: u16 = 8;

/// The space of 8^5 = 32,768 networks.
pub struct NatsSize {
    vocabulary: Vocabulary,
}

impl Default for NatsSize {
    fn default() -> Self {
        let widths = ["8", "16", "24", "32", "40", "48", "56", "64"].map(|width| (width, Role::Compute));
        let ends = [("input", Role::Input), ("output", Role::Output)];
        NatsSize { vocabulary: Vocabulary::new(ends.into_iter().chain(widths)) }
    }
}

impl Space for NatsSize {
    fn name(&self) -> &str {
        "nats-size"
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn parse(&self, text: &str) -> Result<Architecture> {
        let digit =
            |width: &str| (1..=CHOICES.count).find(|digit| (digit * STEP).to_string() == width).map(|digit| digit - 1);
        let digits: Option<Vec<u16>> = text.split(':').map(digit).collect();
        let digits = digits.filter(|digits| digits.len() == CHOICES.places).ok_or_else(|| {
            Error::new(
                Stage::Architecture,
                format!("`{}` is not a network of the NATS-Bench size space", shorten(text)),
            )
            .hint("a network is five numbers of channels, 8, 16, 24, ... 64, as 8:16:24:64:8")
        })?;
        Ok(CHOICES.architecture(digits))
    }

    fn print(&self, architecture: &Architecture) -> String {
        let widths: Vec<&str> = architecture.operations.iter().map(|&id| self.vocabulary.name(id)).collect();
        widths.join(":")
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        let widths = architecture.operations.iter().enumerate().map(|(k, &id)| (id, Some(k as u16)));
        let nodes = [(0, None)].into_iter().chain(widths).chain([(1, None)]);
        Graph::new(nodes, (0..=CHOICES.places as u16).map(|node| (node, node + 1)))
    }

    fn choices(&self) -> Option<Choices> {
        Some(CHOICES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back_as_it_was() {
        let space = NatsSize::default();
        assert_eq!(space.print(&space.parse("8:16:24:64:8").unwrap()), "8:16:24:64:8");
        assert_eq!(space.enumerate().unwrap().count(), 32_768);
        for text in ["", "8:8:8:8", "8:8:8:8:8:8", "8:8:8:8:72", "8:8:8:8:0", "8:8:8:8:08", "8:8:8:8:+8"] {
            assert!(space.parse(text).is_err(), "{text}");
        }
    }
}
