//! Scores for any number of rows in constant memory: rows are read, brought into canonical form and scored in batches that
//! overlap, kept in parts on disk, and ranked by a sort that needs no more memory for more rows.

pub mod parts;

use crate::cache::Cache;
use crate::error::{Error, Result, Stage};
use crate::graph::{Graph, Key, Reduction, canonicalize, describe};
use crate::progress::Progress;
use crate::model::scorer::Scorer;
use crate::sort::{Sorter, descending_key};
use crate::space::Space;
use parts::{Parts, Scored};
use rayon::prelude::*;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Rows of a batch.
const BATCH: usize = 8192;
/// Rows of a part: what may have to be done again.
const PART: usize = 1 << 17;
/// Functions whose scores are remembered.
const REMEMBERED: usize = 1 << 18;

/// An architecture to score and the line that it stands on.
pub struct Text {
    /// Line or number of the record.
    pub line: u64,
    /// The architecture as it is written.
    pub text: String,
    /// Its standardised attributes.
    pub attributes: Vec<f32>,
}

/// What is to be scored with what.
pub struct Job<'a> {
    /// The space of the architectures.
    pub space: &'a dyn Space,
    /// Canonicalisation.
    pub reduction: Reduction,
    /// The members.
    pub scorer: &'a Scorer,
    /// How many of the best rows are wanted; all, in the order of the input, if none.
    pub top: Option<usize>,
    /// Names file and line in an error about the architecture on that line.
    pub locate: &'a (dyn Fn(Error, u64) -> Error + Sync),
}

/// Scored rows with what is needed to rank them.
pub struct Ranked {
    parts: Parts,
    /// Number of parts on disk.
    stored: usize,
    /// The last part where it is not on disk.
    rest: Vec<Scored>,
    /// The best rows, best first, where only those are wanted.
    best: Option<Vec<Scored>>,
    sorter: Sorter,
    /// Number of rows of the input.
    pub rows: u64,
    /// Number of functions that were scored.
    pub functions: u64,
}

/// Rows in canonical form.
struct Batch {
    texts: Vec<String>,
    graphs: Vec<(Graph, Key)>,
}

