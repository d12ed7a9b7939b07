//! The cells of "On Network Design Spaces for Visual Recognition" (Radosavovic et al., ICCV 2019): NASNet, AmoebaNet, PNAS and
//! ENAS, each with the operations of its family. They are pairs of cells as those of DARTS, whose own are the space `darts`, with
//! five nodes. A node may read one input twice.

use super::darts::{Darts, GenotypeRules};

const fn rules(name: &'static str, operations: &'static str, loose_ends: bool) -> GenotypeRules {
    GenotypeRules { name, operations, nodes: 5, loose_ends, different_inputs: false }
}

const NASNET: GenotypeRules = rules(
    "nds-nasnet",
    "conv_3x1_1x3 conv_7x1_1x7 dil_conv_3x3 avg_pool_3x3 max_pool_3x3 max_pool_5x5 max_pool_7x7 conv_1x1 conv_3x3 sep_conv_3x3 \
     sep_conv_5x5 sep_conv_7x7",
    true,
);
const AMOEBA: GenotypeRules = rules(
    "nds-amoeba",
    "sep_conv_3x3 sep_conv_5x5 sep_conv_7x7 avg_pool_3x3 max_pool_3x3 dil_sep_conv_3x3 conv_7x1_1x7",
    true,
);
const PNAS: GenotypeRules = rules(
    "nds-pnas",
    "sep_conv_3x3 sep_conv_5x5 sep_conv_7x7 conv_7x1_1x7 avg_pool_3x3 max_pool_3x3 dil_conv_3x3",
    false,
);
const ENAS: GenotypeRules = rules("nds-enas", "sep_conv_3x3 sep_conv_5x5 avg_pool_3x3 max_pool_3x3", true);

/// Cells of NASNet, with 13 operations; the output is made up of the nodes that no other one reads.
pub fn nasnet() -> Darts {
    Darts::new(&NASNET)
}

/// Cells of AmoebaNet, with 8 operations; the output is made up of the nodes that no other one reads.
pub fn amoeba() -> Darts {
    Darts::new(&AMOEBA)
}

/// Cells of PNAS, with 8 operations; the output is made up of all nodes.
pub fn pnas() -> Darts {
    Darts::new(&PNAS)
}

/// Cells of ENAS, with 5 operations; the output is made up of the nodes that no other one reads.
pub fn enas() -> Darts {
    Darts::new(&ENAS)
}
