//! Dropout from a bank of random numbers that is drawn once, on the host, from the run's seed.
//!
//! LibTorch's own dropout reads one global generator: results would depend on which thread comes first, and a resumed run
//! could not repeat them. Here every member has a row of scaled keep masks, and each use takes a slice of it that starts at
//! a place drawn from (seed, step): one multiplication, no generator on the device, nothing to save.

use crate::random::{Purpose, Random};
use tch::{Device, Kind, Tensor};

/// The masks of all members, [E, S]; values 0 or 1 / (1 - rate).
pub struct NoiseBank {
    masks: Tensor,
}

impl NoiseBank {
    /// A bank for activations of up to `largest` values a member. None where nothing is dropped.
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

    /// Where a slice of `length` values starts.
    pub fn draw(&self, length: i64, random: &mut Random) -> i64 {
        random.below((self.masks.size()[1] - length + 1) as usize) as i64
    }

    /// `length` values of a member's masks from `start` on; the bank must be floats on the CPU.
    pub fn slice(&self, member: usize, start: usize, length: usize) -> &[f32] {
        let columns = self.masks.size()[1] as usize;
        assert!(self.masks.device() == Device::Cpu && self.masks.kind() == Kind::Float && start + length <= columns);
        assert!((member as i64) < self.masks.size()[0]);
        // SAFETY: the tensor is contiguous, has so many floats on the CPU, and nothing writes to it.
        unsafe { std::slice::from_raw_parts(self.masks.data_ptr().cast::<f32>().add(member * columns + start), length) }
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
    /// The noise of step `step`: members differ by their masks, not by where a slice starts.
    pub fn of_step(bank: Option<&'a NoiseBank>, step: u64) -> Self {
        match bank {
            Some(bank) => Noise::On(bank, Box::new(Random::of(0, Purpose::Dropout, 0, step))),
            None => Noise::Off,
        }
    }

    /// Drops from x [E, ...] and scales what is kept.
    pub fn drop(&mut self, x: Tensor) -> Tensor {
        match self {
            Noise::Off => x,
            Noise::On(bank, random) => {
                let size = x.size();
                let length: i64 = size[1..].iter().product();
                let start = bank.draw(length, random);
                x * bank.masks.narrow(1, start, length).view(size.as_slice())
            }
        }
    }
}
