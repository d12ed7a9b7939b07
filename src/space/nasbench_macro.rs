//! NAS-Bench-Macro (Su et al., CVPR 2021): a chain of eight layers in three stages of 2, 3 and 3 layers. Text: one digit per
//! layer, `01201201`; 0 is an identity, 1 (MB3_K3) and 2 (MB6_K5) are inverted bottlenecks.
//!
//! The first layer of a stage changes the size of the feature map, so an identity there is a different operation. Within a
//! stage the position of an identity does not matter: the 6,561 codes are (3 x 3) (3 x 7) (3 x 7) = 3,969 networks. A node
//! in front of each stage keeps layers of different stages apart after the identities have been contracted.

use super::{Architecture, Digits, Space, not_a};
use crate::error::Result;
use crate::graph::{Graph, Vocabulary};

/// The first layer of every stage.
const STAGES: [usize; 3] = [0, 2, 5];
const DIGITS: Digits = Digits { decisions: 8, first: 2, options: 3 };
const IDENTITY: u16 = DIGITS.first;
/// The operation that represents an identity in the first layer of a stage.
const PROJECTION: u16 = DIGITS.first + DIGITS.options;
const FIRST_STAGE: u16 = PROJECTION + 1;

/// The space of 3^8 = 6,561 codes.
pub struct NasBenchMacro {
    vocabulary: Vocabulary,
}

impl Default for NasBenchMacro {
    fn default() -> Self {
        let names = "input output identity MB3_K3 MB6_K5 projection stage_1 stage_2 stage_3";
        NasBenchMacro { vocabulary: Vocabulary::by_convention(names.split(' ')) }
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
        DIGITS.parse_ascii(text.as_bytes()).ok_or_else(|| {
            not_a("a NAS-Bench-Macro network", text).hint("a network is eight digits: 0 identity, 1 MB3_K3, 2 MB6_K5")
        })
    }

    fn print(&self, architecture: &Architecture) -> String {
        DIGITS.to_ascii(architecture)
    }

    fn graph(&self, architecture: &Architecture) -> Graph {
        let mut nodes = architecture.nodes_between_ends();
        // From the last stage to the first, so that the nodes of earlier layers do not move: layer k is node k + 1.
        for (stage, first) in STAGES.into_iter().enumerate().rev() {
            let operation = &mut nodes[first + 1].0;
            *operation = if *operation == IDENTITY { PROJECTION } else { *operation };
            nodes.insert(first + 1, (FIRST_STAGE + stage as u16, None));
        }
        Graph::chain(nodes)
    }

    fn digits(&self) -> Option<Digits> {
        Some(DIGITS)
    }
}