impl Job<'_> {
    /// Scores `rows`, but those of the `done` parts that are there already. Once `stop` is set, it ends after the part that it is in.
    ///
    /// # Errors
    /// The first row that cannot be read or is no architecture; no row at all; a stop; the disk refuses.
    pub fn run(
        &self,
        rows: impl Iterator<Item = Result<Text>> + Send,
        mut parts: Parts,
        done: usize,
        stop: &AtomicBool,
        progress: &dyn Progress,
    ) -> Result<Ranked> {
        let sorter = Sorter::new(parts.folder()?);
        let best = self.top.map(|_| Vec::new());
        let mut ranked = Ranked { parts, stored: 0, rest: Vec::new(), best, sorter, rows: 0, functions: 0 };
        for number in 0..done {
            let (count, kept) = ranked.parts.read(number)?;
            ranked.stored += 1;
            ranked.count(count, kept, self.top)?;
            progress.inc(count);
        }
        let skip = ranked.rows;
        std::thread::scope(|scope| {
            let (send_texts, texts) = sync_channel(2);
            let (send_batches, batches) = sync_channel(1);
            scope.spawn(move || read(rows, skip, &send_texts));
            scope.spawn(move || self.canonical_batches(&texts, &send_batches));
            self.score(&batches, &mut ranked, stop, progress)
        })?;
        if ranked.rows == 0 {
            return Err(Error::new(Stage::Table, "there is no row to score"));
        }
        Ok(ranked)
    }

    /// Second stage: texts -> canonical graphs.
    fn canonical_batches(&self, texts: &Receiver<Result<Vec<Text>>>, batches: &SyncSender<Result<Batch>>) {
        for texts in texts {
            let batch = texts.and_then(|texts| self.canonical(texts));
            let failed = batch.is_err();
            // A receiver that is gone has an error to tell.
            if batches.send(batch).is_err() || failed {
                return;
            }
        }
    }

    fn canonical(&self, texts: Vec<Text>) -> Result<Batch> {
        let one = |Text { line, text, attributes }: &Text| {
            let canonical = self.space.parse(text).and_then(|architecture| {
                let mut graph = self.space.graph(&architecture);
                graph.attributes.clone_from(attributes);
                canonicalize(&graph, self.space.vocabulary(), self.reduction.undescribed())
            });
            canonical.map(|canonical| (canonical.graph, canonical.key)).map_err(|error| (self.locate)(error, *line))
        };
        let graphs: Vec<Result<(Graph, Key)>> = texts.par_iter().with_min_len(64).map(one).collect();
        let graphs = graphs.into_iter().collect::<Result<_>>()?;
        Ok(Batch { texts: texts.into_iter().map(|text| text.text).collect(), graphs })
    }

    /// Third stage: canonical graphs -> parts.
    fn score(
        &self,
        batches: &Receiver<Result<Batch>>,
        ranked: &mut Ranked,
        stop: &AtomicBool,
        progress: &dyn Progress,
    ) -> Result<()> {
        let mut cache: Cache<(f64, f64)> = Cache::new(REMEMBERED);
        let mut part = Part::new(self.top, ranked.rows);
        for batch in batches {
            let Batch { texts, graphs } = batch?;
            let count = texts.len() as u64;
            let scores = self.score_batch(graphs, &mut cache, &mut ranked.functions);
            for (text, (score, std)) in texts.into_iter().zip(scores) {
                part.push(text, score, std);
                if part.rows == PART as u64 {
                    let full = std::mem::replace(&mut part, Part::new(self.top, ranked.rows + PART as u64));
                    ranked.store(full, self.top, false)?;
                }
            }
            progress.inc(count);
            if stop.load(Ordering::SeqCst) {
                return Err(Error::new(Stage::Interrupted, "stopped").hint(if ranked.parts.last() {
                    "go on with --resume"
                } else {
                    "with --resume, a run that is stopped can go on"
                }));
            }
        }
        if part.rows > 0 { ranked.store(part, self.top, true) } else { Ok(()) }
    }

    /// Mean and spread of every graph; each function that is not remembered is scored once.
    fn score_batch(
        &self,
        graphs: Vec<(Graph, Key)>,
        cache: &mut Cache<(f64, f64)>,
        functions: &mut u64,
    ) -> Vec<(f64, f64)> {
        enum Place {
            Known((f64, f64)),
            New(usize),
        }
        let mut new: HashMap<Key, usize> = HashMap::new();
        let mut unknown: Vec<Graph> = Vec::new();
        let places: Vec<Place> = (graphs.into_iter())
            .map(|(graph, key)| match cache.get(&key) {
                Some(known) => Place::Known(known),
                None => Place::New(*new.entry(key).or_insert_with(|| {
                    unknown.push(graph);
                    unknown.len() - 1
                })),
            })
            .collect();
        if self.reduction.statistics {
            unknown.par_iter_mut().for_each(|graph| describe(graph, self.space.vocabulary()));
        }
        let scores = self.scorer.scores(&unknown.iter().collect::<Vec<_>>(), &crate::progress::NoProgress);
        let members = self.scorer.members();
        let scores: Vec<(f64, f64)> = scores.chunks_exact(members).map(|scores| self.scorer.summary(scores)).collect();
        *functions += unknown.len() as u64;
        new.into_iter().for_each(|(key, place)| cache.insert(key, scores[place]));
        let score = |place| match place {
            Place::Known(known) => known,
            Place::New(place) => scores[place],
        };
        places.into_iter().map(score).collect()
    }
}

/// First stage: rows -> batches, without the first `skip` rows.
fn read(rows: impl Iterator<Item = Result<Text>>, skip: u64, texts: &SyncSender<Result<Vec<Text>>>) {
    let mut batch = Vec::with_capacity(BATCH);
    for (number, row) in rows.enumerate() {
        match row {
            Ok(_) if (number as u64) < skip => {}
            Ok(row) => batch.push(row),
            Err(error) => {
                // A receiver that is gone has an error to tell; what was read before has to come first.
                let _ = texts.send(Ok(batch)).and_then(|()| texts.send(Err(error)));
                return;
            }
        }
        if batch.len() == BATCH && texts.send(Ok(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)))).is_err() {
            return;
        }
    }
    if !batch.is_empty() {
        let _ = texts.send(Ok(batch));
    }
}

