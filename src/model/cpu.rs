//! temporary
use super::fused::trunk::Trunk;
use super::noise::NoiseBank;
use super::{Carl, Representations};
use crate::graph::Graph;
use tch::Tensor;
pub struct CpuEngine<T>(Trunk, std::marker::PhantomData<T>);
impl<T> CpuEngine<T> {
    pub fn new(m: &Carl, o: u16, b: Option<NoiseBank>) -> Self { CpuEngine(Trunk::new(m, o, b), std::marker::PhantomData) }
    pub fn start_step(&mut self) { self.0.begin() }
    pub fn represent(&mut self, b: usize, s: u64, g: &[Vec<&Graph>]) -> Representations { self.0.forward(b, s, g) }
    pub fn critical(&mut self, b: usize, s: u64, g: &[Vec<&Graph>]) -> Tensor { self.0.critical(b, s, g) }
    pub fn backward(&mut self, b: usize, c: &Tensor, r: Option<&Tensor>) { self.0.backward(b, c, r) }
    pub fn gradients(&self) -> &Tensor { self.0.gradients() }
}
