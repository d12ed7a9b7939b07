//! Explanations of a checkpoint against the truth of a table, and against the checkpoint itself.
//!
//! The truth of an operation is what the test label of the cell loses when the operation is taken away (or, second, the mean
//! loss over its replacements), looked up in the table: there as it is written, or else as a cell of the same function.

use super::cell::{Cell, Pool};
use super::counterfactual::Replacement;
use super::mass::{Masses, Signal, mean_of};
use super::metrics::{agreement, area, heaviest_first, mean_curve, members_agree};
use super::{Explainer, Variants, drops};
use crate::dataset::Dataset;
use crate::error::{Error, Result, Stage};
use crate::graph::Role;
use crate::graph::{Reduction, canonicalize};
use crate::metrics::{mean, spearman};
use crate::progress::Progress;
use crate::random::{Purpose, Random};
use crate::space::Space;
use serde::Serialize;
use std::collections::HashMap;

/// Cells with fewer operations that are not absent have no order worth speaking of.
const LEAST_OPERATIONS: usize = 4;
/// Fewer cells give no figure.
const LEAST_CELLS: usize = 10;
/// Places of a mean curve.
const POINTS: usize = 21;

/// Agreement with the truth, mean over cells of Spearman's correlation over operations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// Of the critical mass.
    pub critical: f64,
    /// Of the predictor's own loss in the same variants.
    pub occlusion: f64,
    /// Of gradient x input.
    pub gradient: f64,
    /// Of random numbers.
    pub random: f64,
}

/// Something of the explanation, and the same of a random order.
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
    /// Against the true loss when an operation is taken away; none where the table does not cover the variants.
    pub truth_agreement: Option<Agreement>,
    /// Against the mean true loss over replacements of an operation.
    pub truth_agreement_replacements: Option<Agreement>,
    /// Spearman's correlation, over cells, of the score of the critical half alone with the score of the cell: the half is
    /// the connected part of at most half of the cell's operations whose score is nearest to the cell's.
    pub fidelity_keep: f64,
    /// The same of what is left without the critical half.
    pub fidelity_remove: f64,
    /// As `fidelity_keep`, of the half of the operations with the greatest critical mass; absent ones are not counted.
    pub fidelity_keep_by_mass: f64,
    /// As `fidelity_remove`, of the other half.
    pub fidelity_remove_by_mass: f64,
    /// Area under the mean score when operations are taken away, the heaviest first; lower is better.
    pub deletion: AgainstRandom,
    /// Area under the mean score when operations are put in, the heaviest first; higher is better.
    pub insertion: AgainstRandom,
    /// Mean over cells and pairs of members of the rank correlation of their masses.
    pub stability: f64,
    /// Largest difference of sorted masses between cells of the same function, identities left out.
    pub twins_difference: f64,
    /// Agreement of the critical mass with the predictor's own loss, which needs no truth.
    pub own_agreement: f64,
    /// Cells that the figures are over.
    pub cells: usize,
    /// Cells that the agreement with the truth is over.
    pub cells_with_truth: usize,
}

/// Which cells are judged.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Number of cells.
    pub cells: usize,
    /// Rows that are left out, ascending: those trained on.
    pub without: &'a [usize],
    /// Seed of the choice and of the random explanation.
    pub seed: u64,
}

