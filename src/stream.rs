//! Scores for any number of rows in constant memory. Rows are read, brought into canonical form and scored in batches that
//! overlap, and passed to the caller in the order of the input; or only the best ones are, at the end.

use crate::dataset::GraphEncoder;
use crate::error::{Error, Result, Stage};
use crate::graph::{Canonical, Graph, Key};
use crate::model::scorer::Scorer;
use crate::predictor::{Prediction, Predictor};
use crate::progress::{NoProgress, Progress};
use lru::LruCache;
use rayon::prelude::*;
use std::collections::{BinaryHeap, HashMap};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Rows of a batch.
const BATCH: usize = 8192;
/// Unique graphs whose scores are remembered: all of most spaces. More cost memory where cells seldom repeat.
const REMEMBERED: usize = 1 << 16;

/// An architecture to score, and its position in the input.
#[derive(Debug, Clone, PartialEq)]
pub struct InputRow {
    /// Line or number of the record.
    pub line: u64,
    /// The text of the architecture.
    pub text: String,
    /// Fields of the input that are handed on to the output.
    pub fields: Option<csv::StringRecord>,
}

/// A scored architecture.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredRow {
    /// Index of the row in the input.
    pub row: u64,
    /// The row as it was read.
    pub input: InputRow,
    /// What is predicted of it.
    pub prediction: Prediction,
    /// Rank from 1, where only the best rows are wanted.
    pub rank: Option<u64>,
}

/// How many rows were scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamCounts {
    /// Rows of the input.
    pub rows: u64,
    /// Unique graphs that were scored.
    pub graphs: u64,
}

/// What is to be scored with what.
pub struct ScoreStream<'a> {
    /// The predictor.
    pub predictor: &'a Predictor,
    /// How many of the best rows are wanted; all, in the order of the input, if none.
    pub top: Option<usize>,
    /// Names file and line in an error about the architecture on that line.
    pub locate: &'a (dyn Fn(Error, u64) -> Error + Sync),
}

/// Rows in canonical form.
struct CanonicalBatch {
    rows: Vec<InputRow>,
    graphs: Vec<Canonical>,
}

impl ScoreStream<'_> {
    /// Scores `rows` and hands each to `take`. Once `stop` is set, it ends after the batch that is under way.
    ///
    /// # Errors
    /// The first row that cannot be read or is not an architecture; no row at all; a stop; what `take` reports.
    pub fn run(
        &self,
        rows: impl Iterator<Item = Result<InputRow>> + Send,
        stop: &AtomicBool,
        progress: &dyn Progress,
        mut take: impl FnMut(&ScoredRow) -> Result<()>,
    ) -> Result<StreamCounts> {
        let mut best = self.top.map(BestRows::new);
        let (encoder, locate) = (self.predictor.encoder(), self.locate);
        let counts = std::thread::scope(|scope| {
            let (send_rows, received) = sync_channel(2);
            let (send_batches, batches) = sync_channel(1);
            scope.spawn(move || read(rows, &send_rows));
            scope.spawn(move || canonical_batches(encoder, locate, &received, &send_batches));
            self.score(&batches, stop, progress, |row| match &mut best {
                Some(best) => {
                    best.push(row);
                    Ok(())
                }
                None => take(&row),
            })
        })?;
        if counts.rows == 0 {
            return Err(Error::new(Stage::Table, "there is no row to score"));
        }
        best.map_or(Ok(()), |best| best.into_ranked().iter().try_for_each(take))?;
        Ok(counts)
    }

    /// Third stage: canonical graphs -> scored rows.
    fn score(
        &self,
        batches: &Receiver<Result<CanonicalBatch>>,
        stop: &AtomicBool,
        progress: &dyn Progress,
        mut take: impl FnMut(ScoredRow) -> Result<()>,
    ) -> Result<StreamCounts> {
        let scorer = Scorer::new(self.predictor.weights(), self.predictor.machine());
        let mut cache = LruCache::new(NonZeroUsize::new(REMEMBERED).expect("a constant above 0"));
        let mut counts = StreamCounts::default();
        for batch in batches {
            let CanonicalBatch { rows, graphs } = batch?;
            let count = rows.len() as u64;
            let scores = score_batch(&scorer, graphs, &mut cache, &mut counts.graphs);
            for (input, (score, std)) in rows.into_iter().zip(scores) {
                take(ScoredRow {
                    row: counts.rows,
                    input,
                    prediction: self.predictor.prediction(score, std),
                    rank: None,
                })?;
                counts.rows += 1;
            }
            progress.inc(count);
            if stop.load(Ordering::SeqCst) {
                return Err(Error::new(Stage::Interrupted, "stopped; nothing is written"));
            }
        }
        Ok(counts)
    }
}

