//! Cells to train next where a predictor is to rank all others.

use super::guided::Suggestion;
use super::{CandidatePool, History, Proposal, Reason};
use crate::dataset::UniqueGraphs;
use crate::error::Result;
use crate::gp::coverage::cover;
use crate::random::{Purpose, Random};
use std::collections::HashSet;

/// Cells that stand for a space that cannot be listed.
const SAMPLED: usize = 10_000;

/// Cells that a predictor learns most from, with what each takes away of the average variance.
///
/// # Errors
/// A space that cannot be drawn from, a cell that cannot be brought into canonical order.
pub fn suggest_for_ranking(pool: &CandidatePool, history: History, count: usize, seed: u64) -> Result<Vec<Suggestion>> {
    let mut texts: Vec<String> = match pool.catalog() {
        Some(catalog) => catalog.allowed.iter().map(|&row| catalog.texts[row].clone()).collect(),
        None => {
            let mut random = Random::of(seed, Purpose::Search, 8, 0);
            (0..SAMPLED).map(|_| Ok(pool.draw(&mut random)?.text)).collect::<Result<_>>()?
        }
    };
    let rows = texts.len();
    let past = history.past.iter().map(|query| &query.proposal).chain(history.pending);
    texts.extend(past.map(|proposal| proposal.cell.text.clone()));
    let graphs = UniqueGraphs::new(texts, pool.encoder().graphs).map_err(|(_, error)| error)?;
    let known: Vec<usize> = (rows..graphs.len()).collect();
    let taken: HashSet<&String> = known.iter().map(|&row| &graphs.texts[row]).collect();
    let candidates: Vec<usize> = (0..rows).filter(|&row| !taken.contains(&graphs.texts[row])).collect();
    let chosen = cover(&graphs, pool.space().vocabulary(), &candidates, &known, count, seed, pool.device());
    let suggestion = |(row, gain): (usize, f64)| -> Result<Suggestion> {
        let proposal = Proposal::full(pool.cell(&graphs.texts[row])?, Reason::Proposed);
        Ok(Suggestion { proposal, utility: Some(gain) })
    };
    chosen.into_iter().map(suggestion).collect()
}
