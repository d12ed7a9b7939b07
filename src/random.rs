//! Random numbers that stay the same across machines and releases: ChaCha8 and a Fisher-Yates shuffle of our own.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream of random numbers is for; each has its own, so that none depends on how much another has drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Which rows are trained on.
    Split = 0,
    /// Starting values of a member.
    Start = 1,
    /// Order of a member's rows in an epoch.
    Order = 2,
    /// Masks of dropout, and where a step's slices of them start.
    Dropout = 3,
    /// Unlabelled cells of an epoch.
    Unlabelled = 5,
    /// Sampling and mutation of architectures.
    Search = 4,
    /// Order of the cells in which masks are refined.
    Refinement = 6,
    /// Cells that explanations are judged on, and the random explanation that they are compared with.
    Explanation = 7,
}

/// A portable stream of random numbers.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of `seed` for one purpose, member and index (an epoch, say).
    pub fn of(seed: u64, purpose: Purpose, member: usize, index: u64) -> Self {
        Random::new(seed, ((purpose as u64) << 60) | ((member as u64) << 40) | index)
    }

    /// The stream number `stream` of `seed`; streams are independent of each other.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Random(generator)
    }

    /// A number below `bound`, which must not be 0, without bias (Lemire's multiplication with rejection).
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "an empty range has no number to draw");
        let bound = bound as u64;
        loop {
            let wide = u128::from(self.0.next_u64()) * u128::from(bound);
            if wide as u64 >= bound.wrapping_neg() % bound {
                return (wide >> 64) as usize;
            }
        }
    }

    /// A number in [0, 1) with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Fills with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// Shuffles in place, every order equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// `count` different numbers below `bound`, in random order.
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
