//! Random numbers that are the same on every machine and in every release: ChaCha8, with sampling and shuffling
//! implemented here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What random numbers are used for. Every purpose has its own stream, so that no use depends on how many numbers another
/// one has drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Selection of the training rows.
    Split = 0,
    /// Initial parameters of an ensemble member.
    Start = 1,
    /// Order of the rows of an ensemble member in an epoch.
    Order = 2,
    /// Dropout masks, and the offsets at which a training step reads them.
    Dropout = 3,
    /// Unlabelled architectures of an epoch.
    Unlabelled = 5,
    /// Sampling and mutation of architectures.
    Search = 4,
    /// Order of the architectures in mask refinement.
    Refinement = 6,
    /// Architectures on which explanations are evaluated, and the random explanations that serve as a baseline.
    Explanation = 7,
    /// Cells that stand for a space where training cells are chosen.
    Coverage = 8,
}

/// A portable stream of random numbers.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of `seed` for a purpose, an ensemble member and an index, such as the epoch.
    pub fn of(seed: u64, purpose: Purpose, member: usize, index: u64) -> Self {
        Random::new(seed, ((purpose as u64) << 60) | ((member as u64) << 40) | index)
    }

    /// Stream number `stream` of `seed`. All streams are independent of each other.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Random(generator)
    }

    /// A number from 0 to `bound` - 1, drawn uniformly (Lemire's multiplication with rejection).
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "an empty range contains no number");
        let bound = bound as u64;
        loop {
            let wide = u128::from(self.0.next_u64()) * u128::from(bound);
            if wide as u64 >= bound.wrapping_neg() % bound {
                return (wide >> 64) as usize;
            }
        }
    }

    /// A number in [0, 1), drawn uniformly, with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Fills `bytes` with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// Shuffles `items` in place; all orders are equally likely (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// `count` different numbers below `bound` in random order, or all of them if `count` is larger.
    pub fn choose(&mut self, bound: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..bound).collect();
        self.shuffle(&mut all);
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_never_changes() {
        let mut random = Random::new(0, 0);
        let drawn: Vec<usize> = (0..5).map(|_| random.below(1000)).collect();
        assert_eq!(drawn, [709, 465, 699, 60, 879]);
    }

    #[test]
    fn the_last_number_is_drawn() {
        let mut random = Random::new(1, 0);
        let mut seen = [false; 7];
        (0..500).for_each(|_| seen[random.below(7)] = true);
        assert_eq!(seen, [true; 7]);
    }
}
