//! Values of a cell without each subset of its operations, and how good an order or a part of its operations is by them.
//!
//! Deletion removes the operations one after another, insertion puts them into the empty cell. The area under the labels on the
//! way is known for all orders at once: a random order has the mean over the subsets of each size, and the best order is the
//! cheapest path through the subsets.

use crate::metrics::{argsort_desc, mean};
use serde::Serialize;

/// The largest number of operations whose subsets are looked up.
pub const MAX_OPERATIONS: usize = 8;

/// A value, such as a label or a score, of a cell without each subset of its operations, by the mask of the removed ones, `[2^N]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SubsetValues(Vec<f64>);

/// An order of removal and an order of insertion of the operations of a cell, each from the first step to the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orders {
    /// The order in which they are removed.
    pub removal: Vec<usize>,
    /// The order in which they are put into the empty cell.
    pub insertion: Vec<usize>,
}

/// Areas under the true labels, as shares of the way from a random order (0) to the best order of each cell (1). Both are ratios of
/// sums over cells, so that a cell weighs what its operations are worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OrderAreas {
    /// Under deletion.
    pub deletion: f64,
    /// Under insertion.
    pub insertion: f64,
}

/// What parts of cells are worth by the true labels, as shares of what the cells lose without all their operations: ratios of sums
/// over cells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartFigures {
    /// Share that is kept with the part alone.
    pub kept: f64,
    /// Share that is lost without the part.
    pub lost: f64,
    /// Harmonic mean of the two (characterization score of Amara et al., GraphFramEx, LoG 2022).
    pub characterization: f64,
}

impl Orders {
    /// The order of `attributions`, the heaviest first, for both.
    pub fn heaviest_first(attributions: &[f64]) -> Self {
        let order = argsort_desc(attributions);
        Orders { removal: order.clone(), insertion: order }
    }
}

impl SubsetValues {
    /// From one value per subset (NaN for an unknown one of the empty cell) of at least one operation; none for another number of
    /// values.
    pub fn new(values: Vec<f64>) -> Option<Self> {
        (values.len() > 1 && values.len().is_power_of_two()).then_some(SubsetValues(values))
    }

    fn operations(&self) -> usize {
        self.0.len().ilog2() as usize
    }

    /// The value of a subset in a sum along a path; the whole cell and the empty one are on every path and do not count.
    fn term(&self, removed: usize) -> f64 {
        if removed == self.0.len() - 1 { 0.0 } else { self.0[removed] / self.operations() as f64 }
    }

    /// Area under the values while operations are removed in this `order`, over an axis from 0 to 1, up to what all orders share.
    pub fn deletion_area(&self, order: &[usize]) -> f64 {
        let removed = order.iter().scan(0, |removed, operation| {
            *removed |= 1 << operation;
            Some(*removed)
        });
        removed.map(|removed| self.term(removed)).sum()
    }

    /// The same while they are put into the empty cell in this `order`.
    pub fn insertion_area(&self, order: &[usize]) -> f64 {
        let backwards: Vec<usize> = order.iter().rev().copied().collect();
        self.deletion_area(&backwards)
    }

    /// The mean area over all orders, of deletion as of insertion.
    pub fn random_area(&self) -> f64 {
        let of_size = |size: u32| {
            let subsets = (0..self.0.len()).filter(|removed| removed.count_ones() == size);
            mean(&subsets.map(|removed| self.term(removed)).collect::<Vec<f64>>())
        };
        (1..=self.operations() as u32).map(of_size).sum()
    }

    /// The orders in which the values fall fastest under removal and rise fastest under insertion.
    pub fn fastest_orders(&self) -> Orders {
        let mut insertion = self.removal_order(-1.0);
        insertion.reverse();
        Orders { removal: self.removal_order(1.0), insertion }
    }

