//! Dropout from a bank of random numbers that is drawn once, on the host, from the run's seed.
//!
//! LibTorch's own dropout reads one global generator: results would depend on which thread comes first, and a resumed run
//! could not repeat them. Here every member has a row of scaled keep masks, and each use takes a slice of it that starts at
//! an index drawn from (seed, step): one multiplication, no generator on the device, nothing to save.

use super::cpu::{Float, values};
use crate::random::{Purpose, Random};
use tch::{Device, Kind, Tensor};

/// The masks of all members, [E, S]; values 0 or 1 / (1 - rate).
pub struct NoiseBank {
    masks: Tensor,
}

impl NoiseBank {
    /// A bank for activations of up to `largest` values per member. None where nothing is dropped.
    pub fn new(rate: f64, largest: i64, members: &mut [Random], kind: Kind, device: Device) -> Option<Self> {
        if rate == 0.0 {
            return None;
        }
        let length = (2 * largest + (1 << 16)) as usize;
        let threshold = (rate * 65_536.0).round() as u32;
        let keep = (65_536.0 / f64::from(65_536 - threshold)) as f32;
        let mut masks = Vec::with_capacity(length * members.len());
        let mut bytes = vec![0u8; 2 * length];
        for random in members.iter_mut() {
            random.fill(&mut bytes);
            let draws = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_le_bytes([pair[0], pair[1]])));
            masks.extend(draws.map(|draw| if draw < threshold { 0.0 } else { keep }));
        }
        let masks = Tensor::from_slice(&masks).view([members.len() as i64, length as i64]);
        Some(NoiseBank { masks: masks.to_kind(kind).to_device(device) })
    }

    /// `length` values of a member's masks from `start` on; the bank must have numbers of this kind on the CPU.
    pub fn slice<T: Float>(&self, member: usize, start: usize, length: usize) -> &[T] {
        let columns = self.masks.size()[1] as usize;
        &values(&self.masks)[member * columns..][..columns][start..start + length]
    }
}

/// The noise of one forward pass.
pub enum Noise<'a> {
    /// Nothing is dropped: evaluation.
    Off,
    /// Slices of the bank, starting where `random` says.
    On(&'a NoiseBank, Box<Random>),
}

impl<'a> Noise<'a> {
    /// The noise of one of the batches of step `step`: members differ by their masks, not by where a slice starts.
    pub fn of_step(bank: Option<&'a NoiseBank>, batch: usize, step: u64) -> Self {
        match bank {
            Some(bank) => Noise::On(bank, Box::new(Random::of(0, Purpose::Dropout, batch, step))),
            None => Noise::Off,
        }
    }

    /// Where the next slice of `length` values starts; 0 where nothing is dropped.
    pub fn draw(&mut self, length: usize) -> usize {
        match self {
            Noise::Off => 0,
            Noise::On(bank, random) => random.below(bank.masks.size()[1] as usize - length + 1),
        }
    }

    /// Drops from x [E, ...] and scales what is left.
    pub fn drop(&mut self, x: Tensor) -> Tensor {
        let size = x.size();
        let length: i64 = size[1..].iter().product();
        let start = self.draw(length as usize) as i64;
        match self {
            Noise::Off => x,
            Noise::On(bank, _) => x * bank.masks.narrow(1, start, length).view(size.as_slice()),
        }
    }
}
