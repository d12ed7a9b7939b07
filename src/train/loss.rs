//! The loss terms, one value per member, `[E]`.
//!
//! L = L(critical) + w_int mean_j L(z_.j) + w_red mean_i s(r_i)^2 + L_distillation, where z_ij is the score of critical part i
//! paired with redundant part j (CARL, ICCV 2025) and s(r_i) the score of redundant part i alone. L itself is a weighted sum of
//! a ranking loss and a squared error on standardised labels; L_distillation ranks unlabelled cells in the order of a Gaussian
//! process. No term couples two members, so the sum over members has each member's own gradient.

use super::options::{LossOptions, Partners};
use crate::model::{Carl, Representations};
use tch::{Kind, Tensor};

/// Names of the terms, in the order of [`LossTerms::stack`].
pub const TERMS: [&str; 5] = ["loss", "critical", "intervention", "redundant", "distillation"];

/// The terms of one step, each `[E]`; terms that are switched off are 0.
pub struct LossTerms {
    /// The weighted sum that is minimised.
    pub total: Tensor,
    /// L of the critical part alone.
    pub critical: Tensor,
    /// Mean over partners of L of the pairs.
    pub intervention: Tensor,
    /// Mean square of the redundant part's score.
    pub redundant: Tensor,
    /// Ranking loss of unlabelled cells, times its weight.
    pub distillation: Tensor,
}

impl LossTerms {
    /// All terms, detached from the autograd graph, [E, 5].
    pub fn stack(&self) -> Tensor {
        let terms = [&self.total, &self.critical, &self.intervention, &self.redundant, &self.distillation];
        Tensor::stack(&terms, 1).detach()
    }
}

/// Unlabelled cells in the order of the Gaussian process.
pub struct Distillation<'a> {
    /// The members' scores, [E, U].
    pub scores: Tensor,
    /// The process's scores, [E, U].
    pub targets: &'a Tensor,
    /// The weight of the term for each member, `[E]`.
    pub weights: &'a Tensor,
}

/// All terms for standardised `labels` [E, B].
pub fn loss_terms(
    model: &Carl,
    parts: &Representations,
    labels: &Tensor,
    distillation: Option<&Distillation>,
    options: &LossOptions,
) -> LossTerms {
    let labels = labels.unsqueeze(1); // [E, 1, B]
    let pairs = ordered_pairs(&labels);
    let zero = || labels.zeros_like().sum_dim_intlist([1i64, 2].as_slice(), false, None::<Kind>);
    let critical = objective(&model.head.forward(&parts.critical).unsqueeze(1), &labels, &pairs, options);
    let intervention = match options.intervention > 0.0 {
        true => {
            let batch = labels.size()[2];
            let count = match options.partners {
                Partners::All => batch,
                Partners::Some(count) => batch.min(count as i64),
            };
            // Batches are drawn at random, so their first cells are partners drawn at random.
            let partners = parts.redundant.narrow(1, 0, count);
            objective(&model.intervention.pairs(&parts.critical, &partners), &labels, &pairs, options)
        }
        false => zero(),
    };
    let redundant = match options.redundant > 0.0 {
        true => mean_square(&model.redundant_head.forward(&parts.redundant)),
        false => zero(),
    };
    let distillation = match distillation {
        Some(Distillation { scores, targets, weights }) => {
            ranking(&scores.unsqueeze(1), &ordered_pairs(&targets.unsqueeze(1))) * *weights
        }
        None => zero(),
    };
    let total = &critical + &distillation + &intervention * options.intervention + &redundant * options.redundant;
    LossTerms { total, critical, intervention, redundant, distillation }
}

/// Weighted sum of ranking loss and squared error for scores [E, K, B] and labels [E, 1, B], mean over K.
fn objective(scores: &Tensor, labels: &Tensor, pairs: &Tensor, options: &LossOptions) -> Tensor {
    let mut sum = None;
    if options.ranking > 0.0 {
        sum = Some(ranking(scores, pairs) * options.ranking);
    }
    if options.regression > 0.0 {
        let error = (scores - labels).square().mean_dim([1i64, 2].as_slice(), false, None::<Kind>) * options.regression;
        sum = Some(sum.map_or(error.shallow_clone(), |ranking| ranking + error));
    }
    sum.expect("a checked configuration has one of the two")
}

/// 1 for each ordered pair of cells of which the first has the higher label, labels [E, 1, B] -> [E, 1, B, B].
pub fn ordered_pairs(labels: &Tensor) -> Tensor {
    labels.unsqueeze(-1).gt_tensor(&labels.unsqueeze(-2)).to_kind(labels.kind())
}

/// Pairwise logistic ranking loss, log(1 + exp(-(s_i - s_j))) averaged over y_i > y_j; scores [E, K, B] -> `[E]`, mean over K.
pub fn ranking(scores: &Tensor, pairs: &Tensor) -> Tensor {
    let below = scores.unsqueeze(-2) - scores.unsqueeze(-1); // [E, K, B, B]: s_j - s_i
    let losses = (below.softplus() * pairs).sum_dim_intlist([2i64, 3].as_slice(), false, None::<Kind>); // [E, K]
    let count = pairs.sum_dim_intlist([2i64, 3].as_slice(), false, None::<Kind>).clamp_min(1.0); // [E, 1]
    (losses / count).mean_dim([1i64].as_slice(), false, None::<Kind>)
}

/// Mean square, [E, B] -> `[E]`.
pub fn mean_square(scores: &Tensor) -> Tensor {
    scores.square().mean_dim([1i64].as_slice(), false, None::<Kind>)
}