/// Judges the explanations of `explainer` on cells of `dataset` with at least four operations that are not absent.
///
/// # Errors
/// Fewer than ten such cells; a cell that cannot be brought into order.
pub fn judge(
    explainer: &Explainer,
    dataset: &Dataset,
    sample: Sample,
    progress: &dyn Progress,
) -> Result<Faithfulness> {
    let texts = choose(explainer, dataset, sample)?;
    let (cells, mut pool) = explainer.read(&texts, progress).map_err(|(_, error)| error)?;
    let masks = explainer.masses(&cells, &pool, Signal::Mask);
    let gradients = explainer.masses(&cells, &pool, Signal::Gradient);
    let removals = explainer.removals(&cells, &mut pool, progress)?;
    let replaced = explainer.replaced(&cells, &mut pool, progress)?;
    let mut random = Random::of(sample.seed, Purpose::Explanation, 0, 1);
    let mut noise = |cell: &Cell| -> Vec<f64> { (0..cell.len()).map(|_| random.uniform()).collect() };
    let said = Said {
        critical: masks.iter().map(mean_masses).collect(),
        gradient: gradients.iter().map(mean_masses).collect(),
        random: cells.iter().map(&mut noise).collect(),
    };
    let of_removals = drops_of(&cells, &pool, &removals, |&place| place);
    let of_replaced = drops_of(&cells, &pool, &replaced, |replacement| replacement.place);
    let truth = Truth::new(explainer, dataset, &pool)?;
    let true_removals = truth.drops(explainer, &cells, &removals, |cell, &place| without_text(explainer, cell, place));
    let true_replaced = truth.drops(explainer, &cells, &replaced, |_, other| Some(other.text.clone()));
    let live = |values: &[Vec<f64>]| -> Vec<Vec<f64>> {
        let of = |(cell, values): (&Cell, &Vec<f64>)| -> Vec<f64> {
            cell.live_operations(explainer.form.space).into_iter().map(|place| values[place]).collect()
        };
        cells.iter().zip(values).map(of).collect()
    };
    let (own, own_drops) = (live(&said.critical), live(&of_removals));
    let (deletion, insertion) = areas(explainer, &cells, &mut pool, &said, progress)?;
    let space = explainer.form.space;
    let searched = explainer.critical_halves(&cells, &mut pool, progress)?;
    let searched: Vec<Vec<usize>> = searched.into_iter().map(|part| part.operations).collect();
    let by_search = explainer.fidelity(&cells, &mut pool, &searched, progress)?;
    let heavier = |(cell, masses): (&Cell, &Vec<f64>)| -> Vec<usize> {
        let places = cell.live_operations(space);
        heaviest_first(masses).into_iter().take(cell.half(space)).map(|one| places[one]).collect()
    };
    let heavier: Vec<Vec<usize>> = cells.iter().zip(&own).map(heavier).collect();
    let by_mass = explainer.fidelity(&cells, &mut pool, &heavier, progress)?;
    Ok(Faithfulness {
        truth_agreement: said.against(explainer, &cells, &of_removals, &true_removals),
        truth_agreement_replacements: said.against(explainer, &cells, &of_replaced, &true_replaced),
        fidelity_keep: by_search.0,
        fidelity_remove: by_search.1,
        fidelity_keep_by_mass: by_mass.0,
        fidelity_remove_by_mass: by_mass.1,
        deletion,
        insertion,
        stability: mean(&masks.iter().filter_map(|cell| members_agree(&cell.operations)).collect::<Vec<_>>()),
        twins_difference: twins_difference(&cells, &said.critical, explainer.form.space),
        own_agreement: agreement(own.iter().zip(&own_drops).map(|(mass, drop)| (&mass[..], &drop[..]))),
        cells: cells.len(),
        cells_with_truth: true_removals.iter().flatten().count(),
    })
}

/// Texts of the cells that are judged.
fn choose(explainer: &Explainer, dataset: &Dataset, sample: Sample) -> Result<Vec<String>> {
    let vocabulary = explainer.form.space.vocabulary();
    let counts = |id: &&u16| !matches!(vocabulary.role(**id), Role::Absent | Role::Input | Role::Output);
    let mut rows = Vec::new();
    let candidates: Vec<usize> = (0..dataset.len()).filter(|row| sample.without.binary_search(row).is_err()).collect();
    let mut random = Random::of(sample.seed, Purpose::Explanation, 0, 0);
    for place in random.choose(candidates.len(), candidates.len()) {
        let row = candidates[place];
        let architecture = explainer.form.space.parse(&dataset.architectures.texts[row])?;
        if architecture.operations.iter().filter(counts).count() >= LEAST_OPERATIONS {
            rows.push(row);
        }
        if rows.len() == sample.cells {
            break;
        }
    }
    if rows.len() < LEAST_CELLS {
        let message = format!("{} cells have at least {LEAST_OPERATIONS} operations", rows.len());
        return Err(Error::new(Stage::Dataset, message)
            .hint(format!("explanations are judged on at least {LEAST_CELLS} such cells that were not trained on")));
    }
    rows.sort_unstable();
    Ok(rows.iter().map(|&row| dataset.architectures.texts[row].clone()).collect())
}

/// Text of `cell` with its operation at `place` absent, where the space has such an operation and such a cell.
fn without_text(explainer: &Explainer, cell: &Cell, place: usize) -> Option<String> {
    let operations = explainer.form.space.vocabulary().operations();
    let absent = operations.iter().position(|operation| operation.role == Role::Absent)?;
    let mut other = cell.architecture.clone();
    other.operations[place] = absent as u16;
    Some(explainer.form.space.print(&other))
}

fn mean_masses(cell: &Masses) -> Vec<f64> {
    cell.operations.iter().map(|values| mean_of(values)).collect()
}

