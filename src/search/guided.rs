//! The predictor's strategy: fit what was measured, score what was not, query what looks most useful.

use super::acquisition::{Doubt, choose, utility};
use super::pareto::Reach;
use super::surrogate::{Batch, Fitted, Joint, Surrogate};
use super::{Cell, Objective, Pool, Query, Strategy, draw_new, measured};
use crate::config::{Config, SearchOptions};
use crate::error::Result;
use crate::graph::Key;
use crate::metrics::{argsort_desc, standardised};
use crate::normal::scores;
use crate::device::Machine;
use crate::random::{Purpose, Random};
use std::borrow::Cow;
use std::collections::HashSet;
use tch::Tensor;

/// Candidates that are looked at together.
const SHORTLIST: usize = 512;

/// Guided by a surrogate of each objective.
pub struct Guided<'a> {
    pool: &'a Pool<'a>,
    options: &'a SearchOptions,
    objectives: &'a [Objective],
    seed: u64,
    surrogates: Vec<Surrogate<'a>>,
    statistics: Vec<Vec<f64>>,
}

/// Surrogates that are fitted to the past, and the past on their scale.
pub struct Insight {
    /// One an objective.
    pub fitted: Vec<Fitted>,
    /// Normal scores of the queries that have a value, one list an objective; more is better.
    pub scores: Vec<Vec<f64>>,
}

impl<'a> Guided<'a> {
    /// With the options and model of `config`.
    ///
    /// # Errors
    /// A vocabulary without an output.
    pub fn new(
        config: &'a Config,
        pool: &'a Pool<'a>,
        objectives: &'a [Objective],
        machine: Machine,
        seed: u64,
    ) -> Result<Self> {
        let vocabulary = pool.space().vocabulary();
        let surrogates =
            objectives.iter().map(|_| Surrogate::new(config, vocabulary, machine, seed)).collect::<Result<_>>()?;
        Ok(Guided { pool, options: &config.search, objectives, seed, surrogates, statistics: Vec::new() })
    }

    /// Fits every objective to the past; none where there are too few values, or all are equal.
    ///
    /// # Errors
    /// A surrogate that cannot be fitted.
    pub fn fit(&mut self, past: &[Query]) -> Result<Option<Insight>> {
        for query in &past[self.statistics.len()..] {
            self.statistics.push(self.pool.statistics(&query.cell));
        }
        let places: Vec<usize> = measured(past, 0, 1.0).into_iter().map(|(place, _)| place).collect();
        let mut all_scores = Vec::new();
        for (number, objective) in self.objectives.iter().enumerate() {
            let values: Vec<f64> =
                measured(past, number, objective.sign()).into_iter().map(|(_, value)| value).collect();
            match if self.objectives.len() > 1 { standardised(&values) } else { scores(&values) } {
                Some(scored) if values.len() > 2 => all_scores.push(scored),
                _ => return Ok(None),
            }
        }
        let statistics: Vec<Vec<f64>> = places.iter().map(|&place| self.statistics[place].clone()).collect();
        let graphs = places.iter().map(|&place| past[place].cell.graph.clone()).collect();
        let known = Batch { features: self.pool.scaler().apply(&statistics), graphs: Cow::Owned(graphs) };
        let others = self.others(past)?;
        let fitted = self.surrogates.iter_mut().zip(&all_scores);
        let fitted = fitted.map(|(surrogate, labels)| surrogate.fit(&known, labels, &others)).collect::<Result<_>>()?;
        Ok(Some(Insight { fitted, scores: all_scores }))
    }

    /// Cells that nothing is known of, for the network's teacher.
    fn others(&self, past: &[Query]) -> Result<Batch<'a>> {
        if let Some(catalog) = self.pool.catalog() {
            return Ok(Batch { features: catalog.features(), graphs: Cow::Borrowed(&catalog.architectures.functions) });
        }
        let mut random = Random::of(self.seed, Purpose::Search, 2, past.len() as u64);
        let drawn = draw_new(self.pool, 2 * SHORTLIST, &mut HashSet::new(), &mut random)?;
        Ok(self.pool.batch(&drawn))
    }

    /// The candidates that look most useful on their own, as cells and as a batch.
    fn shortlist(
        &self,
        value: &dyn Fn(&Batch) -> Result<Vec<f64>>,
        past: &[Query],
        seen: &HashSet<Key>,
        random: &mut Random,
    ) -> Result<(Vec<Cell>, Batch<'a>)> {
        let Some(catalog) = self.pool.catalog() else {
            let sizes = (self.options.candidates, SHORTLIST);
            let cells = self.pool.evolve(value, sizes, past, seen, random)?;
            let batch = self.pool.batch(&cells);
            return Ok((cells, batch));
        };
        let features = catalog.features();
        let all = Batch { features: features.shallow_clone(), graphs: Cow::Borrowed(&catalog.architectures.functions) };
        let values = value(&all)?;
        let mut open: Vec<bool> = catalog.rows.iter().map(|rows| !rows.is_empty()).collect();
        seen.iter().filter_map(|key| catalog.function(key)).for_each(|function| open[function] = false);
        let functions: Vec<usize> =
            argsort_desc(&values).into_iter().filter(|&function| open[function]).take(SHORTLIST).collect();
        let cells: Vec<Cell> = functions.iter().map(|&function| catalog.pick(function, random)).collect();
        let rows: Vec<i64> = functions.iter().map(|&function| function as i64).collect();
        let graphs = cells.iter().map(|cell| cell.graph.clone()).collect();
        Ok((
            cells,
            Batch { features: features.index_select(0, &Tensor::from_slice(&rows)), graphs: Cow::Owned(graphs) },
        ))
    }
}

