//! Faithfulness of the explanations of a checkpoint, to the truth of a table and to the checkpoint itself.

use super::attribution::Signal;
use super::cell::{ExplainedCell, VariantPool};
use super::counterfactual::Replacement;
use super::mass::{critical_mass, member_masses};
use super::metrics::{agreement, area, mean_curve, member_agreement};
use super::subset::{JudgedCell, OrderAreas, SubsetValues, TrueFigures, heaviest_first, order_areas, true_figures};
use super::truth::TrueLabels;
use super::{Explainer, losses};
use crate::dataset::Dataset;
use crate::error::{Error, Result, Stage};
use crate::graph::Role;
use crate::metrics::{argsort_desc, mean, spearman};
use crate::progress::Progress;
use crate::random::{Purpose, Random};
use serde::Serialize;
use std::collections::HashMap;

/// The smallest number of operations, without absent ones, of a judged cell: fewer have no meaningful order.
const MIN_OPERATIONS: usize = 4;
/// The smallest number of cells that figures are computed over.
const MIN_CELLS: usize = 10;
/// Points of a mean curve.
const POINTS: usize = 21;

/// A figure of every method of explanation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ByMethod<T> {
    /// Of the critical mass.
    pub critical: T,
    /// Of the loss of the predictor's own score in the same variants.
    pub occlusion: T,
    /// Of the attention of the extractor's masks.
    pub attention: T,
    /// Of gradient x input.
    pub gradient: T,
    /// Of random numbers.
    pub random: T,
}

impl<T> ByMethod<T> {
    /// A number of every method, in the order of the fields.
    pub fn each(&self, of: impl Fn(&T) -> f64) -> [f64; 5] {
        [&self.critical, &self.occlusion, &self.attention, &self.gradient, &self.random].map(of)
    }
}

/// Agreement with the truth: Spearman's correlation over the operations of a cell, mean over cells.
pub type Agreement = ByMethod<f64>;

/// A figure of the critical masses, and the same of a random order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgainstRandom {
    /// By critical mass.
    pub critical: f64,
    /// By a random order.
    pub random: f64,
}

/// Figures of the explanations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Faithfulness {
    /// Agreement with the true loss without an operation; none where the table does not have the variants.
    pub truth_agreement: Option<Agreement>,
    /// Agreement with the mean true loss over the replacements of an operation.
    pub truth_agreement_replacements: Option<Agreement>,
    /// Further figures against the true losses; none where there is no agreement.
    pub truth: Option<ByMethod<TrueFigures>>,
    /// Areas under the true labels in the order that the predictor thinks best from its scores of all subsets.
    pub joint_order: OrderAreas,
    /// The same in the order of the true losses of single operations, which attributions try to find.
    pub true_loss_order: OrderAreas,
    /// Spearman's correlation over cells between the score of the critical half alone and the score of the cell. The critical
    /// half is the connected part of at most half of a cell's operations whose score is nearest to the score of the cell.
    pub fidelity_keep: f64,
    /// The same of the cell without its critical half.
    pub fidelity_remove: f64,
    /// As `fidelity_keep`, of the half of the operations with the greatest critical mass; absent ones are not counted.
    pub fidelity_keep_by_mass: f64,
    /// As `fidelity_remove`, of the other half.
    pub fidelity_remove_by_mass: f64,
    /// Area under the mean score when operations are removed, the heaviest first; lower is better.
    pub deletion: AgainstRandom,
    /// Area under the mean score when operations are inserted, the heaviest first; higher is better.
    pub insertion: AgainstRandom,
    /// Rank correlation of the masses of two members, mean over cells and pairs of members.
    pub stability: f64,
    /// Largest difference of sorted masses between cells of the same unique graph, identities left out.
    pub twins_difference: f64,
    /// Number of cells that the figures are computed over.
    pub cells: usize,
    /// Number of cells that the agreement with the truth is computed over.
    pub cells_with_truth: usize,
    /// Number of cells that deletion and insertion in true labels are computed over: the table has each without every subset of
    /// its operations.
    pub cells_with_subsets: usize,
}

/// Which cells are judged.
#[derive(Debug, Clone, Copy)]
pub struct JudgedSample<'a> {
    /// Number of cells.
    pub cells: usize,
    /// Rows that are left out, ascending: those that were trained on.
    pub without: &'a [usize],
    /// Seed of the choice and of the random attributions.
    pub seed: u64,
}