/// Second stage: rows -> canonical graphs.
fn canonical_batches(
    encoder: GraphEncoder,
    locate: &(dyn Fn(Error, u64) -> Error + Sync),
    rows: &Receiver<Result<Vec<InputRow>>>,
    batches: &SyncSender<Result<CanonicalBatch>>,
) {
    let encode = |row: &InputRow| encoder.encode(&row.text).map_err(|error| locate(error, row.line));
    for rows in rows {
        let batch = rows.and_then(|rows| {
            let graphs: Vec<Result<Canonical>> = rows.par_iter().with_min_len(64).map(encode).collect();
            let graphs = graphs.into_iter().collect::<Result<_>>()?;
            Ok(CanonicalBatch { rows, graphs })
        });
        let failed = batch.is_err();
        // A receiver that has ended reports an error of its own.
        if batches.send(batch).is_err() || failed {
            return;
        }
    }
}

/// Score and standard deviation of every graph; each unique graph that is not remembered is scored once.
fn score_batch(
    scorer: &Scorer,
    batch: Vec<Canonical>,
    cache: &mut LruCache<Key, (f64, f64)>,
    scored: &mut u64,
) -> Vec<(f64, f64)> {
    let mut new: HashMap<Key, usize> = HashMap::new();
    let mut graphs: Vec<Graph> = Vec::new();
    // A remembered score, or the index of a new graph.
    let sources: Vec<Result<(f64, f64), usize>> = (batch.into_iter())
        .map(|Canonical { graph, key, .. }| {
            cache.get(&key).copied().ok_or_else(|| {
                *new.entry(key).or_insert_with(|| {
                    graphs.push(graph);
                    graphs.len() - 1
                })
            })
        })
        .collect();
    let scores = scorer.scores(&graphs.iter().collect::<Vec<_>>(), &NoProgress);
    let scores: Vec<(f64, f64)> = scores.chunks_exact(scorer.members()).map(|scores| scorer.summary(scores)).collect();
    *scored += graphs.len() as u64;
    for (key, index) in new {
        cache.put(key, scores[index]);
    }
    sources.into_iter().map(|source| source.unwrap_or_else(|index| scores[index])).collect()
}

/// First stage: rows -> batches.
fn read(rows: impl Iterator<Item = Result<InputRow>>, batches: &SyncSender<Result<Vec<InputRow>>>) {
    let mut batch = Vec::with_capacity(BATCH);
    for row in rows {
        match row {
            Ok(row) => batch.push(row),
            Err(error) => {
                // A receiver that has ended reports an error of its own; what was read before has to come first.
                let _ = batches.send(Ok(batch)).and_then(|()| batches.send(Err(error)));
                return;
            }
        }
        if batch.len() == BATCH && batches.send(Ok(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)))).is_err() {
            return;
        }
    }
    if !batch.is_empty() {
        let _ = batches.send(Ok(batch));
    }
}

/// The best rows so far: a heap with the worst of them on top.
struct BestRows {
    count: usize,
    heap: BinaryHeap<RankedRow>,
}

impl BestRows {
    fn new(count: usize) -> Self {
        BestRows { count, heap: BinaryHeap::new() }
    }

    fn push(&mut self, row: ScoredRow) {
        let row = RankedRow(row);
        if self.heap.len() < self.count {
            self.heap.push(row);
        } else if self.heap.peek().is_some_and(|worst| row < *worst) {
            self.heap.pop();
            self.heap.push(row);
        }
    }

    /// The rows with their ranks, best first.
    fn into_ranked(self) -> Vec<ScoredRow> {
        let rows = (1..).zip(self.heap.into_sorted_vec());
        rows.map(|(rank, RankedRow(row))| ScoredRow { rank: Some(rank), ..row }).collect()
    }
}

/// A row in the order of ranks: by falling score, then in the order of the input.
struct RankedRow(ScoredRow);

impl Ord for RankedRow {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let (a, b) = (&self.0, &other.0);
        b.prediction.score.total_cmp(&a.prediction.score).then(a.row.cmp(&b.row))
    }
}

impl PartialOrd for RankedRow {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for RankedRow {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for RankedRow {}
