//! Trained members.

use super::calibration::Calibration;
use super::cpu::CpuEngine;
use super::ensemble::Ensemble;
use super::{Carl, ModelOptions};
use crate::device::to_host;
use crate::graph::choice::OperationFeatures;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

/// Trained members, ready to score.
#[derive(Debug)]
pub struct Weights {
    /// Shape of the model.
    pub options: ModelOptions,
    /// Number of operations, V.
    pub vocabulary: usize,
    /// What operations have in common, in a space of choices.
    pub features: Option<Arc<OperationFeatures>>,
    /// Operation id of output nodes.
    pub output: u16,
    /// Parameters [E, P] on the CPU.
    pub parameters: Tensor,
    /// Scale of the members' scores.
    pub calibration: Calibration,
}

/// What the first layer reads of an operation: as many numbers as there are operations, or its features.
pub fn inputs(vocabulary: usize, features: Option<&OperationFeatures>) -> i64 {
    features.map_or(vocabulary, OperationFeatures::width) as i64
}

impl Clone for Weights {
    fn clone(&self) -> Self {
        Weights {
            options: self.options.clone(),
            vocabulary: self.vocabulary,
            features: self.features.clone(),
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
        Weights { parameters, calibration, ..self.clone() }
    }

    /// Members `start .. start + count` as a frozen model.
    pub fn ensemble(&self, start: i64, count: i64, device: Device) -> Ensemble {
        let flat = self.parameters.narrow(0, start, count).to_device(device).contiguous();
        let range = |values: &[f64]| values[start as usize..(start + count) as usize].to_vec();
        let Calibration { center, scale, variance } = &self.calibration;
        let calibration = Calibration { center: range(center), scale: range(scale), variance: *variance };
        Ensemble::new(self.carl(flat, false), &calibration)
    }

    /// All members on the engine of the CPU.
    pub fn cpu_engine(&self) -> CpuEngine<f32> {
        let flat = to_host(&self.parameters).to_kind(Kind::Float).contiguous();
        CpuEngine::new(&self.carl(flat, false), None)
    }

    /// Models of this shape over the parameters `flat` [E, P].
    pub fn carl(&self, flat: Tensor, trainable: bool) -> Carl {
        let inputs = inputs(self.vocabulary, self.features.as_deref());
        let model = Carl::over(&self.options, inputs, i64::from(self.output), flat, trainable);
        model.with_features(self.features.as_deref())
    }
}