/// What the score loses, operation by operation.
fn drops_of<T>(cells: &[Cell], pool: &Pool, variants: &Variants<T>, place_of: impl Fn(&T) -> usize) -> Vec<Vec<f64>> {
    cells.iter().zip(variants).map(|(cell, variants)| drops(cell, pool, variants, &place_of)).collect()
}

/// Test labels, turned so that more is better.
struct Truth {
    by_text: HashMap<String, f64>,
    /// Mean over rows, by place in the pool.
    by_function: Vec<Option<f64>>,
}

impl Truth {
    fn new(explainer: &Explainer, dataset: &Dataset, pool: &Pool) -> Result<Self> {
        let architectures = &dataset.architectures;
        let mut sums = vec![(0.0, 0usize); architectures.functions.len()];
        let mut by_text = HashMap::new();
        for (row, &label) in dataset.test_labels.iter().enumerate().filter(|(_, label)| !label.is_nan()) {
            let label = dataset.sign() * label;
            by_text.insert(architectures.texts[row].clone(), label);
            let (sum, count) = &mut sums[architectures.function[row] as usize];
            (*sum, *count) = (*sum + label, *count + 1);
        }
        let as_it_is = Reduction { prune: false, contract: false };
        let mut by_function = vec![None; pool.graphs.len()];
        for (graph, (sum, count)) in architectures.functions.iter().zip(sums).filter(|(_, (_, count))| *count > 0) {
            let key = canonicalize(graph, explainer.form.space.vocabulary(), as_it_is)?.key;
            if let Some(place) = pool.place(&key) {
                by_function[place as usize] = Some(sum / count as f64);
            }
        }
        Ok(Truth { by_text, by_function })
    }

    fn label(&self, text: Option<&str>, function: u32) -> Option<f64> {
        text.and_then(|text| self.by_text.get(text).copied()).or(self.by_function[function as usize])
    }

    /// True losses of the operations of every cell, the mean over an operation's variants; none for a cell of which some
    /// variant has no label.
    fn drops<T>(
        &self,
        explainer: &Explainer,
        cells: &[Cell],
        variants: &Variants<T>,
        text_of: impl Fn(&Cell, &T) -> Option<String>,
    ) -> Vec<Option<Vec<f64>>>
    where
        T: Placed,
    {
        let of = |(cell, variants): (&Cell, &Vec<(T, u32)>)| {
            let own = self.label(Some(&cell.text), cell.function)?;
            let (mut sums, mut counts) = (vec![0.0; cell.len()], vec![0.0f64; cell.len()]);
            for (variant, function) in variants {
                let label = self.label(text_of(cell, variant).as_deref(), *function)?;
                sums[variant.place()] += own - label;
                counts[variant.place()] += 1.0;
            }
            // What does not touch the function costs nothing but what two trainings of one network differ by.
            for place in
                (0..cell.len()).filter(|&place| counts[place] == 0.0 && counted(explainer.form.space, cell, place))
            {
                let text = without_text(explainer, cell, place);
                sums[place] += own - self.label(text.as_deref(), cell.function)?;
            }
            Some(sums.iter().zip(&counts).map(|(sum, count)| sum / count.max(1.0)).collect())
        };
        cells.iter().zip(variants).map(of).collect()
    }
}

/// What names the operation that a variant changes.
trait Placed {
    fn place(&self) -> usize;
}

impl Placed for usize {
    fn place(&self) -> usize {
        *self
    }
}

impl Placed for Replacement {
    fn place(&self) -> usize {
        self.place
    }
}

/// Whether operation `place` takes part in the comparison: ends and absent operations do not.
fn counted(space: &dyn Space, cell: &Cell, place: usize) -> bool {
    let role = space.vocabulary().role(cell.raw.operations[cell.places[place] as usize]);
    !matches!(role, Role::Absent | Role::Input | Role::Output)
}

/// What explanations say of the operations of every cell.
struct Said {
    critical: Vec<Vec<f64>>,
    gradient: Vec<Vec<f64>>,
    random: Vec<Vec<f64>>,
}

