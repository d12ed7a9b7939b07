//! The strategy of the Gaussian process: fit what was measured, score what was not, query what looks most useful.

use super::acquisition::{ConditionalVariance, choose_batch, improvements};
use super::baselines::evolve_one;
use super::pareto::Reach;
use super::pool::EvolutionSize;
use super::surrogate::{JointPosterior, LabelForm, Surrogate};
use super::{
    CandidatePool, History, Objective, Proposal, Query, Reason, SearchCell, SearchOptions, Strategy, draw_new, measured,
};
use crate::error::Result;
use crate::graph::Key;
use crate::metrics::argsort_desc;
use crate::random::{Purpose, Random};
use std::collections::{HashMap, HashSet};
use tch::Tensor;

/// Candidates that are looked at together.
const SHORTLIST: usize = 512;
/// Measured cells that a process is fitted to, at most: half of them the best, the others the latest.
const MAX_FITTED: usize = 1000;
/// Measured cells from which on the process has to predict better than chance.
const JUDGED: usize = 30;

/// Guided by a process of each objective.
pub struct GuidedSearch<'a> {
    pool: &'a CandidatePool<'a>,
    options: &'a SearchOptions,
    objectives: &'a [Objective],
    seed: u64,
    /// Features of the queries of the past, in their order.
    features: Vec<Vec<f64>>,
    /// Parameters from which fits start, by objective and number of measurements.
    starts: HashMap<(usize, usize), Option<Vec<f64>>>,
}

/// A cell that is worth a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// The proposal.
    pub proposal: Proposal,
    /// Logarithm of the expected improvement in standard deviations of the labels, or the gain in hypervolume; none for a
    /// cell that no process has chosen.
    pub utility: Option<f64>,
}

impl<'a> GuidedSearch<'a> {
    /// A search of `pool`.
    pub fn new(
        pool: &'a CandidatePool<'a>,
        options: &'a SearchOptions,
        objectives: &'a [Objective],
        seed: u64,
    ) -> Self {
        GuidedSearch { pool, options, objectives, seed, features: Vec::new(), starts: HashMap::new() }
    }

    fn form(&self) -> LabelForm {
        if self.objectives.len() > 1 { LabelForm::Unit } else { LabelForm::Ranks }
    }

    /// Fits a process to every objective; none where there are too few values, or all are equal.
    fn fit(&mut self, past: &[Query]) -> Result<Option<Vec<Surrogate>>> {
        for query in &past[self.features.len()..] {
            self.features.push(self.pool.encoder().features(query.cell()));
        }
        let mut fitted = Vec::new();
        for (index, objective) in self.objectives.iter().enumerate() {
            let mut values = measured(past, index, objective.sign());
            let start = self.start(index, &values)?;
            if values.len() > MAX_FITTED {
                let order = argsort_desc(&values.iter().map(|value| value.1).collect::<Vec<f64>>());
                let best: HashSet<usize> = order[..MAX_FITTED / 2].iter().copied().collect();
                let latest = values.len() - MAX_FITTED / 2;
                values = (0..values.len()).filter(|i| *i >= latest || best.contains(i)).map(|i| values[i]).collect();
            }
            match self.fit_values(&values, start.as_deref())? {
                Some(surrogate) => fitted.push(surrogate),
                None => return Ok(None),
            }
        }
        Ok(Some(fitted))
    }

    fn fit_values(&self, values: &[(usize, f64)], start: Option<&[f64]>) -> Result<Option<Surrogate>> {
        let Some(labels) = self.form().scale(&values.iter().map(|value| value.1).collect::<Vec<f64>>()) else {
            return Ok(None);
        };
        let features: Vec<Vec<f64>> = values.iter().map(|value| self.features[value.0].clone()).collect();
        Surrogate::fit(self.pool.standardised(&features), labels, start).map(Some)
    }

