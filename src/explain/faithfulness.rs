//! Faithfulness of the explanations of a checkpoint, to the truth of a table and to the checkpoint itself.

use super::attribution::Signal;
use super::cell::{ExplainedCell, VariantPool};
use super::counterfactual::Replacement;
use super::mass::{critical_mass, member_masses};
use super::metrics::{JudgedCell, TrueFigures, agreement, member_agreement, true_figures};
use super::subset::{OrderAreas, Orders, PartFigures, SubsetValues, order_areas, part_figures, random_part_figures};
use super::substructure::TOLERANCE;
use super::truth::TrueLabels;
use super::{Explainer, Variants, losses};
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

/// Areas under the true labels of cells, by the order of their operations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JudgedOrders {
    /// In the orders that explanations state: their removals and insertions.
    pub stated: OrderAreas,
    /// By the true losses of single operations, which attributions try to find.
    pub true_loss: OrderAreas,
    /// By attributions, the heaviest first.
    pub heaviest_first: ByMethod<OrderAreas>,
}

/// What parts of cells are worth by the true labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JudgedParts {
    /// The critical substructures.
    pub critical_substructure: PartFigures,
    /// As many operations as these have, with the greatest critical masses.
    pub as_many_by_mass: PartFigures,
    /// As many random operations.
    pub as_many_random: PartFigures,
    /// Mean number of operations of a critical substructure, as a share of the live ones.
    pub size: f64,
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
    /// Areas under the true labels; none where no cell has all of its subsets in the table.
    pub orders: Option<JudgedOrders>,
    /// Worth of critical substructures by the true labels; none as above.
    pub parts: Option<JudgedParts>,
    /// Spearman's correlation over cells between the score of the critical substructure alone and the score of the cell.
    pub fidelity_keep: f64,
    /// The same of the cell without its critical substructure.
    pub fidelity_remove: f64,
    /// As `fidelity_keep`, of as many operations with the greatest critical masses.
    pub fidelity_keep_by_mass: f64,
    /// As `fidelity_remove`, without these.
    pub fidelity_remove_by_mass: f64,
    /// Rank correlation of the masses of two members, mean over cells and pairs of members.
    pub stability: f64,
    /// Largest difference of sorted masses between cells of the same unique graph, identities left out.
    pub twins_difference: f64,
    /// Number of cells that the figures are computed over.
    pub cells: usize,
    /// Number of cells that the agreement with the truth is computed over.
    pub cells_with_truth: usize,
    /// Number of cells that orders and parts are judged on: the table has each without every subset of its operations.
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
    let critical = explainer.critical_substructures(&cells, &mut pool, TOLERANCE, progress)?;
    let critical: Vec<Vec<usize>> = critical.into_iter().map(|part| part.operations).collect();
    let heaviest = heaviest(explainer, &cells, &attributions.critical, &critical);
    let (fidelity_keep, fidelity_remove) = fidelity(explainer, &cells, &mut pool, &critical, progress)?;
    let (fidelity_keep_by_mass, fidelity_remove_by_mass) = fidelity(explainer, &cells, &mut pool, &heaviest, progress)?;
    let with_subsets = JudgedSubsets::new(explainer, &cells, &pool, &subsets, &subset_labels);
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
        orders: with_subsets.orders(&attributions, &own_losses),
        parts: with_subsets.parts(&critical, &heaviest),
        fidelity_keep,
        fidelity_remove,
        fidelity_keep_by_mass,
        fidelity_remove_by_mass,
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

/// The cells of which the table has every subset of the operations.
struct JudgedSubsets<'a> {
    /// Index of each cell, its live operations, its labels, and the predictor's scores of the same subsets.
    cells: Vec<(usize, Vec<usize>, &'a SubsetValues, SubsetValues)>,
}

