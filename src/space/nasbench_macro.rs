//! NAS-Bench-Macro (Su et al., CVPR 2021): eight layers in a chain of three stages of 2, 3 and 3 layers. Text: a digit a
//! layer, `01201201`; 0 identity, 1 MB3_K3 and 2 MB6_K5, inverted bottlenecks.
//!
//! The first layer of a stage changes the size of the feature map, so that an identity there is a layer of its own. Within
//! a stage identities can stand anywhere: the 6,561 codes are (3 x 3) (3 x 7) (3 x 7) = 3,969 networks. A node before each
//! stage keeps layers of different stages apart once identities are gone.

use super::choices::Choices;
use super::{Architecture, Space};
use crate::error::{Error, Result, Stage, shorten};
use crate::graph::Graph;
use crate::graph::{Role, Vocabulary};

const LAYERS: usize = 8;
/// The first layer of every stage.
const STAGES: [usize; 3] = [0, 2, 5];
const CHOICES: Choices = Choices { places: LAYERS, first: 2, count: 3 };
const IDENTITY: u16 = CHOICES.first;
/// What an identity is as the first layer of a stage.
const PROJECTION: u16 = CHOICES.first + CHOICES.count;
const FIRST_STAGE: u16 = PROJECTION + 1;

/// The space of 3^8 = 6,561 codes.
pub struct NasBenchMacro {
    vocabulary: Vocabulary,
}

impl Default for NasBenchMacro {
    fn default() -> Self {
        let vocabulary = Vocabulary::new([
            ("input", Role::Input),
            ("output", Role::Output),
            ("identity", Role::Identity),
            ("MB3_K3", Role::Compute),
            ("MB6_K5", Role::Compute),
            ("projection", Role::Compute),
            ("stage_1", Role::Compute),
            ("stage_2", Role::Compute),
            ("stage_3", Role::Compute),
        ]);
        NasBenchMacro { vocabulary }
    }
}

impl Space for NasBenchMacro {
    fn name(&self) -> &str {
        "nasbench-macro"
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn parse(&self, text: &str) -> Result<Architecture> {
        if text.len() != LAYERS || text.bytes().any(|digit| !(b'0'..b'3').contains(&digit)) {
            return Err(Error::new(
                Stage::Architecture,
                format!("`{}` is not a NAS-Bench-Macro network", shorten(text)),
            )
            .hint("a network is eight digits: 0 identity, 1 MB3_K3, 2 MB6_K5"));
        }
        Ok(CHOICES.architecture(text.bytes().map(|digit| u16::from(digit - b'0'))))
    }

    fn print(&self, architecture: &Architecture) -> String {
        architecture.operations.iter().map(|id| (id - CHOICES.first).to_string()).collect()
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        let mut nodes = vec![(0, None)];
        for (layer, &id) in architecture.operations.iter().enumerate() {
            let origin = Some(layer as u16);
            match STAGES.iter().position(|&first| first == layer) {
                Some(stage) => {
                    let id = if id == IDENTITY { PROJECTION } else { id };
                    nodes.extend([(FIRST_STAGE + stage as u16, None), (id, origin)]);
                }
                None => nodes.push((id, origin)),
            }
        }
        nodes.push((1, None));
        let last = nodes.len() as u16 - 1;
        Graph::new(nodes, (0..last).map(|node| (node, node + 1)))
    }

    fn choices(&self) -> Option<Choices> {
        Some(CHOICES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Reduction, canonicalize};
    use std::collections::HashSet;

    #[test]
    fn codes_are_3969_networks() {
        let space = NasBenchMacro::default();
        let key = |code: Architecture| {
            canonicalize(&space.graph(&code), space.vocabulary(), Reduction::default()).unwrap().key
        };
        assert_eq!(space.enumerate().unwrap().map(key).collect::<HashSet<_>>().len(), 3_969);
    }

    #[test]
    fn text_comes_back_as_it_was() {
        let space = NasBenchMacro::default();
        assert_eq!(space.print(&space.parse("01201201").unwrap()), "01201201");
        for text in ["", "0120120", "012012012", "01201203", "0120120é"] {
            assert!(space.parse(text).is_err(), "{text}");
        }
    }
}
