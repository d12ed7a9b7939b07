//! What spaces share whose architectures are a fixed number of operations, each chosen freely.

use super::Architecture;
use crate::random::Random;

/// `places` operations, each one of the `count` operations whose ids start at `first`.
#[derive(Debug, Clone, Copy)]
pub struct Choices {
    /// Number of operations of an architecture.
    pub places: usize,
    /// Id of the first operation to choose from.
    pub first: u16,
    /// Number of operations to choose from.
    pub count: u16,
}

impl Choices {
    /// Number of architectures.
    pub fn size(self) -> u64 {
        u64::from(self.count).pow(self.places as u32)
    }

    /// All architectures; the last operation changes fastest.
    pub fn enumerate(self) -> Box<dyn Iterator<Item = Architecture> + Send> {
        Box::new((0..self.size()).map(move |code| self.decode(code)))
    }

    fn decode(self, code: u64) -> Architecture {
        let base = u64::from(self.count);
        let digit = |place: usize| (code / base.pow((self.places - 1 - place) as u32) % base) as u16;
        self.architecture((0..self.places).map(digit))
    }

    /// The architecture of `digits`, which count from 0.
    pub fn architecture(self, digits: impl IntoIterator<Item = u16>) -> Architecture {
        let operations = digits.into_iter().map(|digit| self.first + digit).collect();
        Architecture { operations, ..Architecture::default() }
    }

    /// All equally likely.
    pub fn sample(self, random: &mut Random) -> Architecture {
        self.architecture((0..self.places).map(|_| random.below(self.count as usize) as u16))
    }

    /// Changes one operation.
    pub fn mutate(self, architecture: &Architecture, random: &mut Random) -> Architecture {
        let mut mutant = architecture.clone();
        let operation = &mut mutant.operations[random.below(self.places)];
        *operation =
            self.first + (*operation - self.first + 1 + random.below(self.count as usize - 1) as u16) % self.count;
        mutant
    }
}