impl Said {
    /// Agreement with the truth, where enough cells have one.
    fn against(
        &self,
        explainer: &Explainer,
        cells: &[Cell],
        occlusion: &[Vec<f64>],
        truth: &[Option<Vec<f64>>],
    ) -> Option<Agreement> {
        if truth.iter().flatten().count() < LEAST_CELLS {
            return None;
        }
        let of = |said: &[Vec<f64>]| {
            let pairs = (cells.iter().zip(said).zip(truth)).filter_map(|((cell, said), truth)| {
                let truth = truth.as_ref()?;
                let places = (0..cell.len()).filter(|&place| counted(explainer.form.space, cell, place));
                Some(places.map(|place| (said[place], truth[place])).unzip::<f64, f64, Vec<f64>, Vec<f64>>())
            });
            let pairs: Vec<(Vec<f64>, Vec<f64>)> = pairs.collect();
            agreement(pairs.iter().map(|(said, truth)| (&said[..], &truth[..])))
        };
        Some(Agreement {
            critical: of(&self.critical),
            occlusion: of(occlusion),
            gradient: of(&self.gradient),
            random: of(&self.random),
        })
    }
}

/// Areas under deletion and insertion, by critical mass and by random numbers.
fn areas(
    explainer: &Explainer,
    cells: &[Cell],
    pool: &mut Pool,
    said: &Said,
    progress: &dyn Progress,
) -> Result<(AgainstRandom, AgainstRandom)> {
    let mut of = |said: &[Vec<f64>], deletion: bool| -> Result<f64> {
        Ok(area(&mean_curve(&explainer.curves(cells, pool, said, deletion, progress)?, POINTS)))
    };
    let deletion = AgainstRandom { critical: of(&said.critical, true)?, random: of(&said.random, true)? };
    let insertion = AgainstRandom { critical: of(&said.critical, false)?, random: of(&said.random, false)? };
    Ok((deletion, insertion))
}

impl Explainer<'_> {
    /// Spearman's correlations, with the scores of cells, of those of each cell's `critical` part (places in the text) and
    /// of what is left without it.
    fn fidelity(
        &self,
        cells: &[Cell],
        pool: &mut Pool,
        critical: &[Vec<usize>],
        progress: &dyn Progress,
    ) -> Result<(f64, f64)> {
        let form = self.form;
        let left = self.variants(cells, pool, progress, |cell, index| {
            let live = cell.live_operations(form.space);
            let redundant: Vec<usize> = live.into_iter().filter(|place| !critical[index].contains(place)).collect();
            [&redundant, &critical[index]].into_iter().map(|gone| Ok(((), cell.without(gone, form)?))).collect()
        })?;
        let full: Vec<f64> = cells.iter().map(|cell| pool.scores[cell.function as usize]).collect();
        let part = |which: usize| left.iter().map(|parts| pool.scores[parts[which].1 as usize]).collect::<Vec<f64>>();
        Ok((spearman(&part(0), &full), spearman(&part(1), &full)))
    }

    /// Scores of every cell while its live operations are taken away one after another (or put into the bare cell), the
    /// one of which most is `said` first.
    fn curves(
        &self,
        cells: &[Cell],
        pool: &mut Pool,
        said: &[Vec<f64>],
        deletion: bool,
        progress: &dyn Progress,
    ) -> Result<Vec<Vec<f64>>> {
        let form = self.form;
        let steps = self.variants(cells, pool, progress, |cell, index| {
            let places = cell.live_operations(form.space);
            let masses: Vec<f64> = places.iter().map(|&place| said[index][place]).collect();
            let order: Vec<usize> = heaviest_first(&masses).into_iter().map(|one| places[one]).collect();
            (0..=order.len())
                .map(|step| if deletion { &order[..step] } else { &order[step..] })
                .map(|gone| Ok(((), cell.without(gone, form)?)))
                .collect()
        })?;
        let scores = |steps: &Vec<((), u32)>| steps.iter().map(|step| pool.scores[step.1 as usize]).collect();
        Ok(steps.iter().map(scores).collect())
    }
}

/// Largest difference between the sorted masses of two cells of one function. Operations that are nodes of the function are
/// compared: twins differ in their identities, and in what is dead.
fn twins_difference(cells: &[Cell], masses: &[Vec<f64>], space: &dyn Space) -> f64 {
    let mut first: HashMap<u32, Vec<f64>> = HashMap::new();
    let mut largest = 0.0f64;
    for (cell, masses) in cells.iter().zip(masses) {
        let places = cell.live_operations(space).into_iter();
        let mut own: Vec<f64> =
            places.filter(|&place| cell.nodes.contains(&cell.places[place])).map(|place| masses[place]).collect();
        own.sort_by(f64::total_cmp);
        let other = first.entry(cell.function).or_insert_with(|| own.clone());
        largest = own.iter().zip(other.iter()).map(|(a, b)| (a - b).abs()).fold(largest, f64::max);
    }
    largest
}