impl Strategy for Guided<'_> {
    fn propose(&mut self, past: &[Query], count: usize) -> Result<Vec<Cell>> {
        let mut seen: HashSet<Key> = past.iter().map(|query| query.cell.key.clone()).collect();
        let mut random = Random::of(self.seed, Purpose::Search, 1, past.len() as u64);
        let Some(insight) = self.fit(past)? else {
            return draw_new(self.pool, count, &mut seen, &mut random);
        };
        let view = View::new(&insight, self.options, &mut random);
        let (cells, batch) = self.shortlist(&|batch| Ok(view.value(batch)), past, &seen, &mut random)?;
        if cells.is_empty() {
            return Ok(Vec::new());
        }
        let chosen = view.choose(&batch, count, &mut random);
        Ok(chosen.into_iter().map(|place| cells[place].clone()).collect())
    }
}

/// How candidates are valued: by the one objective, or by the hypervolume that they may add.
struct View<'a> {
    insight: &'a Insight,
    options: &'a SearchOptions,
    reach: Option<Reach>,
}

impl<'a> View<'a> {
    fn new(insight: &'a Insight, options: &'a SearchOptions, random: &mut Random) -> Self {
        let reach = (insight.scores.len() > 1).then(|| {
            let lowest = |scores: &Vec<f64>| scores.iter().copied().fold(f64::INFINITY, f64::min) - 0.1;
            let points: Vec<Vec<f64>> = (0..insight.scores[0].len())
                .map(|place| insight.scores.iter().map(|scores| scores[place]).collect())
                .collect();
            Reach::new(&points, insight.scores.iter().map(lowest).collect(), random)
        });
        View { insight, options, reach }
    }

    fn best(&self) -> f64 {
        self.insight.scores[0].iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    fn value(&self, batch: &Batch) -> Vec<f64> {
        let beliefs: Vec<_> = self.insight.fitted.iter().map(|fitted| fitted.marginal(batch)).collect();
        let Some(reach) = &self.reach else {
            return utility(self.options.acquisition, self.options.exploration, &beliefs[0], self.best());
        };
        let hope = |place: usize| -> Vec<f64> {
            beliefs.iter().map(|b| b.mean[place] + self.options.exploration * b.deviation[place]).collect()
        };
        (0..beliefs[0].mean.len()).map(|place| reach.gain(&hope(place))).collect()
    }

    fn choose(mut self, batch: &Batch, count: usize, random: &mut Random) -> Vec<usize> {
        let beliefs: Vec<Joint> = self.insight.fitted.iter().map(|fitted| fitted.joint(batch)).collect();
        let best = self.best();
        let Some(reach) = &mut self.reach else {
            return choose(self.options.acquisition, self.options.exploration, &beliefs[0], best, count, random);
        };
        let cells = beliefs[0].mean.len();
        let mut doubts: Vec<Doubt> = beliefs.iter().map(Doubt::new).collect();
        let mut chosen: Vec<usize> = Vec::new();
        while chosen.len() < count.min(cells) {
            let hope = |place: usize| -> Vec<f64> {
                let parts = beliefs.iter().zip(&doubts);
                parts
                    .map(|(belief, doubt)| {
                        belief.mean[place] + self.options.exploration * doubt.variance[place].max(0.0).sqrt()
                    })
                    .collect()
            };
            let gains: Vec<f64> = (0..cells).map(|place| reach.gain(&hope(place))).collect();
            let next = argsort_desc(&gains).into_iter().find(|place| !chosen.contains(place));
            let next = next.expect("fewer are chosen than there are");
            reach.add(&beliefs.iter().map(|belief| belief.mean[next]).collect::<Vec<f64>>());
            doubts.iter_mut().for_each(|doubt| doubt.measure(next));
            chosen.push(next);
        }
        chosen
    }
}
