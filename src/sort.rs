//! Sorting more pairs of numbers than memory holds: runs that are sorted in memory go to files, and are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What is sorted, by the first number, then the second.
pub type Pair = [u64; 2];

/// Pairs that are held in memory.
const HELD: usize = 1 << 18;
/// Runs that are merged at a time.
const FAN: usize = 64;
/// Bytes that are read or written at a time.
const BUFFER: usize = 1 << 16;

/// Takes pairs in any order and gives them back sorted, in constant memory.
pub struct Sorter {
    folder: PathBuf,
    held: Vec<Pair>,
    /// Sorted runs; those of a level are merges of [`FAN`] runs of the level below.
    levels: Vec<Vec<File>>,
}

impl Sorter {
    /// Its files are in `folder` and have no name.
    pub fn new(folder: &Path) -> Self {
        Sorter { folder: folder.to_path_buf(), held: Vec::new(), levels: Vec::new() }
    }

    /// Takes a pair.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn push(&mut self, pair: Pair) -> io::Result<()> {
        self.held.push(pair);
        if self.held.len() < HELD {
            return Ok(());
        }
        self.held.sort_unstable();
        let run = self.write(self.held.iter().copied().map(Ok))?;
        self.held.clear();
        self.store(0, run)
    }

    /// Puts a run on a level; a full level becomes a run of the next.
    fn store(&mut self, level: usize, run: File) -> io::Result<()> {
        if self.levels.len() == level {
            self.levels.push(Vec::new());
        }
        self.levels[level].push(run);
        if self.levels[level].len() < FAN {
            return Ok(());
        }
        let runs = std::mem::take(&mut self.levels[level]);
        let merged = self.write(Merge::new(runs, Vec::new())?)?;
        self.store(level + 1, merged)
    }

    fn write(&self, pairs: impl Iterator<Item = io::Result<Pair>>) -> io::Result<File> {
        let mut output = BufWriter::with_capacity(BUFFER, tempfile::tempfile_in(&self.folder)?);
        for pair in pairs {
            let [first, second] = pair?;
            output.write_all(&first.to_le_bytes())?;
            output.write_all(&second.to_le_bytes())?;
        }
        output.into_inner().map_err(io::IntoInnerError::into_error)
    }

    /// All pairs, sorted.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn finish(mut self) -> io::Result<impl Iterator<Item = io::Result<Pair>>> {
        self.held.sort_unstable();
        Merge::new(self.levels.into_iter().flatten().collect(), self.held)
    }
}

/// The next pairs of all runs, least first.
struct Merge {
    runs: Vec<Run>,
    next: BinaryHeap<Reverse<(Pair, usize)>>,
}

enum Run {
    File(BufReader<File>),
    Memory(std::vec::IntoIter<Pair>),
}

impl Run {
    fn next_pair(&mut self) -> io::Result<Option<Pair>> {
        let input = match self {
            Run::Memory(pairs) => return Ok(pairs.next()),
            Run::File(input) => input,
        };
        let mut bytes = [0u8; 16];
        match input.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let (first, second) = bytes.split_at(8);
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        Ok(Some([number(first), number(second)]))
    }
}

impl Merge {
    fn new(files: Vec<File>, held: Vec<Pair>) -> io::Result<Self> {
        let mut runs = vec![Run::Memory(held.into_iter())];
        for mut file in files {
            file.seek(SeekFrom::Start(0))?;
            runs.push(Run::File(BufReader::with_capacity(BUFFER, file)));
        }
        let mut merge = Merge { runs, next: BinaryHeap::new() };
        for run in 0..merge.runs.len() {
            merge.refill(run)?;
        }
        Ok(merge)
    }

    fn refill(&mut self, run: usize) -> io::Result<()> {
        if let Some(pair) = self.runs[run].next_pair()? {
            self.next.push(Reverse((pair, run)));
        }
        Ok(())
    }
}

impl Iterator for Merge {
    type Item = io::Result<Pair>;

    fn next(&mut self) -> Option<io::Result<Pair>> {
        let Reverse((pair, run)) = self.next.pop()?;
        Some(self.refill(run).map(|()| pair))
    }
}

/// A number that is the lower, the higher `score` is; equal for 0 and -0.
pub fn descending_key(score: f64) -> u64 {
    let bits = (score + 0.0).to_bits();
    // Positive numbers have ascending bits, negative ones descending.
    !(if bits >> 63 == 1 { !bits } else { bits | 1 << 63 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn pairs_come_back_sorted_over_files_and_levels() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path());
        let mut random = Random::new(0, 0);
        let mut pairs: Vec<Pair> = (0..70_000).map(|row| [random.below(500) as u64, row]).collect();
        for (number, pair) in pairs.iter().enumerate() {
            sorter.push(*pair).unwrap();
            if number % 1_000 == 999 {
                // A run of a thousand pairs, so that 70 of them fill a level.
                sorter.held.sort_unstable();
                let run = sorter.write(sorter.held.iter().copied().map(Ok)).unwrap();
                sorter.held.clear();
                sorter.store(0, run).unwrap();
            }
        }
        assert_eq!(sorter.levels.iter().map(Vec::len).collect::<Vec<_>>(), [6, 1]);
        pairs.sort_unstable();
        assert_eq!(sorter.finish().unwrap().map(Result::unwrap).collect::<Vec<_>>(), pairs);
    }

    #[test]
    fn keys_fall_as_scores_rise() {
        let scores = [f64::NEG_INFINITY, -2.0, -1e-300, 0.0, 1e-300, 0.5, 7.0, f64::INFINITY];
        assert!(scores.windows(2).all(|pair| descending_key(pair[0]) > descending_key(pair[1])));
        assert_eq!(descending_key(0.0), descending_key(-0.0));
    }
}