/// Rows that become a part.
struct Part {
    first: u64,
    rows: u64,
    kept: Kept,
}

enum Kept {
    All(Vec<Scored>),
    Best(Best),
}

impl Part {
    fn new(top: Option<usize>, first: u64) -> Self {
        let kept = top.map_or_else(|| Kept::All(Vec::new()), |count| Kept::Best(Best::new(count)));
        Part { first, rows: 0, kept }
    }

    fn push(&mut self, text: String, score: f64, std: f64) {
        let row = Scored { row: self.first + self.rows, text, score, std };
        self.rows += 1;
        match &mut self.kept {
            Kept::All(rows) => rows.push(row),
            Kept::Best(best) => best.push(row),
        }
    }
}

/// The best rows so far: a heap with the worst of them on top.
struct Best {
    count: usize,
    heap: BinaryHeap<Entry>,
}

/// A row in the order of ranks: by falling score, then as it was read.
struct Entry(Scored);

impl Entry {
    fn key(&self) -> (u64, u64) {
        (descending_key(self.0.score), self.0.row)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Best {
    fn new(count: usize) -> Self {
        Best { count, heap: BinaryHeap::new() }
    }

    fn push(&mut self, row: Scored) {
        let entry = Entry(row);
        if self.heap.len() < self.count {
            self.heap.push(entry);
        } else if self.heap.peek().is_some_and(|worst| entry < *worst) {
            self.heap.pop();
            self.heap.push(entry);
        }
    }

    /// Best first.
    fn into_rows(self) -> Vec<Scored> {
        self.heap.into_sorted_vec().into_iter().map(|entry| entry.0).collect()
    }
}

impl Ranked {
    /// Counts a finished part; it goes to disk unless it is the last one of a run that leaves nothing behind.
    fn store(&mut self, part: Part, top: Option<usize>, last: bool) -> Result<()> {
        let kept = match part.kept {
            Kept::All(rows) => rows,
            Kept::Best(best) => best.into_rows(),
        };
        if self.parts.last() || (top.is_none() && !last) {
            self.parts.write(self.stored, part.rows, &kept)?;
            self.stored += 1;
        } else if top.is_none() {
            self.rest.clone_from(&kept);
        }
        self.count(part.rows, kept, top)
    }

    fn count(&mut self, rows: u64, kept: Vec<Scored>, top: Option<usize>) -> Result<()> {
        self.rows += rows;
        if let (Some(best), Some(count)) = (&mut self.best, top) {
            let mut heap = Best::new(count);
            best.drain(..).chain(kept).for_each(|row| heap.push(row));
            *best = heap.into_rows();
            return Ok(());
        }
        for row in &kept {
            self.sorter.push([descending_key(row.score), row.row]).map_err(spill_error)?;
        }
        Ok(())
    }

    /// Gives every wanted row with its rank, from 1, to `take`: best first if only the best are wanted, else in the order of
    /// the input. Returns the parts.
    ///
    /// # Errors
    /// What `take` reports; the disk refuses; a damaged part.
    pub fn write(self, mut take: impl FnMut(&Scored, u64) -> io::Result<()>) -> io::Result<(Parts, usize)> {
        if let Some(best) = self.best {
            for (place, row) in best.iter().enumerate() {
                take(row, place as u64 + 1)?;
            }
            return Ok((self.parts, self.stored));
        }
        let mut parts = self.parts;
        let folder = parts.folder().map_err(io::Error::other)?;
        let mut by_row = Sorter::new(folder);
        for (place, pair) in self.sorter.finish()?.enumerate() {
            by_row.push([pair?[1], place as u64 + 1])?;
        }
        let mut ranks = by_row.finish()?;
        for number in 0..=self.stored {
            let part = match number == self.stored {
                true => &self.rest,
                false => &parts.read(number).map_err(io::Error::other)?.1,
            };
            for row in part {
                let [_, rank] = ranks.next().expect("a rank a row")?;
                take(row, rank)?;
            }
        }
        Ok((parts, self.stored))
    }
}

fn spill_error(error: io::Error) -> Error {
    Error::new(Stage::Io, format!("cannot write a temporary file: {error}")).hint("free some space, then run again")
}