/// Judges the explanations of `explainer` on cells of `dataset` with at least four operations that are not absent.
///
/// # Errors
/// Fewer than ten such cells; a cell that cannot be brought into canonical order.
pub fn judge(
    explainer: &Explainer,
    dataset: &Dataset,
    sample: JudgedSample,
    progress: &dyn Progress,
) -> Result<Faithfulness> {
    let texts = choose(explainer, dataset, sample)?;
    let (cells, mut pool) = explainer.parse(&texts, progress).map_err(|(_, error)| error)?;
    let removals = explainer.removals(&cells, &mut pool, progress)?;
    let replaced = explainer.replacements(&cells, &mut pool, progress)?;
    let (removed, replacement) = (|index: &usize| *index, |replacement: &Replacement| replacement.index);
    let own_losses: Vec<Vec<f64>> = cells
        .iter()
        .zip(&removals)
        .map(|(cell, variants)| losses(cell, &pool, variants, cell.len(), removed))
        .collect();
    let own_replaced: Vec<Vec<f64>> = cells
        .iter()
        .zip(&replaced)
        .map(|(cell, variants)| losses(cell, &pool, variants, cell.len(), replacement))
        .collect();
    let attributions = Attributions::new(explainer, &cells, &pool, &own_losses, sample.seed);
    let agreements: Vec<f64> = (cells.iter().zip(&removals))
        .filter_map(|(cell, variants)| member_agreement(&member_masses(cell, &pool, variants)))
        .collect();
    let subsets = explainer.subsets(&cells, &mut pool, progress)?;
    let labels = TrueLabels::new(explainer, dataset, &pool)?;
    let true_losses = labels.losses(&cells, &removals, removed, |cell, &index| labels.text_without(cell, index));
    let true_replaced = labels.losses(&cells, &replaced, replacement, |_, other| Some(other.text.clone()));
    let subset_labels = labels.of_subsets(&subsets);
    let own = |variants: &Vec<(String, u32)>| variants.iter().map(|variant| pool.score(variant.1)).collect();
    let own = subsets.iter().map(|variants| SubsetValues::new(own(variants)));
    let pairs: Vec<(&SubsetValues, SubsetValues)> =
        subset_labels.iter().zip(own).filter_map(|(labels, own)| Some((labels.as_ref()?, own?))).collect();
    let joint = pairs.iter().map(|(labels, own)| (*labels, [true, false].map(|smallest| own.best_order(smallest))));
    let joint_order = order_areas(joint);
    let true_loss_order = order_areas(pairs.iter().map(|(labels, _)| (*labels, heaviest_first(&labels.losses()))));
    let mut judge = Judge { explainer, cells: &cells, pool: &mut pool, progress };
    let halves = judge.critical_halves()?;
    let heavier = judge.heavier_halves(&attributions.critical);
    let (fidelity_keep, fidelity_remove) = judge.fidelity(&halves)?;
    let (fidelity_keep_by_mass, fidelity_remove_by_mass) = judge.fidelity(&heavier)?;
    let enough = |losses: &[Option<Vec<f64>>]| losses.iter().flatten().count() >= MIN_CELLS;
    let judged = |values: &[Vec<f64>], losses| judged_cells(explainer, &cells, values, losses, &subset_labels);
    let agree = |own: &[Vec<f64>], losses| {
        let of = |values: &[Vec<f64>]| {
            let cells = judged(values, losses);
            let with_losses = cells.iter().filter(|cell| !cell.losses.is_empty());
            agreement(with_losses.map(|cell| (&cell.values[..], &cell.losses[..])))
        };
        enough(losses).then(|| attributions.by_method(own, of))
    };
    let figures = || attributions.by_method(&own_losses, |values| true_figures(&judged(values, &true_losses)));
    Ok(Faithfulness {
        truth_agreement: agree(&own_losses, &true_losses),
        truth_agreement_replacements: agree(&own_replaced, &true_replaced),
        truth: enough(&true_losses).then(figures),
        joint_order,
        true_loss_order,
        fidelity_keep,
        fidelity_remove,
        fidelity_keep_by_mass,
        fidelity_remove_by_mass,
        deletion: judge.areas(&attributions, true)?,
        insertion: judge.areas(&attributions, false)?,
        stability: mean(&agreements),
        twins_difference: twins_difference(explainer, &cells, &attributions.critical),
        cells: cells.len(),
        cells_with_truth: true_losses.iter().flatten().count(),
        cells_with_subsets: subset_labels.iter().flatten().count(),
    })
}