    /// The order of removal with the smallest area times `sign`.
    fn removal_order(&self, sign: f64) -> Vec<usize> {
        let mut paths = vec![(0.0f64, 0); self.0.len()]; // area of the best way to a subset, and its last step
        for removed in 1..self.0.len() {
            let last = (0..self.operations()).filter(|operation| removed >> operation & 1 == 1);
            let ways = last.map(|operation| (paths[removed ^ 1 << operation].0, operation));
            let (area, operation) = ways.min_by(|a, b| a.0.total_cmp(&b.0)).expect("a subset has an operation");
            paths[removed] = (area + sign * self.term(removed), operation);
        }
        let back = |&removed: &usize| (removed > 0).then(|| removed ^ 1 << paths[removed].1);
        let mut order: Vec<usize> = std::iter::successors(Some(self.0.len() - 1), back).map(|at| paths[at].1).collect();
        order.pop();
        order.reverse();
        order
    }

    /// What the value loses without the operations of `part`, with these alone, and without any.
    fn part_losses(&self, part: &[usize]) -> [f64; 3] {
        let mask = part.iter().fold(0, |mask, operation| mask | 1 << operation);
        let all = self.0.len() - 1;
        [mask, all ^ mask, all].map(|removed| self.0[0] - self.0[removed])
    }

    /// The mean of these over all parts of `size` operations.
    fn random_part_losses(&self, size: usize) -> [f64; 3] {
        let all = self.0.len() - 1;
        let parts: Vec<usize> = (0..=all).filter(|part| part.count_ones() as usize == size).collect();
        let loss = |removed: usize| self.0[0] - self.0[removed];
        let without = mean(&parts.iter().map(|&part| loss(part)).collect::<Vec<f64>>());
        let alone = mean(&parts.iter().map(|&part| loss(all ^ part)).collect::<Vec<f64>>());
        [without, alone, loss(all)]
    }

    /// What the value loses without each operation.
    pub fn losses(&self) -> Vec<f64> {
        (0..self.operations()).map(|operation| self.0[0] - self.0[1 << operation]).collect()
    }
}

/// Areas under the labels of cells, each with the orders of its operations. NaN without a cell.
pub fn order_areas<'a>(cells: impl IntoIterator<Item = (&'a SubsetValues, Orders)>) -> OrderAreas {
    let [mut deletion, mut insertion] = [[0.0; 2]; 2];
    for (labels, own) in cells {
        let (random, best) = (labels.random_area(), labels.fastest_orders());
        for (index, orders) in [own, best].iter().enumerate() {
            deletion[index] += labels.deletion_area(&orders.removal) - random;
            insertion[index] += labels.insertion_area(&orders.insertion) - random;
        }
    }
    OrderAreas { deletion: deletion[0] / deletion[1], insertion: insertion[0] / insertion[1] }
}

/// Figures of a part of each cell. A cell whose empty cell has no label does not count; NaN where none is left.
pub fn part_figures<'a>(cells: impl IntoIterator<Item = (&'a SubsetValues, Vec<usize>)>) -> PartFigures {
    of_losses(cells.into_iter().map(|(labels, part)| labels.part_losses(&part)))
}

/// The same of random parts of as many operations: their mean.
pub fn random_part_figures<'a>(cells: impl IntoIterator<Item = (&'a SubsetValues, usize)>) -> PartFigures {
    of_losses(cells.into_iter().map(|(labels, size)| labels.random_part_losses(size)))
}

fn of_losses(cells: impl Iterator<Item = [f64; 3]>) -> PartFigures {
    let mut sums = [0.0; 3];
    for losses in cells.filter(|losses| losses[2].is_finite()) {
        sums.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += loss);
    }
    let [without, alone, all] = sums;
    let (lost, kept) = ((without / all).clamp(0.0, 1.0), (1.0 - alone / all).clamp(0.0, 1.0));
    PartFigures { kept, lost, characterization: 2.0 * lost * kept / (lost + kept).max(f64::MIN_POSITIVE) }
}
