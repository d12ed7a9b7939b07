//! NAS-Bench-201 (Dong and Yang, ICLR 2020; also the topology space of NATS-Bench, and AnalogNAS-Bench): six operations on
//! the edges of a cell of four feature maps. Text: `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`.

use super::{Architecture, Digits, Space, not_a};
use crate::error::Result;
use crate::graph::{Graph, Vocabulary, line_graph};

/// The feature maps that operation k reads and writes, in the order of the text.
pub(super) const EDGES: [(u16, u16); 6] = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)];
const DIGITS: Digits = Digits { decisions: EDGES.len(), first: 2, options: 5 };

/// The line graph of a cell of four feature maps; input and output have the ids 0 and 1.
pub(super) fn cell_graph(operations: &[u16]) -> Graph {
    line_graph(operations, &EDGES, &[(0, 0)], &[(3, 1)])
}

/// The space of 5^6 = 15,625 cells.
pub struct NasBench201 {
    vocabulary: Vocabulary,
}

impl Default for NasBench201 {
    fn default() -> Self {
        let names = ["input", "output", "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
        NasBench201 { vocabulary: Vocabulary::by_convention(names) }
    }
}

impl Space for NasBench201 {
    fn name(&self) -> &str {
        "nasbench201"
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn parse(&self, text: &str) -> Result<Architecture> {
        let wrong = || not_a("a NAS-Bench-201 cell", text).hint("a cell reads |op~0|+|op~0|op~1|+|op~0|op~1|op~2|");
        let mut operations = Vec::with_capacity(EDGES.len());
        for (node, group) in text.split('+').enumerate() {
            let inner = group.strip_prefix('|').and_then(|rest| rest.strip_suffix('|')).ok_or_else(wrong)?;
            let tokens: Vec<&str> = inner.split('|').collect();
            if node > 2 || tokens.len() != node + 1 {
                return Err(wrong());
            }
            for (from, token) in tokens.iter().enumerate() {
                let pair = token.split_once('~').filter(|(_, input)| *input == from.to_string());
                let id = self.vocabulary.id(pair.ok_or_else(wrong)?.0)?;
                if id < DIGITS.first {
                    return Err(wrong());
                }
                operations.push(id);
            }
        }
        if operations.len() != EDGES.len() {
            return Err(wrong());
        }
        Ok(Architecture::new(operations, Vec::new()))
    }

    fn print(&self, architecture: &Architecture) -> String {
        let names = self.vocabulary.names(&architecture.operations);
        let token = |(name, (from, to))| match (from, to) {
            (0, 1) => format!("|{name}~0|"),
            (0, _) => format!("+|{name}~0|"),
            (from, _) => format!("{name}~{from}|"),
        };
        names.into_iter().zip(EDGES).map(token).collect()
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        cell_graph(&architecture.operations)
    }

    fn digits(&self) -> Option<Digits> {
        Some(DIGITS)
    }
}
