//! The size space of NATS-Bench (Dong et al., TPAMI 2021): a fixed cell in five groups of layers whose numbers of channels
//! are chosen. Text: five numbers of channels, `8:16:24:64:8`.

use super::{Architecture, Digits, Space, not_a};
use crate::error::Result;
use crate::graph::{Graph, Vocabulary};

const DIGITS: Digits = Digits { decisions: 5, first: 2, options: 8 };

/// The space of 8^5 = 32,768 networks.
pub struct NatsSize {
    vocabulary: Vocabulary,
}

impl Default for NatsSize {
    fn default() -> Self {
        let names = ["input", "output", "8", "16", "24", "32", "40", "48", "56", "64"];
        NatsSize { vocabulary: Vocabulary::by_convention(names) }
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
        let ids = DIGITS.first..DIGITS.first + DIGITS.options;
        let id = |channels: &str| ids.clone().find(|&id| self.vocabulary.name(id) == channels);
        let operations: Option<Vec<u16>> = text.split(':').map(id).collect();
        let operations = operations.filter(|operations| operations.len() == DIGITS.decisions).ok_or_else(|| {
            not_a("a network of the NATS-Bench size space", text)
                .hint("a network is five numbers of channels (8, 16, 24, ..., 64), such as 8:16:24:64:8")
        })?;
        Ok(Architecture::new(operations, Vec::new()))
    }

    fn print(&self, architecture: &Architecture) -> String {
        self.vocabulary.names(&architecture.operations).join(":")
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        Graph::chain(architecture.nodes_between_ends())
    }

    fn digits(&self) -> Option<Digits> {
        Some(DIGITS)
    }
}