/// Texts of the cells that are judged.
fn choose(explainer: &Explainer, dataset: &Dataset, sample: JudgedSample) -> Result<Vec<String>> {
    let space = explainer.encoder.space;
    let counts = |id: &&u16| !matches!(space.vocabulary().role(**id), Role::Absent | Role::Input | Role::Output);
    let candidates: Vec<usize> = (0..dataset.len()).filter(|row| sample.without.binary_search(row).is_err()).collect();
    let mut rows = Vec::new();
    let mut random = Random::of(sample.seed, Purpose::Explanation, 0, 0);
    for index in random.choose(candidates.len(), candidates.len()) {
        let architecture = space.parse(&dataset.unique.texts[candidates[index]])?;
        if architecture.operations.iter().filter(counts).count() >= MIN_OPERATIONS {
            rows.push(candidates[index]);
        }
        if rows.len() == sample.cells {
            break;
        }
    }
    if rows.len() < MIN_CELLS {
        let message = format!(
            "explanations are judged on at least {MIN_CELLS} cells of {MIN_OPERATIONS} operations or more that were not \
             trained on; number of such cells here: {}",
            rows.len()
        );
        return Err(Error::new(Stage::Dataset, message).hint("use a larger table, or a larger --cells"));
    }
    rows.sort_unstable();
    Ok(rows.iter().map(|&row| dataset.unique.texts[row].clone()).collect())
}

/// What methods of explanation attribute to the operations of every cell, `[cell][operation]`.
struct Attributions {
    critical: Vec<Vec<f64>>,
    attention: Vec<Vec<f64>>,
    gradient: Vec<Vec<f64>>,
    random: Vec<Vec<f64>>,
}

impl Attributions {
    fn new(
        explainer: &Explainer,
        cells: &[ExplainedCell],
        pool: &VariantPool,
        own_losses: &[Vec<f64>],
        seed: u64,
    ) -> Self {
        let masses = |losses: &Vec<f64>| losses.iter().map(|&loss| critical_mass(loss)).collect();
        let mut random = Random::of(seed, Purpose::Explanation, 0, 1);
        let mut uniform = |cell: &ExplainedCell| (0..cell.len()).map(|_| random.uniform()).collect();
        Attributions {
            critical: own_losses.iter().map(masses).collect(),
            attention: explainer.attributions(cells, pool, Signal::Attention),
            gradient: explainer.attributions(cells, pool, Signal::Gradient),
            random: cells.iter().map(&mut uniform).collect(),
        }
    }

    /// `of` the attributions of every method.
    fn by_method<T>(&self, occlusion: &[Vec<f64>], of: impl Fn(&[Vec<f64>]) -> T) -> ByMethod<T> {
        ByMethod {
            critical: of(&self.critical),
            occlusion: of(occlusion),
            attention: of(&self.attention),
            gradient: of(&self.gradient),
            random: of(&self.random),
        }
    }
}

/// The cells as a method is judged on them.
fn judged_cells<'a>(
    explainer: &Explainer,
    cells: &[ExplainedCell],
    attributions: &[Vec<f64>],
    true_losses: &[Option<Vec<f64>>],
    subsets: &'a [Option<SubsetValues>],
) -> Vec<JudgedCell<'a>> {
    let space = explainer.encoder.space;
    let judged = (cells.iter().zip(attributions)).zip(true_losses.iter().zip(subsets));
    let judged = judged.map(|((cell, values), (losses, subsets))| {
        let counted = (0..cell.len()).filter(|&index| cell.counts(index, space));
        let pairs = losses.iter().flat_map(|losses| counted.clone().map(|index| (values[index], losses[index])));
        let (counted, losses) = pairs.unzip();
        let live = cell.live_operations(space).into_iter().map(|index| values[index]).collect();
        JudgedCell { subsets: subsets.as_ref(), live, values: counted, losses }
    });
    judged.collect()
}

/// Scores the parts of cells that attributions point at.
struct Judge<'a> {
    explainer: &'a Explainer<'a>,
    cells: &'a [ExplainedCell],
    pool: &'a mut VariantPool,
    progress: &'a dyn Progress,
}

