//! Loss terms, one value a member, `[E]`.
//!
//! L = L(critical), with these added, each times its weight: the mean over partners j of L(z_.j), the mean over cells of
//! the square of the redundant part's score, the mean over cells of Var_j z_ij, and the ranking of unlabelled cells in a
//! teacher's order. L itself is ranking and squared error on standardised labels, each times its weight. Members do not
//! meet in any term, so that the sum over members has each member's own gradient.

use crate::config::{LossOptions, Partners};
use crate::model::{Carl, Representations};
use tch::{Kind, Tensor};

/// Names of the terms, in the order of [`Terms::stack`].
pub const TERMS: [&str; 6] = ["loss", "critical", "intervention", "redundant", "variance", "distillation"];

/// The terms of one step, each `[E]`; terms that are switched off are 0.
pub struct Terms {
    /// The weighted sum that is minimised.
    pub total: Tensor,
    /// L of the critical part alone.
    pub critical: Tensor,
    /// Mean over partners of L of the pairs.
    pub intervention: Tensor,
    /// Mean square of the redundant part's score.
    pub redundant: Tensor,
    /// Mean over cells of the variance over partners.
    pub variance: Tensor,
    /// Ranking of unlabelled cells in the order of the teacher, times its weight.
    pub distillation: Tensor,
}

impl Terms {
    /// All terms without their graph, [E, 6].
    pub fn stack(&self) -> Tensor {
        let terms =
            [&self.total, &self.critical, &self.intervention, &self.redundant, &self.variance, &self.distillation];
        Tensor::stack(&terms, 1).detach()
    }
}

/// Unlabelled cells in the order of a teacher.
pub struct Lesson<'a> {
    /// Scores, [E, U].
    pub scores: Tensor,
    /// The teacher's, [E, U].
    pub targets: &'a Tensor,
    /// What the lesson counts for each member, `[E]`.
    pub weights: &'a Tensor,
}

/// All terms for standardised `labels` [E, B].
pub fn terms(
    model: &Carl,
    parts: &Representations,
    labels: &Tensor,
    lesson: Option<&Lesson>,
    options: &LossOptions,
) -> Terms {
    let beside = parts.beside.as_ref();
    let labels = labels.unsqueeze(1); // [E, 1, B]
    let better = better(&labels);
    let zero = || labels.zeros_like().sum_dim_intlist([1i64, 2].as_slice(), false, None::<Kind>);
    let critical = objective(&model.head.forward(&parts.critical, beside).unsqueeze(1), &labels, &better, options);
    let (mut intervention, mut variance) = (zero(), zero());
    if options.intervention > 0.0 || options.variance > 0.0 {
        let batch = labels.size()[2];
        let count = match options.partners {
            Partners::All => batch,
            Partners::Some(count) => batch.min(count as i64),
        };
        // Batches are drawn at random, so their first cells are partners drawn at random.
        let partners = parts.redundant.narrow(1, 0, count);
        let pairs = model.intervention.pairs(&parts.critical, beside, &partners); // [E, K, B]
        if options.intervention > 0.0 {
            intervention = objective(&pairs, &labels, &better, options);
        }
        if options.variance > 0.0 {
            variance = partner_variance(&pairs);
        }
    }
    let redundant = match options.redundant > 0.0 {
        true => mean_square(&model.redundant_head.forward(&parts.redundant, None)),
        false => zero(),
    };
    let distillation = match lesson {
        Some(lesson) => {
            ranking(&lesson.scores.unsqueeze(1), &self::better(&lesson.targets.unsqueeze(1))) * lesson.weights
        }
        None => zero(),
    };
    let total = &critical
        + &distillation
        + &intervention * options.intervention
        + &redundant * options.redundant
        + &variance * options.variance;
    Terms { total, critical, intervention, redundant, variance, distillation }
}

/// Weighted sum of ranking and regression for scores [E, K, B], labels [E, 1, B]; mean over K.
fn objective(scores: &Tensor, labels: &Tensor, better: &Tensor, options: &LossOptions) -> Tensor {
    let mut sum = None;
    if options.ranking > 0.0 {
        sum = Some(ranking(scores, better) * options.ranking);
    }
    if options.regression > 0.0 {
        let error = (scores - labels).square().mean_dim([1i64, 2].as_slice(), false, None::<Kind>) * options.regression;
        sum = Some(sum.map_or(error.shallow_clone(), |ranking| ranking + error));
    }
    sum.expect("a checked configuration has one of the two")
}

/// 1 where the first cell's label is higher, [E, 1, B, B].
pub fn better(labels: &Tensor) -> Tensor {
    labels.unsqueeze(-1).gt_tensor(&labels.unsqueeze(-2)).to_kind(labels.kind())
}

/// Pairwise logistic ranking, log(1 + exp(-(s_i - s_j))) averaged over y_i > y_j; scores [E, K, B] -> `[E]`, mean over K.
pub fn ranking(scores: &Tensor, better: &Tensor) -> Tensor {
    let below = scores.unsqueeze(-2) - scores.unsqueeze(-1); // [E, K, B, B]: s_j - s_i
    let losses = (below.softplus() * better).sum_dim_intlist([2i64, 3].as_slice(), false, None::<Kind>); // [E, K]
    let pairs = better.sum_dim_intlist([2i64, 3].as_slice(), false, None::<Kind>).clamp_min(1.0); // [E, 1]
    (losses / pairs).mean_dim([1i64].as_slice(), false, None::<Kind>)
}

/// Mean over cells of the variance over partners, pairs [E, K, B] -> `[E]`.
pub fn partner_variance(pairs: &Tensor) -> Tensor {
    pairs.var_dim([1i64].as_slice(), false, false).mean_dim([1i64].as_slice(), false, None::<Kind>)
}

/// Mean square, [E, B] -> `[E]`.
pub fn mean_square(scores: &Tensor) -> Tensor {
    scores.square().mean_dim([1i64].as_slice(), false, None::<Kind>)
}
