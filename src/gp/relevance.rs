//! How much the statistics of a cell matter, before a label is seen: those that are computed alike, or are of the same operation,
//! matter alike.
//!
//! The log weight of a feature is the common one, plus terms that it shares with others, plus a deviation of its own: a
//! hierarchical prior for automatic relevance determination. A few labels move the shared terms where they say little of single
//! features.

use crate::graph::statistics::StatisticSubject;

/// Standard deviation of the features' own log weights where they share nothing.
const INDEPENDENT: f64 = 0.6;
/// The same where they share terms.
const OWN: f64 = 0.4;
/// Standard deviation of a shared term.
const SHARED: f64 = 0.5;
/// Mean of the shared term of every kind of statistic: what up to 200 labels say on eight tables (thirteen targets). On a table that
/// is left out, the terms of the others raise the tau of 20 and 39 labels by 0.003 on average.
const MEANS: [f64; StatisticSubject::KINDS] = [
    -0.01, -0.02, -0.01, 0.0, -0.07, 0.17, 0.0, -0.05, 0.03, 0.1, // the whole graph
    -0.06, 0.15, 0.05, 0.02, 0.02, 0.08, 0.12, -0.13, // an operation
    -0.21, 0.16, -0.13, -0.15, // edges, extremes and avoiding paths of a pair
    -0.14, 0.02, 0.0, 0.17, // reachable pairs: operations; from inputs; to outputs; both
];

/// Normal priors on the features' log weights around the common one.
#[derive(Debug, Clone, PartialEq)]
pub struct Relevance {
    /// Standard deviation of a feature's own deviation.
    own: f64,
    /// For every feature, its shared terms and the factor of each.
    terms: Vec<Vec<(usize, f64)>>,
    /// Number of shared terms.
    pub shared: usize,
}

impl Relevance {
    /// Of features that share nothing.
    pub fn independent() -> Self {
        Relevance { own: INDEPENDENT, terms: Vec::new(), shared: 0 }
    }

    /// Of the statistics of `subjects` over a vocabulary of `operations`: a shared term for every kind and every operation.
    pub fn of_statistics(subjects: &[&StatisticSubject], operations: usize) -> Self {
        let terms = |subject: &&StatisticSubject| {
            let factor = (subject.operations.len() as f64).sqrt().recip();
            let of_operations =
                subject.operations.iter().map(|&id| (StatisticSubject::KINDS + usize::from(id), factor));
            [(subject.kind, 1.0)].into_iter().chain(of_operations).collect()
        };
        Relevance {
            own: OWN,
            terms: subjects.iter().map(terms).collect(),
            shared: StatisticSubject::KINDS + operations,
        }
    }

    /// Prior (mean, standard deviation) of the parameter at `index`: the shared terms, then the deviation of every feature.
    pub fn prior(&self, index: usize) -> (f64, f64) {
        match index < self.shared {
            true => (MEANS.get(index).copied().unwrap_or(0.0), SHARED),
            false => (0.0, self.own),
        }
    }

    /// Log weights of the features without the common one, `[C]`.
    pub fn log_weights(&self, parameters: &[f64]) -> Vec<f64> {
        let (shared, own) = parameters.split_at(self.shared);
        let mut weights = own.to_vec();
        for (weight, terms) in weights.iter_mut().zip(&self.terms) {
            *weight += terms.iter().map(|&(term, factor)| factor * shared[term]).sum::<f64>();
        }
        weights
    }

    /// The gradient of the parameters from that of the log weights `[C]`.
    pub fn gradient(&self, of_weights: &[f64]) -> Vec<f64> {
        let mut gradient = vec![0.0; self.shared];
        for (of_weight, terms) in of_weights.iter().zip(&self.terms) {
            terms.iter().for_each(|&(term, factor)| gradient[term] += factor * of_weight);
        }
        gradient.extend(of_weights);
        gradient
    }
}