impl Judge<'_> {
    /// The critical half of every cell, see [`Faithfulness::fidelity_keep`].
    fn critical_halves(&mut self) -> Result<Vec<Vec<usize>>> {
        let parts = self.explainer.nearest_parts(self.cells, self.pool, self.progress)?;
        let half = |cell: &ExplainedCell| cell.half(self.explainer.encoder.space);
        let halves = self.cells.iter().zip(parts);
        Ok(halves.map(|(cell, parts)| parts.of_at_most(half(cell)).operations.clone()).collect())
    }

    /// The heavier half of the operations of every cell.
    fn heavier_halves(&self, masses: &[Vec<f64>]) -> Vec<Vec<usize>> {
        let half = |cell: &ExplainedCell| cell.half(self.explainer.encoder.space);
        let cells = self.cells.iter().zip(masses);
        cells.map(|(cell, masses)| self.heaviest_first(cell, masses).into_iter().take(half(cell)).collect()).collect()
    }

    /// The live operations of `cell`, the heaviest first.
    fn heaviest_first(&self, cell: &ExplainedCell, masses: &[f64]) -> Vec<usize> {
        let live = cell.live_operations(self.explainer.encoder.space);
        let masses: Vec<f64> = live.iter().map(|&index| masses[index]).collect();
        argsort_desc(&masses).into_iter().map(|index| live[index]).collect()
    }

    /// Spearman's correlations of the scores of cells with those of their `parts` alone and with those of the cells without
    /// these parts.
    fn fidelity(&mut self, parts: &[Vec<usize>]) -> Result<(f64, f64)> {
        let encoder = self.explainer.encoder;
        let variants = self.explainer.variants(self.cells, self.pool, self.progress, |cell, index| {
            let live = cell.live_operations(encoder.space);
            let others: Vec<usize> = live.into_iter().filter(|operation| !parts[index].contains(operation)).collect();
            [&others, &parts[index]].into_iter().map(|removed| Ok(((), cell.without(removed, encoder)?))).collect()
        })?;
        let cells: Vec<f64> = self.cells.iter().map(|cell| self.pool.score(cell.graph)).collect();
        let scores = |which: usize| variants.iter().map(|pair| self.pool.score(pair[which].1)).collect::<Vec<f64>>();
        Ok((spearman(&scores(0), &cells), spearman(&scores(1), &cells)))
    }

    /// Areas under deletion or insertion.
    fn areas(&mut self, attributions: &Attributions, deletion: bool) -> Result<AgainstRandom> {
        let mut area_of = |masses| Ok(area(&mean_curve(&self.curves(masses, deletion)?, POINTS)));
        Ok(AgainstRandom { critical: area_of(&attributions.critical)?, random: area_of(&attributions.random)? })
    }

    /// Scores of every cell while its live operations are removed one after another (or inserted into the empty cell), the
    /// heaviest first.
    fn curves(&mut self, masses: &[Vec<f64>], deletion: bool) -> Result<Vec<Vec<f64>>> {
        let encoder = self.explainer.encoder;
        let orders: Vec<Vec<usize>> =
            self.cells.iter().zip(masses).map(|(cell, masses)| self.heaviest_first(cell, masses)).collect();
        let steps = self.explainer.variants(self.cells, self.pool, self.progress, |cell, index| {
            let order = &orders[index];
            (0..=order.len())
                .map(|step| if deletion { &order[..step] } else { &order[step..] })
                .map(|removed| Ok(((), cell.without(removed, encoder)?)))
                .collect()
        })?;
        Ok(steps.iter().map(|steps| steps.iter().map(|step| self.pool.score(step.1)).collect()).collect())
    }
}

/// Largest difference between the sorted masses of two cells of one unique graph. Only operations that are nodes of the graph
/// are compared: twins differ in their identities, and in what is dead.
fn twins_difference(explainer: &Explainer, cells: &[ExplainedCell], masses: &[Vec<f64>]) -> f64 {
    let mut first: HashMap<u32, Vec<f64>> = HashMap::new();
    let mut largest = 0.0f64;
    for (cell, masses) in cells.iter().zip(masses) {
        let live = cell.live_operations(explainer.encoder.space).into_iter();
        let nodes = live.filter(|&index| cell.nodes.contains(&cell.raw_nodes[index]));
        let mut own: Vec<f64> = nodes.map(|index| masses[index]).collect();
        own.sort_by(f64::total_cmp);
        let other = first.entry(cell.graph).or_insert_with(|| own.clone());
        largest = own.iter().zip(other.iter()).map(|(a, b)| (a - b).abs()).fold(largest, f64::max);
    }
    largest
}
