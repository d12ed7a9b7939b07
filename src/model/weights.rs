//! Trained members.

use super::calibration::Calibration;
use super::cpu::CpuEngine;
use super::ensemble::Ensemble;
use super::{Carl, ModelOptions};
use tch::{Device, Kind, Tensor};

/// Trained members, ready to score.
#[derive(Debug)]
pub struct Weights {
    /// Shape of the model.
    pub options: ModelOptions,
    /// Number of operations, V.
    pub vocabulary: usize,
    /// Operation id of output nodes.
    pub output: u16,
    /// Parameters [E, P] on the CPU.
    pub parameters: Tensor,
    /// Scale of the members' scores.
    pub calibration: Calibration,
}

impl Clone for Weights {
    fn clone(&self) -> Self {
        Weights {
            options: self.options.clone(),
            vocabulary: self.vocabulary,
            output: self.output,
            parameters: self.parameters.shallow_clone(),
            calibration: self.calibration.clone(),
        }
    }
}

impl Weights {
    /// Number of members, E.
    pub fn members(&self) -> usize {
        self.parameters.size()[0] as usize
    }

    /// `count` members from `start` on.
    pub fn slice(&self, start: usize, count: usize) -> Weights {
        let mut calibration = self.calibration.clone();
        calibration.center = calibration.center[start..start + count].to_vec();
        calibration.scale = calibration.scale[start..start + count].to_vec();
        let parameters = self.parameters.narrow(0, start as i64, count as i64);
        Weights { options: self.options.clone(), parameters, calibration, ..*self }
    }

    /// Members `start .. start + count` as a frozen model.
    pub fn ensemble(&self, start: i64, count: i64, device: Device) -> Ensemble {
        let flat = self.parameters.narrow(0, start, count).to_device(device).contiguous();
        let range = |values: &[f64]| values[start as usize..(start + count) as usize].to_vec();
        let Calibration { center, scale, variance } = &self.calibration;
        let calibration = Calibration { center: range(center), scale: range(scale), variance: *variance };
        Ensemble::new(self.model(flat), &calibration)
    }

    /// All members on the engine of the CPU.
    pub fn cpu_engine(&self) -> CpuEngine<f32> {
        let flat = self.parameters.to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
        CpuEngine::new(&self.model(flat), None)
    }

    fn model(&self, flat: Tensor) -> Carl {
        Carl::over(&self.options, self.vocabulary as i64, i64::from(self.output), flat, false)
    }
}
