//! True losses: what the test label of a cell loses without an operation, looked up in a table.
//!
//! A variant is looked up under its text first, and otherwise under its unique graph.

use super::cell::{ExplainedCell, VariantPool};
use super::subset::SubsetValues;
use super::{Explainer, Variants};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::graph::{Reduction, Role, canonicalize};
use std::collections::HashMap;

/// Test labels, turned so that more is better.
pub struct TrueLabels<'a> {
    explainer: &'a Explainer<'a>,
    by_text: HashMap<&'a str, f64>,
    /// Mean over the rows of a graph, by its index in the pool.
    by_graph: Vec<Option<f64>>,
}

impl<'a> TrueLabels<'a> {
    /// The labels of the rows of `dataset`; the pool must already have the variants that are asked for later.
    ///
    /// # Errors
    /// A graph that cannot be brought into canonical order.
    pub fn new(explainer: &'a Explainer, dataset: &'a Dataset, pool: &VariantPool) -> Result<Self> {
        let unique = &dataset.unique;
        let mut sums = vec![(0.0, 0usize); unique.graphs.len()];
        let mut by_text = HashMap::new();
        for (row, &label) in dataset.test_labels.iter().enumerate().filter(|(_, label)| !label.is_nan()) {
            let label = dataset.sign() * label;
            by_text.insert(unique.texts[row].as_str(), label);
            let (sum, count) = &mut sums[unique.index[row] as usize];
            (*sum, *count) = (*sum + label, *count + 1);
        }
        let unchanged = Reduction { prune: false, contract: false };
        let mut by_graph = vec![None; pool.graphs.len()];
        for (graph, (sum, count)) in unique.graphs.iter().zip(sums).filter(|(_, (_, count))| *count > 0) {
            let key = canonicalize(graph, explainer.encoder.space.vocabulary(), unchanged)?.key;
            if let Some(index) = pool.find(&key) {
                by_graph[index as usize] = Some(sum / count as f64);
            }
        }
        Ok(TrueLabels { explainer, by_text, by_graph })
    }

    fn label(&self, text: Option<&str>, graph: u32) -> Option<f64> {
        text.and_then(|text| self.by_text.get(text).copied()).or(self.by_graph[graph as usize])
    }

    /// Losses of the operations of every cell, the mean over the variants of an operation; none for a cell of which some
    /// variant has no label. `index_of` and `text_of` give the changed operation and the text of a variant.
    pub fn losses<T>(
        &self,
        cells: &[ExplainedCell],
        variants: &Variants<T>,
        index_of: impl Fn(&T) -> usize,
        text_of: impl Fn(&ExplainedCell, &T) -> Option<String>,
    ) -> Vec<Option<Vec<f64>>> {
        let of = |(cell, variants): (&ExplainedCell, &Vec<(T, u32)>)| {
            let label = self.label(Some(&cell.text), cell.graph)?;
            let (mut sums, mut counts) = (vec![0.0; cell.len()], vec![0.0f64; cell.len()]);
            for (variant, graph) in variants {
                sums[index_of(variant)] += label - self.label(text_of(cell, variant).as_deref(), *graph)?;
                counts[index_of(variant)] += 1.0;
            }
            // Without a dead operation, the graph is the same: labels differ only by the noise of two trainings.
            let is_dead = |&index: &usize| counts[index] == 0.0 && cell.counts(index, self.explainer.encoder.space);
            for index in (0..cell.len()).filter(is_dead) {
                sums[index] = label - self.label(self.text_without(cell, index).as_deref(), cell.graph)?;
            }
            Some(sums.iter().zip(&counts).map(|(sum, count)| sum / count.max(1.0)).collect())
        };
        cells.iter().zip(variants).map(of).collect()
    }

    /// Labels of the subsets of every cell that [`Explainer::subsets`] returned; none for a cell without subsets, or of which some
    /// has no label. That of the empty cell may be missing, which is NaN: it is on the way of every order.
    pub fn of_subsets(&self, variants: &Variants<String>) -> Vec<Option<SubsetValues>> {
        let of = |variants: &Vec<(String, u32)>| -> Option<Vec<f64>> {
            let ((text, graph), rest) = variants.split_last()?;
            let empty = self.label(Some(text), *graph).unwrap_or(f64::NAN);
            let labels = rest.iter().map(|(text, graph)| self.label(Some(text), *graph));
            labels.chain([Some(empty)]).collect()
        };
        variants.iter().map(|variants| of(variants).and_then(SubsetValues::new)).collect()
    }

    /// Text of `cell` whose operation at `index` is absent, where the space has such an operation.
    pub fn text_without(&self, cell: &ExplainedCell, index: usize) -> Option<String> {
        let space = self.explainer.encoder.space;
        let absent = space.vocabulary().operations().iter().position(|operation| operation.role == Role::Absent)?;
        let mut other = cell.architecture.clone();
        other.operations[index] = absent as u16;
        Some(space.print(&other))
    }
}