impl<'a> JudgedSubsets<'a> {
    fn new(
        explainer: &Explainer,
        cells: &[ExplainedCell],
        pool: &VariantPool,
        subsets: &Variants<String>,
        labels: &'a [Option<SubsetValues>],
    ) -> Self {
        let of = |(index, labels): (usize, &'a Option<SubsetValues>)| {
            let scores = subsets[index].iter().map(|variant| pool.score(variant.1)).collect();
            let live = cells[index].live_operations(explainer.encoder.space);
            Some((index, live, labels.as_ref()?, SubsetValues::new(scores)?))
        };
        JudgedSubsets { cells: labels.iter().enumerate().filter_map(of).collect() }
    }

    fn orders(&self, attributions: &Attributions, occlusion: &[Vec<f64>]) -> Option<JudgedOrders> {
        let by = |values: &[Vec<f64>]| {
            order_areas(self.cells.iter().map(|(cell, live, labels, _)| {
                let live: Vec<f64> = live.iter().map(|&index| values[*cell][index]).collect();
                (*labels, Orders::heaviest_first(&live))
            }))
        };
        let with_labels = self.cells.iter().map(|(_, _, labels, _)| *labels);
        (!self.cells.is_empty()).then(|| JudgedOrders {
            stated: order_areas(self.cells.iter().map(|(_, _, labels, scores)| (*labels, scores.fastest_orders()))),
            true_loss: order_areas(with_labels.map(|labels| (labels, Orders::heaviest_first(&labels.losses())))),
            heaviest_first: attributions.by_method(occlusion, by),
        })
    }

    fn parts(&self, critical: &[Vec<usize>], heaviest: &[Vec<usize>]) -> Option<JudgedParts> {
        let of = |parts: &[Vec<usize>]| {
            part_figures(self.cells.iter().map(|(cell, live, labels, _)| {
                (*labels, (0..live.len()).filter(|&bit| parts[*cell].contains(&live[bit])).collect())
            }))
        };
        let sizes = self.cells.iter().map(|(cell, _, labels, _)| (*labels, critical[*cell].len()));
        let shares = self.cells.iter().map(|(cell, live, ..)| critical[*cell].len() as f64 / live.len() as f64);
        (!self.cells.is_empty()).then(|| JudgedParts {
            critical_substructure: of(critical),
            as_many_by_mass: of(heaviest),
            as_many_random: random_part_figures(sizes),
            size: mean(&shares.collect::<Vec<f64>>()),
        })
    }
}

/// As many of the live operations of every cell as `parts` has, those with the greatest `masses`.
fn heaviest(
    explainer: &Explainer,
    cells: &[ExplainedCell],
    masses: &[Vec<f64>],
    parts: &[Vec<usize>],
) -> Vec<Vec<usize>> {
    let of = |((cell, masses), part): ((&ExplainedCell, &Vec<f64>), &Vec<usize>)| {
        let live = cell.live_operations(explainer.encoder.space);
        let order = argsort_desc(&live.iter().map(|&index| masses[index]).collect::<Vec<f64>>());
        order.into_iter().take(part.len()).map(|index| live[index]).collect()
    };
    cells.iter().zip(masses).zip(parts).map(of).collect()
}

/// Spearman's correlations of the scores of cells with those of their `parts` alone and with those of the cells without these
/// parts.
fn fidelity(
    explainer: &Explainer,
    cells: &[ExplainedCell],
    pool: &mut VariantPool,
    parts: &[Vec<usize>],
    progress: &dyn Progress,
) -> Result<(f64, f64)> {
    let encoder = explainer.encoder;
    let variants = explainer.variants(cells, pool, progress, |cell, index| {
        let live = cell.live_operations(encoder.space);
        let others: Vec<usize> = live.into_iter().filter(|operation| !parts[index].contains(operation)).collect();
        [&others, &parts[index]].into_iter().map(|removed| Ok(((), cell.without(removed, encoder)?))).collect()
    })?;
    let own: Vec<f64> = cells.iter().map(|cell| pool.score(cell.graph)).collect();
    let scores = |which: usize| variants.iter().map(|pair| pool.score(pair[which].1)).collect::<Vec<f64>>();
    Ok((spearman(&scores(0), &own), spearman(&scores(1), &own)))
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