    /// Parameters from which the fit to `values` starts: those of a fit to the first of them, whose number grows in steps. So a
    /// fit depends on the past alone, and not on the fits before it.
    fn start(&mut self, objective: usize, values: &[(usize, f64)]) -> Result<Option<Vec<f64>>> {
        let count = checkpoint(values.len());
        if let Some(start) = self.starts.get(&(objective, count)) {
            return Ok(start.clone());
        }
        let start = self.fit_values(&values[..count], None)?.map(|surrogate| surrogate.parameters());
        self.starts.insert((objective, count), start.clone());
        Ok(start)
    }

    /// At most `count` cells to query next and how useful each looks.
    ///
    /// # Errors
    /// A process that cannot be fitted.
    pub fn suggest(&mut self, history: History, count: usize) -> Result<Vec<Suggestion>> {
        let mut seen = history.keys();
        let mut random = Random::of(self.seed, Purpose::Search, 1, history.len() as u64);
        let Some(surrogates) = self.fit(history.past)? else {
            let drawn = draw_new(self.pool, count, &mut seen, &mut random)?;
            let unvalued = |cell| Suggestion { proposal: Proposal::full(cell, Reason::Drawn), utility: None };
            return Ok(drawn.into_iter().map(unvalued).collect());
        };
        if surrogates.iter().any(|surrogate| surrogate.labels().len() >= JUDGED && !surrogate.beats_chance()) {
            return self.evolve(history, count, &mut random);
        }
        let valuation = Valuation::new(surrogates, self.options.exploration, &mut random);
        let size = SHORTLIST.max(2 * count);
        let (mut cells, features) = self.shortlist(&valuation, size, history.past, &seen, &mut random)?;
        if cells.is_empty() {
            return Ok(Vec::new());
        }
        let open = cells.len();
        let pending: Vec<SearchCell> = history.pending.iter().map(|proposal| proposal.cell.clone()).collect();
        let features = match pending.is_empty() {
            true => features,
            false => Tensor::cat(&[features, self.pool.features(&pending)], 0),
        };
        let chosen = valuation.choose(&features, open, count);
        let suggestion = |(index, utility): (usize, f64)| Suggestion {
            proposal: Proposal::full(std::mem::replace(&mut cells[index], empty()), Reason::Proposed),
            utility: Some(utility),
        };
        Ok(chosen.into_iter().map(suggestion).collect())
    }

    /// Mutants of good cells, where the process knows nothing.
    fn evolve(&self, history: History, count: usize, random: &mut Random) -> Result<Vec<Suggestion>> {
        let mut pending = history.pending.to_vec();
        let mut found = Vec::new();
        while found.len() < count {
            let history = History { past: history.past, pending: &pending };
            let Some(cell) = evolve_one(self.pool, &self.objectives[0], history, random)? else { break };
            let proposal = Proposal::full(cell, Reason::Evolved);
            pending.push(proposal.clone());
            found.push(Suggestion { proposal, utility: None });
        }
        Ok(found)
    }

    /// The candidates that look most useful on their own, as cells and as features [m, C].
    fn shortlist(
        &self,
        valuation: &Valuation,
        size: usize,
        past: &[Query],
        seen: &HashSet<Key>,
        random: &mut Random,
    ) -> Result<(Vec<SearchCell>, Tensor)> {
        let Some(catalog) = self.pool.catalog() else {
            let size = EvolutionSize { candidates: self.options.candidates.max(size), best: size };
            let cells = self.pool.evolve(&|features| Ok(valuation.values(features)), size, past, seen, random)?;
            let features = self.pool.features(&cells);
            return Ok((cells, features));
        };
        let features = catalog.features();
        let values = valuation.values(&features);
        let mut open: Vec<bool> = catalog.rows.iter().map(|rows| !rows.is_empty()).collect();
        seen.iter().filter_map(|key| catalog.index_of(key)).for_each(|index| open[index] = false);
        let indices: Vec<usize> = argsort_desc(&values).into_iter().filter(|&index| open[index]).take(size).collect();
        let cells = indices.iter().map(|&index| catalog.pick(index, random)).collect();
        let rows: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
        Ok((cells, features.index_select(0, &Tensor::from_slice(&rows))))
    }
}

