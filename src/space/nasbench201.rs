//! NAS-Bench-201 (Dong and Yang, ICLR 2020; also NATS-Bench topology and AnalogNAS-Bench): six operations on the edges of a
//! cell of four feature maps, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`.

use super::choices::Choices;
use super::{Architecture, Space};
use crate::error::{Error, Result, Stage, shorten};
use crate::graph::{Graph, line_graph};
use crate::graph::{Role, Vocabulary};

/// Operation k joins feature maps `EDGES[k]`, in the order of the text.
pub(super) const EDGES: [(u16, u16); 6] = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)];
const CHOICES: Choices = Choices { places: EDGES.len(), first: 2, count: 5 };

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
        let vocabulary = Vocabulary::new([
            ("input", Role::Input),
            ("output", Role::Output),
            ("none", Role::Absent),
            ("skip_connect", Role::Identity),
            ("nor_conv_1x1", Role::Compute),
            ("nor_conv_3x3", Role::Compute),
            ("avg_pool_3x3", Role::Compute),
        ]);
        NasBench201 { vocabulary }
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
        let shape = || {
            Error::new(Stage::Architecture, format!("`{}` is not a NAS-Bench-201 cell", shorten(text)))
                .hint("a cell reads |op~0|+|op~0|op~1|+|op~0|op~1|op~2|")
        };
        let mut operations = Vec::with_capacity(EDGES.len());
        for (node, group) in text.split('+').enumerate() {
            let inner = group.strip_prefix('|').and_then(|rest| rest.strip_suffix('|')).ok_or_else(shape)?;
            let tokens: Vec<&str> = inner.split('|').collect();
            if node > 2 || tokens.len() != node + 1 {
                return Err(shape());
            }
            for (from, token) in tokens.iter().enumerate() {
                let (name, place) = token.split_once('~').ok_or_else(shape)?;
                if place != from.to_string() {
                    return Err(shape());
                }
                let id = self.vocabulary.id(name)?;
                if id < CHOICES.first {
                    return Err(shape());
                }
                operations.push(id);
            }
        }
        if operations.len() != EDGES.len() {
            return Err(shape());
        }
        Ok(Architecture { operations, ..Architecture::default() })
    }

    fn print(&self, architecture: &Architecture) -> String {
        let mut text = String::new();
        for (&(from, _), &id) in EDGES.iter().zip(&architecture.operations) {
            let start = if from > 0 {
                ""
            } else if text.is_empty() {
                "|"
            } else {
                "+|"
            };
            text.push_str(&format!("{start}{}~{from}|", self.vocabulary.name(id)));
        }
        text
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        cell_graph(&architecture.operations)
    }

    fn choices(&self) -> Option<Choices> {
        Some(CHOICES)
    }
}
