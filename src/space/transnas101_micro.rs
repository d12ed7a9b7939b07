//! The micro space of TransNAS-Bench-101 (Duan et al., CVPR 2021): the cell of NAS-Bench-201 with four operations, in a
//! fixed macro skeleton. Text: `64-41414-a_bc_def`, one digit per edge.
//!
//! Unlike NAS-Bench-201, the skeleton also uses the cell to halve the feature map: the operations that read the input of the
//! cell then have a stride. A skip connection from the input computes something in this case, so it is not an identity. The
//! cells are 1,376 unique graphs; cells with the same graph differ by 0.34 points of scene accuracy between their training
//! runs. Contracting these skip connections as well would give 1,011 graphs and a difference of 1.65 points.

use super::nasbench201::{EDGES, cell_graph};
use super::{Architecture, Digits, Space, not_a};
use crate::error::Result;
use crate::graph::{Graph, Vocabulary};

/// Channels and skeleton, which are the same for all cells.
const PREFIX: &str = "64-41414-";
const DIGITS: Digits = Digits { decisions: EDGES.len(), first: 2, options: 4 };
const SKIP: u16 = DIGITS.first + 1;
/// The operation that represents a skip connection from the input of the cell.
const REDUCTION: u16 = DIGITS.first + DIGITS.options;

/// The space of 4^6 = 4,096 cells.
pub struct TransNas101Micro {
    vocabulary: Vocabulary,
}

impl Default for TransNas101Micro {
    fn default() -> Self {
        let names = ["input", "output", "none", "skip_connect", "conv_1x1", "conv_3x3", "factorized_reduce"];
        TransNas101Micro { vocabulary: Vocabulary::by_convention(names) }
    }
}

impl Space for TransNas101Micro {
    fn name(&self) -> &str {
        "transnas101-micro"
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn parse(&self, text: &str) -> Result<Architecture> {
        let digits = text.strip_prefix(PREFIX).and_then(|cell| match *cell.as_bytes() {
            [a, b'_', b, c, b'_', d, e, f] => Some([a, b, c, d, e, f]),
            _ => None,
        });
        digits.and_then(|digits| DIGITS.parse_ascii(&digits)).ok_or_else(|| {
            not_a("a TransNAS-Bench-101 micro cell", text)
                .hint(format!("a cell reads {PREFIX}a_bc_def; 0 none, 1 skip_connect, 2 conv_1x1, 3 conv_3x3"))
        })
    }

    fn print(&self, architecture: &Architecture) -> String {
        let digits = DIGITS.to_ascii(architecture);
        format!("{PREFIX}{}_{}_{}", &digits[..1], &digits[1..3], &digits[3..])
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        let operation = |(&id, (from, _)): (&u16, (u16, u16))| if id == SKIP && from == 0 { REDUCTION } else { id };
        cell_graph(&architecture.operations.iter().zip(EDGES).map(operation).collect::<Vec<u16>>())
    }

    fn digits(&self) -> Option<Digits> {
        Some(DIGITS)
    }
}
