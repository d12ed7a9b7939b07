//! Critical mass: how much the score of a cell rests on one of its parts.
//!
//! The part is removed, and the loss of the score is brought into [0, 1): a part without which the score does not fall
//! has mass 0, one that costs a standard deviation of the training labels has mass 1/2. The attention of the extractor's masks is
//! not used: trained for prediction alone, it need not agree with what a part contributes (see [`super::faithfulness`]).

use super::cell::{ExplainedCell, VariantPool};
use super::{Explainer, Variants};
use crate::error::Result;
use crate::graph::occlusion::GraphPart;
use crate::progress::Progress;

/// Critical mass of a part, from the loss of a score without it in standard deviations of the training labels.
pub fn critical_mass(loss: f64) -> f64 {
    let loss = loss.max(0.0);
    loss / (1.0 + loss)
}

/// The critical mass of every operation of a cell for each member alone, `[operation][member]`: the mean loss where an operation
/// has several variants, which are identified by the index of the operation that is removed.
pub fn member_masses(cell: &ExplainedCell, pool: &VariantPool, variants: &[(usize, u32)]) -> Vec<Vec<f64>> {
    let mut losses = vec![vec![0.0; pool.members()]; cell.len()];
    let mut counts = vec![0.0f64; cell.len()];
    for &(operation, graph) in variants {
        losses[operation].iter_mut().zip(pool.member_losses(cell.graph, graph)).for_each(|(sum, loss)| *sum += loss);
        counts[operation] += 1.0;
    }
    let masses =
        |(losses, count): (Vec<f64>, f64)| losses.iter().map(|loss| critical_mass(loss / count.max(1.0))).collect();
    losses.into_iter().zip(counts).map(masses).collect()
}

impl Explainer<'_> {
    /// Every cell without each of its live edges, identified by the index of the edge in the raw graph.
    ///
    /// # Errors
    /// As [`Explainer::variants`].
    pub fn cuts(
        &self,
        cells: &[ExplainedCell],
        pool: &mut VariantPool,
        progress: &dyn Progress,
    ) -> Result<Variants<usize>> {
        let encoder = self.encoder;
        self.variants(cells, pool, progress, |cell, _| {
            let is_live = |index: &usize| {
                let edge = cell.raw.edges[*index];
                cell.live[edge.from as usize] && cell.live[edge.to as usize]
            };
            let live = (0..cell.raw.edges.len()).filter(is_live);
            live.map(|index| Ok((index, cell.without_part(GraphPart::Edge(index), encoder)?))).collect()
        })
    }
}
