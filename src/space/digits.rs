//! Spaces whose architectures are a fixed number of independent decisions.

use super::Architecture;
use crate::random::Random;

/// A set of architectures: `decisions` operations, each of which is one of the `options` operations whose ids start at
/// `first`.
#[derive(Debug, Clone, Copy)]
pub struct Digits {
    /// Number of operations of an architecture.
    pub decisions: usize,
    /// Id of the first operation to choose from.
    pub first: u16,
    /// Number of operations to choose from.
    pub options: u16,
}

impl Digits {
    /// Number of architectures.
    pub const fn size(self) -> u64 {
        (self.options as u64).pow(self.decisions as u32)
    }

    /// All architectures; the last decision changes fastest.
    pub fn enumerate(self) -> Box<dyn Iterator<Item = Architecture> + Send> {
        Box::new((0..self.size()).map(move |number| self.decode(number)))
    }

    /// Architecture `number` of [`Digits::enumerate`].
    pub fn decode(self, number: u64) -> Architecture {
        let base = u64::from(self.options);
        let digit = |index: usize| (number / base.pow((self.decisions - 1 - index) as u32) % base) as u16;
        self.architecture((0..self.decisions).map(digit))
    }

    /// The architecture of `digits`, one per decision; digit 0 is the first operation to choose from.
    pub fn architecture(self, digits: impl IntoIterator<Item = u16>) -> Architecture {
        Architecture::new(digits.into_iter().map(|digit| self.first + digit).collect(), Vec::new())
    }

    /// The architecture whose decisions are written as ASCII digits, if they are as many as the decisions and in range.
    pub fn parse_ascii(self, digits: &[u8]) -> Option<Architecture> {
        let digit = |digit: &u8| digit.checked_sub(b'0').map(u16::from).filter(|&digit| digit < self.options);
        let digits: Vec<u16> = digits.iter().map(digit).collect::<Option<_>>()?;
        (digits.len() == self.decisions).then(|| self.architecture(digits))
    }

    /// The decisions of `architecture` as ASCII digits, the inverse of [`Digits::parse_ascii`].
    pub fn to_ascii(self, architecture: &Architecture) -> String {
        architecture.operations.iter().map(|id| (id - self.first).to_string()).collect()
    }

    /// An architecture drawn uniformly.
    pub fn sample(self, random: &mut Random) -> Architecture {
        self.architecture((0..self.decisions).map(|_| random.below(self.options as usize) as u16))
    }

    /// `architecture` with one operation replaced by another one.
    pub fn mutate(self, architecture: &Architecture, random: &mut Random) -> Architecture {
        let mut mutant = architecture.clone();
        let operation = &mut mutant.operations[random.below(self.decisions)];
        let step = 1 + random.below(self.options as usize - 1) as u16;
        *operation = self.first + (*operation - self.first + step) % self.options;
        mutant
    }
}
