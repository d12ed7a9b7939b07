//! True labels of a cell without each subset of its operations, and how good an order of its operations is by them.
//!
//! Deletion removes the operations one after another, the heaviest first; insertion puts them back into the empty cell, the
//! heaviest first. The area under the labels on the way is known for all orders at once: a random order has the mean over
//! the subsets of each size, and the best order is the cheapest path through the subsets.

use crate::metrics::{argsort_desc, mean, precision_at};
use serde::Serialize;

/// The largest number of operations whose subsets are looked up.
pub const MAX_OPERATIONS: usize = 8;

/// A value, such as a label or a score, of a cell without each subset of its operations, by the mask of the removed ones, `[2^N]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SubsetValues(Vec<f64>);

/// Areas under the true labels, as shares of the way from a random order (0) to the best order of each cell (1). Both are ratios of
/// sums over cells, so that a cell weighs what its operations are worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OrderAreas {
    /// Under deletion.
    pub deletion: f64,
    /// Under insertion.
    pub insertion: f64,
}

/// How the attributions of a method agree with true labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrueFigures {
    /// Areas under the true labels in the order of the attributions.
    #[serde(flatten)]
    pub areas: OrderAreas,
    /// Share of cells whose heaviest operation is the one with the largest true loss.
    pub top_1: f64,
    /// Share of the two heaviest operations that are among the two with the largest true losses.
    pub top_2: f64,
    /// Share of operations whose attribution is positive where their true loss is, and only there.
    pub sign: f64,
    /// Harmonic mean of the share of the label that is lost without the heavier half of the operations, and of the share that
    /// is kept with this half alone (characterization score of Amara et al., GraphFramEx, LoG 2022).
    pub characterization: f64,
}

impl SubsetValues {
    /// From one value per subset (NaN for an unknown one of the empty cell) of at least one operation; none for another number of values.
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
    pub fn area(&self, order: &[usize]) -> f64 {
        let removed = order.iter().scan(0, |removed, operation| {
            *removed |= 1 << operation;
            Some(*removed)
        });
        removed.map(|removed| self.term(removed)).sum()
    }

    /// The mean area over all orders.
    pub fn random_area(&self) -> f64 {
        let of_size = |size: u32| {
            let subsets = (0..self.0.len()).filter(|removed| removed.count_ones() == size);
            mean(&subsets.map(|removed| self.term(removed)).collect::<Vec<f64>>())
        };
        (1..=self.operations() as u32).map(of_size).sum()
    }

    /// The order of removal with the smallest area, or with the largest one.
    pub fn best_order(&self, smallest: bool) -> Vec<usize> {
        let sign = if smallest { 1.0 } else { -1.0 };
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

    /// What the value loses without the operations of `half`, with these alone, and without any.
    fn half_losses(&self, half: &[usize]) -> [f64; 3] {
        let mask = half.iter().fold(0, |mask, operation| mask | 1 << operation);
        let all = self.0.len() - 1;
        [mask, all ^ mask, all].map(|removed| self.0[0] - self.0[removed])
    }

    /// What the value loses without each operation.
    pub fn losses(&self) -> Vec<f64> {
        (0..self.operations()).map(|operation| self.0[0] - self.0[1 << operation]).collect()
    }
}

/// Areas under the labels of cells, each with its order of deletion and its order of insertion, both from the first removed to the
/// last one. NaN without a cell.
pub fn order_areas<'a>(cells: impl IntoIterator<Item = (&'a SubsetValues, [Vec<usize>; 2])>) -> OrderAreas {
    let mut sums = [[0.0; 2]; 2];
    for (labels, orders) in cells {
        let random = labels.random_area();
        for (sums, (order, smallest)) in sums.iter_mut().zip(orders.iter().zip([true, false])) {
            sums[0] += labels.area(order) - random;
            sums[1] += labels.area(&labels.best_order(smallest)) - random;
        }
    }
    let [deletion, insertion] = sums.map(|[own, best]| own / best);
    OrderAreas { deletion, insertion }
}

/// Orders of deletion and insertion by attributions, the heaviest first.
pub fn heaviest_first(attributions: &[f64]) -> [Vec<usize>; 2] {
    let order = argsort_desc(attributions);
    [order.clone(), order.into_iter().rev().collect()]
}

/// One cell as it is judged.
pub struct JudgedCell<'a> {
    /// Labels without each subset of the live operations; none where some have no label.
    pub subsets: Option<&'a SubsetValues>,
    /// Attributions of the live operations.
    pub live: Vec<f64>,
    /// Attributions of all operations that count, where they have true losses.
    pub values: Vec<f64>,
    /// True losses of these; none where some has no label.
    pub losses: Vec<f64>,
}

/// The figures of a method. Those without a cell to judge are NaN.
pub fn true_figures(cells: &[JudgedCell]) -> TrueFigures {
    let with_subsets = || cells.iter().filter_map(|cell| Some((cell.subsets?, heaviest_first(&cell.live))));
    let mut lost = [0.0; 3];
    for (labels, [order, _]) in with_subsets() {
        let losses = labels.half_losses(&order[..order.len().div_ceil(2)]);
        if losses[2].is_finite() {
            lost.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += loss);
        }
    }
    let [necessary, sufficient] = [lost[0] / lost[2], 1.0 - lost[1] / lost[2]].map(|share| share.clamp(0.0, 1.0));
    let with_losses = || cells.iter().filter(|cell| !cell.values.is_empty());
    let top = |k| mean(&with_losses().map(|cell| precision_at(&cell.values, &cell.losses, k)).collect::<Vec<f64>>());
    let signs = cells.iter().flat_map(|cell| cell.values.iter().zip(&cell.losses));
    let signs: Vec<f64> = signs.map(|(value, loss)| f64::from((*value > 0.0) == (*loss > 0.0))).collect();
    TrueFigures {
        areas: order_areas(with_subsets()),
        top_1: top(1),
        top_2: top(2),
        sign: mean(&signs),
        characterization: 2.0 * necessary * sufficient / (necessary + sufficient).max(f64::MIN_POSITIVE),
    }
}
