//! TransNAS-Bench-101, micro (Duan et al., CVPR 2021): the cell of NAS-Bench-201 with four operations, under a fixed macro
//! skeleton. Text: `64-41414-a_bc_def`, a digit an edge.
//!
//! Unlike there, the skeleton also uses the cell to halve the feature map, with the stride on what reads the cell's input.
//! A skip from the input computes something then, so it is no identity: the cells are 1,376 functions, whose runs differ by
//! 0.34 points of scene accuracy within a function, while contracting those skips too gives 1,011 classes and 1.65 points.

use super::choices::Choices;
use super::nasbench201::{EDGES, cell_graph};
use super::{Architecture, Space};
use crate::error::{Error, Result, Stage, shorten};
use crate::graph::Graph;
use crate::graph::{Role, Vocabulary};

/// Channels and skeleton, the same for all cells.
const PREFIX: &str = "64-41414-";
const CHOICES: Choices = Choices { places: EDGES.len(), first: 2, count: 4 };
const SKIP: u16 = CHOICES.first + 1;
/// What a skip from the cell's input is.
const REDUCTION: u16 = CHOICES.first + CHOICES.count;

/// The space of 4^6 = 4,096 cells.
pub struct TransNas101Micro {
    vocabulary: Vocabulary,
}

impl Default for TransNas101Micro {
    fn default() -> Self {
        let vocabulary = Vocabulary::new([
            ("input", Role::Input),
            ("output", Role::Output),
            ("none", Role::Absent),
            ("skip_connect", Role::Identity),
            ("conv_1x1", Role::Compute),
            ("conv_3x3", Role::Compute),
            ("factorized_reduce", Role::Compute),
        ]);
        TransNas101Micro { vocabulary }
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
        let cell = text.strip_prefix(PREFIX).and_then(|cell| match *cell.as_bytes() {
            [a, b'_', b, c, b'_', d, e, f] => Some([a, b, c, d, e, f]),
            _ => None,
        });
        let digits = cell.filter(|digits| digits.iter().all(|digit| (b'0'..b'4').contains(digit)));
        let digits = digits.ok_or_else(|| {
            Error::new(Stage::Architecture, format!("`{}` is not a TransNAS-Bench-101 micro cell", shorten(text)))
                .hint(format!("a cell reads {PREFIX}a_bc_def; 0 none, 1 skip_connect, 2 conv_1x1, 3 conv_3x3"))
        })?;
        Ok(CHOICES.architecture(digits.map(|digit| u16::from(digit - b'0'))))
    }

    fn print(&self, architecture: &Architecture) -> String {
        let mut text = PREFIX.to_string();
        for (place, id) in architecture.operations.iter().enumerate() {
            text.push_str(if matches!(place, 1 | 3) { "_" } else { "" });
            text.push_str(&(id - CHOICES.first).to_string());
        }
        text
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        let reduces = |id: u16, from: u16| id == SKIP && from == 0;
        let operations = architecture.operations.iter().zip(EDGES);
        let operations: Vec<u16> =
            operations.map(|(&id, edge)| if reduces(id, edge.0) { REDUCTION } else { id }).collect();
        cell_graph(&operations)
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
        let space = TransNas101Micro::default();
        let cell = space.parse("64-41414-0_12_301").unwrap();
        assert_eq!(space.print(&cell), "64-41414-0_12_301");
        assert_eq!(cell.operations, [2, 3, 4, 5, 2, 3]);
    }

    #[test]
    fn what_is_no_cell_is_refused() {
        for text in ["", "64-41414-", "64-41414-0_12_304", "64-41414-01_2_301", "64-4111-basic", "64-41414-0_12_30é"] {
            assert!(TransNas101Micro::default().parse(text).is_err(), "{text}");
        }
    }
}