fn empty() -> SearchCell {
    SearchCell { text: String::new(), graph: Default::default(), written: Vec::new(), key: Box::default() }
}

/// The largest step of a sequence that grows by a fifth, up to `count`.
fn checkpoint(count: usize) -> usize {
    let next = |step: usize| step + (step / 5).max(2);
    let mut step = 8;
    while next(step) <= count && step < MAX_FITTED / 2 {
        step = next(step);
    }
    step.min(count)
}

impl Strategy for GuidedSearch<'_> {
    fn propose(&mut self, history: History, count: usize) -> Result<Vec<Proposal>> {
        Ok(self.suggest(history, count)?.into_iter().map(|suggestion| suggestion.proposal).collect())
    }
}

/// How candidates are valued: by the one objective, or by the hypervolume that they may add.
struct Valuation {
    surrogates: Vec<Surrogate>,
    exploration: f64,
    reach: Option<Reach>,
}

impl Valuation {
    fn new(surrogates: Vec<Surrogate>, exploration: f64, random: &mut Random) -> Self {
        let reach = (surrogates.len() > 1).then(|| {
            let lowest = |s: &Surrogate| s.labels().iter().copied().fold(f64::INFINITY, f64::min) - 0.1;
            let points: Vec<Vec<f64>> = (0..surrogates[0].labels().len())
                .map(|index| surrogates.iter().map(|surrogate| surrogate.labels()[index]).collect())
                .collect();
            Reach::new(&points, surrogates.iter().map(lowest).collect(), random)
        });
        Valuation { surrogates, exploration, reach }
    }

    /// The value of each cell with `features` [m, C] on its own.
    fn values(&self, features: &Tensor) -> Vec<f64> {
        let posteriors: Vec<_> = self.surrogates.iter().map(|surrogate| surrogate.marginal(features)).collect();
        let Some(reach) = &self.reach else {
            return improvements(&posteriors[0], self.surrogates[0].best());
        };
        let optimistic = |index: usize| -> Vec<f64> {
            posteriors.iter().map(|posterior| posterior.mean[index] + self.exploration * posterior.std[index]).collect()
        };
        (0..posteriors[0].mean.len()).map(|index| reach.gain(&optimistic(index))).collect()
    }

    /// Indices and values of at most `count` of the first `cells` cells to query together; those behind are under way.
    fn choose(mut self, features: &Tensor, cells: usize, count: usize) -> Vec<(usize, f64)> {
        let posteriors: Vec<JointPosterior> =
            self.surrogates.iter().map(|surrogate| surrogate.joint(features)).collect();
        let Some(reach) = &mut self.reach else {
            return choose_batch(&posteriors[0], cells, self.surrogates[0].best(), count);
        };
        let mut variances: Vec<ConditionalVariance> = posteriors.iter().map(ConditionalVariance::new).collect();
        let mut chosen: Vec<(usize, f64)> = Vec::new();
        let mut take = |reach: &mut Reach, variances: &mut Vec<ConditionalVariance>, index: usize| {
            reach.add(&posteriors.iter().map(|posterior| posterior.mean[index]).collect::<Vec<f64>>());
            variances.iter_mut().for_each(|variance| variance.measure(index));
        };
        (cells..posteriors[0].mean.len()).for_each(|index| take(reach, &mut variances, index));
        while chosen.len() < count.min(cells) {
            let optimistic = |index: usize| -> Vec<f64> {
                let std = |variance: &ConditionalVariance| variance.variance[index].max(0.0).sqrt();
                let both = posteriors.iter().zip(&variances);
                both.map(|(posterior, variance)| posterior.mean[index] + self.exploration * std(variance)).collect()
            };
            let gains: Vec<f64> = (0..cells).map(|index| reach.gain(&optimistic(index))).collect();
            let open = |index: &usize| chosen.iter().all(|(other, _)| other != index);
            let next = argsort_desc(&gains).into_iter().find(open).expect("fewer are chosen than there are");
            take(reach, &mut variances, next);
            chosen.push((next, gains[next]));
        }
        chosen
    }
}
