//! The strategy of the Gaussian process: fit what was measured, score what was not, query what looks most useful.

use super::acquisition::log_expected_improvement;
use super::baselines::evolve_one;
use super::noise::LabelNoise;
use super::pool::EvolutionSize;
use super::surrogate::{FitStart, LabelForm, Surrogate};
use super::valuation::{FittedModels, Valuation};
use super::{
    CandidatePool, History, Objective, Proposal, Query, Reason, SearchCell, SearchOptions, Strategy, draw_new,
    measured, measured_at,
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
/// Cells that get the cheapest measurement before any gets a full one.
const SCOUTED: usize = 40;
/// Cells that get a full measurement because a cheaper one was good, before a process of the full one is asked.
const STARTED: usize = 5;

/// Guided by a process of each objective.
pub struct GuidedSearch<'a> {
    pool: &'a CandidatePool<'a>,
    options: &'a SearchOptions,
    objectives: &'a [Objective],
    seed: u64,
    /// Features of the queries of the past, in their order; each [1, C].
    features: Vec<Tensor>,
    /// Parameters from which fits start, by what is fitted and number of measurements.
    starts: HashMap<(FitTarget, usize), Option<FitStart>>,
}

/// What a process is fitted to: an objective, or a cheaper measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum FitTarget {
    Objective(usize),
    Fidelity(usize),
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

    /// Fits a process to every cheaper measurement that has values, and then, with what these say of a cell as further features,
    /// one to every objective; no objective where there are too few values of one, or all are equal.
    fn fit(&mut self, past: &[Query]) -> Result<FittedModels> {
        for query in &past[self.features.len()..] {
            self.features.push(self.pool.features(std::slice::from_ref(query.cell())));
        }
        let mut models = FittedModels { cheap: Vec::new(), full: Vec::new() };
        // The cheaper measurements are of the first objective.
        for fidelity in 0..self.options.fidelities.len() {
            let values = measured_at(past, Some(fidelity), 0, self.objectives[0].sign());
            let fitted = self.fit_target(FitTarget::Fidelity(fidelity), &values, &models)?;
            models.cheap.extend(fitted.map(|surrogate| (fidelity, surrogate)));
        }
        let mut full = Vec::new();
        for (index, objective) in self.objectives.iter().enumerate() {
            let values = measured(past, index, objective.sign());
            full.extend(self.fit_target(FitTarget::Objective(index), &values, &models)?);
        }
        if full.len() == self.objectives.len() {
            models.full = full;
        }
        Ok(models)
    }

    fn fit_target(
        &mut self,
        target: FitTarget,
        values: &[(usize, f64)],
        models: &FittedModels,
    ) -> Result<Option<Surrogate>> {
        let start = self.start(target, values, models)?;
        if values.len() <= MAX_FITTED {
            return self.fit_values(target, values, models, start.as_ref());
        }
        let order = argsort_desc(&values.iter().map(|value| value.1).collect::<Vec<f64>>());
        let best: HashSet<usize> = order[..MAX_FITTED / 2].iter().copied().collect();
        let latest = values.len() - MAX_FITTED / 2;
        let kept: Vec<(usize, f64)> =
            (0..values.len()).filter(|i| *i >= latest || best.contains(i)).map(|i| values[i]).collect();
        self.fit_values(target, &kept, models, start.as_ref())
    }

    fn fit_values(
        &self,
        target: FitTarget,
        values: &[(usize, f64)],
        models: &FittedModels,
        start: Option<&FitStart>,
    ) -> Result<Option<Surrogate>> {
        // Hypervolumes are sums of products in the unit of each objective.
        let form = match target {
            FitTarget::Objective(_) if self.objectives.len() > 1 => LabelForm::Unit,
            _ => LabelForm::Ranks,
        };
        let Some(labels) = form.scale(&values.iter().map(|value| value.1).collect::<Vec<f64>>()) else {
            return Ok(None);
        };
        let rows: Vec<&Tensor> = values.iter().map(|value| &self.features[value.0]).collect();
        let mut features = Tensor::cat(&rows, 0);
        if matches!(target, FitTarget::Objective(..)) {
            features = models.augment(&features);
        }
        Surrogate::fit(features, self.pool.paths(), labels, start).map(Some)
    }

    /// Parameters from which the fit to `values` starts: those of a fit to the first of them, whose number grows in steps. So a
    /// fit depends on the past alone, and not on the fits before it.
    fn start(&mut self, target: FitTarget, values: &[(usize, f64)], models: &FittedModels) -> Result<Option<FitStart>> {
        if matches!(target, FitTarget::Objective(..)) && !self.options.fidelities.is_empty() {
            // Features change with the cheaper measurements.
            return Ok(None);
        }
        let count = checkpoint(values.len());
        if let Some(start) = self.starts.get(&(target, count)) {
            return Ok(start.clone());
        }
        let fitted = self.fit_values(target, &values[..count], models, None)?;
        let start = fitted.map(|surrogate| surrogate.start());
        self.starts.insert((target, count), start.clone());
        Ok(start)
    }

    /// Fidelities from the cheapest to the full measurement, which is none.
    fn stages(&self) -> Vec<Option<usize>> {
        let costs: Vec<f64> = self.options.fidelities.values().map(|cost| -cost).collect();
        argsort_desc(&costs).into_iter().map(Some).chain([None]).collect()
    }

    /// The cheapest measurement that `cell` does not have yet.
    fn next_stage(&self, cell: &SearchCell, history: History) -> Option<usize> {
        let past = history.past.iter().map(|query| &query.proposal).chain(history.pending);
        let known: Vec<Option<usize>> =
            past.filter(|proposal| proposal.cell.key == cell.key).map(|proposal| proposal.fidelity).collect();
        self.stages().into_iter().find(|stage| !known.contains(stage)).flatten()
    }

    /// At most `count` cells to query next and how useful each looks.
    ///
    /// # Errors
    /// A process that cannot be fitted.
    pub fn suggest(&mut self, history: History, count: usize) -> Result<Vec<Suggestion>> {
        let mut random = Random::of(self.seed, Purpose::Search, 1, history.len() as u64);
        let mut models = self.fit(history.past)?;
        let scouting = self.is_scouting(history, &models);
        if scouting {
            // The cheapest measurement stands for the objective.
            let first = self.stages()[0];
            models.full =
                models.cheap.into_iter().filter(|entry| Some(entry.0) == first).map(|entry| entry.1).collect();
            models.cheap = Vec::new();
        }
        let mut seen = if scouting { history.keys_at(self.stages()[0]) } else { history.keys() };
        if !scouting && !models.cheap.is_empty() && history.keys().len() < STARTED {
            return Ok(self.start_full(&models.cheap[0].1, history, count));
        }
        if models.full.is_empty() {
            let drawn = draw_new(self.pool, count, &mut seen, &mut random)?;
            let unvalued = |cell| Suggestion {
                proposal: Proposal { cell, reason: Reason::Drawn, fidelity: self.stages()[0] },
                utility: None,
            };
            return Ok(drawn.into_iter().map(unvalued).collect());
        }
        if models.full.iter().any(|surrogate| surrogate.labels().len() >= JUDGED && !surrogate.beats_chance()) {
            return self.evolve(history, count, &mut random);
        }
        let valuation = Valuation::new(models, self.options.exploration, &mut random);
        let size = SHORTLIST.max(2 * count);
        let (mut cells, features) = self.shortlist(&valuation, size, history.past, &seen, &mut random)?;
        if cells.is_empty() {
            return Ok(Vec::new());
        }
        let open = cells.len();
        let under_way = history.pending.iter().filter(|proposal| scouting || proposal.fidelity.is_none());
        let pending: Vec<SearchCell> = under_way.map(|proposal| proposal.cell.clone()).collect();
        let features = match pending.is_empty() {
            true => features,
            false => Tensor::cat(&[features, self.pool.features(&pending)], 0),
        };
        let mut suggestions = if scouting { Vec::new() } else { self.twins(&valuation, history, &mut random) };
        suggestions.sort_by(|a, b| b.utility.unwrap_or_default().total_cmp(&a.utility.unwrap_or_default()));
        suggestions.truncate(count);
        for (index, utility) in valuation.choose(&features, open, count) {
            let cell = std::mem::replace(&mut cells[index], empty());
            let fidelity = self.next_stage(&cell, history);
            let proposal = Proposal { cell, reason: Reason::Proposed, fidelity };
            suggestions.push(Suggestion { proposal, utility: Some(utility) });
        }
        // A stable order: new functions in the order of their choice.
        suggestions.sort_by(|a, b| b.utility.unwrap_or_default().total_cmp(&a.utility.unwrap_or_default()));
        suggestions.truncate(count);
        Ok(suggestions)
    }

    /// Rows of a catalog that compute a function which was measured as another row: with noisy labels, such a twin may be the
    /// better measurement. One row per function.
    fn twins(&self, valuation: &Valuation, history: History, random: &mut Random) -> Vec<Suggestion> {
        let ([surrogate], Some(catalog)) = (valuation.models.full.as_slice(), self.pool.catalog()) else {
            return Vec::new();
        };
        let values = measured(history.past, 0, 1.0);
        if values.len() != surrogate.labels().len() {
            return Vec::new();
        }
        let index_of = |query: usize| catalog.index_of(&history.past[query].cell().key);
        let functions: Vec<Option<usize>> = values.iter().map(|value| index_of(value.0)).collect();
        let noise = LabelNoise::of(surrogate, &functions);
        let texts = history.texts();
        let pending: HashSet<&Key> = history.pending.iter().map(|proposal| &proposal.cell.key).collect();
        let mut found = Vec::new();
        for (&function, worth) in &noise.worth(surrogate, &functions) {
            let open = |row: &&u32| !texts.contains(&catalog.texts[**row as usize]);
            let open: Vec<u32> = catalog.rows[function].iter().filter(open).copied().collect();
            if open.is_empty() || pending.contains(&catalog.cells[function].key) {
                continue;
            }
            let cell = catalog.cell(open[random.below(open.len())] as usize);
            let utility = log_expected_improvement(worth.mean, worth.variance, noise.twins, surrogate.best());
            found.push(Suggestion { proposal: Proposal::full(cell, Reason::Proposed), utility: Some(utility) });
        }
        found
    }

    /// Full measurements of the cells that are best by a cheaper one.
    fn start_full(&self, cheap: &Surrogate, history: History, count: usize) -> Vec<Suggestion> {
        let taken = history.keys();
        let fidelity = history.past.iter().filter(|query| query.answer.is_ok() && !query.is_full());
        let cells: Vec<&SearchCell> = fidelity.map(Query::cell).filter(|cell| !taken.contains(&cell.key)).collect();
        if cells.is_empty() {
            return Vec::new();
        }
        let features = Tensor::cat(
            &cells.iter().map(|&cell| self.pool.features(std::slice::from_ref(cell))).collect::<Vec<_>>(),
            0,
        );
        let mut seen = HashSet::new();
        let order = argsort_desc(&cheap.mean(&features)).into_iter().filter(|&index| seen.insert(&cells[index].key));
        let proposal = |index: usize| Proposal::full(cells[index].clone(), Reason::Proposed);
        order.take(count).map(|index| Suggestion { proposal: proposal(index), utility: None }).collect()
    }

    /// Whether only the cheapest measurement is asked for yet.
    fn is_scouting(&self, history: History, models: &FittedModels) -> bool {
        let [Some(first), ..] = self.stages()[..] else { return false };
        let count = measured_at(history.past, Some(first), 0, 1.0).len();
        // Without a model of it there is nothing to go by.
        count < SCOUTED && !models.cheap.is_empty()
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
        Ok((cells, features.index_select(0, &Tensor::from_slice(&rows).to_device(self.pool.device()))))
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
    fn first_fidelity(&self) -> Option<usize> {
        self.stages()[0]
    }

    fn propose(&mut self, history: History, count: usize) -> Result<Vec<Proposal>> {
        Ok(self.suggest(history, count)?.into_iter().map(|suggestion| suggestion.proposal).collect())
    }
}
