//! Scale of path statistics: heads are trained on standardised ones, and read them as they are once trained.
//!
//! With centre m and deviation s, W (x - m) / s + b is (W / s) x + (b - (W / s) m): the scale goes into the parameters, so that
//! nothing else has to know it.

use crate::graph::Graph;
use crate::metrics::{mean, standard_deviation};
use crate::model::parameters::Slot;
use tch::{Kind, Tensor};

/// Hidden layers that read statistics, and the layer whose bias is added to theirs.
const READERS: [(&str, &str); 2] =
    [("head.beside", "head.hidden.bias"), ("intervention.beside", "intervention.critical.bias")];

/// Mean and standard deviation of every statistic over the graphs that are trained on.
#[derive(Debug, Clone)]
pub struct Scale {
    center: Vec<f64>,
    deviation: Vec<f64>,
}

impl Scale {
    /// Of the statistics of `graphs`; none where they have none.
    pub fn new(graphs: &[Graph]) -> Option<Self> {
        let width = graphs.first().map_or(0, |graph| graph.statistics.len());
        let column = |place: usize| -> Vec<f64> { graphs.iter().map(|graph| graph.statistics[place].into()).collect() };
        let moments = |values: &[f64]| {
            let deviation = standard_deviation(values);
            // What never varies is left as it is.
            (mean(values), if deviation > 1e-6 { deviation } else { 1.0 })
        };
        let (center, deviation) = (0..width).map(|place| moments(&column(place))).unzip();
        (width > 0).then_some(Scale { center, deviation })
    }

    /// Standardises the last columns of `rows` [F, K], K = `width`.
    pub fn standardise(&self, rows: &mut [f32], width: usize) {
        for row in rows.chunks_exact_mut(width) {
            let statistics = row[width - self.center.len()..].iter_mut();
            for (value, (center, deviation)) in statistics.zip(self.center.iter().zip(&self.deviation)) {
                *value = ((f64::from(*value) - center) / deviation) as f32;
            }
        }
    }

    /// Parameters [E, P] that read statistics as they are, from those that read standardised ones.
    pub fn fold(&self, parameters: &Tensor, slots: &[Slot]) -> Tensor {
        self.rescaled(parameters, slots, |weight| {
            let weight = weight / column(&self.deviation);
            let moved = -(&weight * column(&self.center));
            (weight, moved)
        })
    }

    /// The way back from [`Scale::fold`].
    pub fn unfold(&self, parameters: &Tensor, slots: &[Slot]) -> Tensor {
        self.rescaled(parameters, slots, |weight| (weight * column(&self.deviation), weight * column(&self.center)))
    }

    /// `change` gives new weights [E, S, H] and, statistic by statistic, what is added to the bias.
    fn rescaled(&self, parameters: &Tensor, slots: &[Slot], change: impl Fn(&Tensor) -> (Tensor, Tensor)) -> Tensor {
        let flat = parameters.copy();
        let slot =
            |name: &str| slots.iter().find(|slot| slot.name == name).expect("every model has a head").view(&flat);
        let _guard = tch::no_grad_guard();
        for (reader, bias) in READERS {
            let weight = slot(reader);
            let (all, own) = (weight.size()[1], self.center.len() as i64);
            let mut weight = weight.narrow(1, all - own, own);
            let (scaled, moved) = change(&weight.to_kind(Kind::Double));
            weight.copy_(&scaled);
            let mut bias = slot(bias);
            let _ = bias.g_add_(&moved.sum_dim_intlist([1i64].as_slice(), true, Kind::Double).to_kind(bias.kind()));
        }
        flat
    }
}

/// [S, 1]
fn column(values: &[f64]) -> Tensor {
    Tensor::from_slice(values).unsqueeze(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModelOptions;
    use crate::model::Carl;
    use crate::random::Random;
    use tch::Device;

    #[test]
    fn folded_heads_read_statistics_as_they_are() {
        let graph = |k: i32| Graph { statistics: vec![k as f32, 7.0, (k * k) as f32], ..Graph::default() };
        let scale = Scale::new(&(0..9).map(graph).collect::<Vec<Graph>>()).unwrap();
        let options = ModelOptions { hidden: 4, layers: 1, members: 2, statistics: 3, ..ModelOptions::default() };
        let mut streams = [Random::new(0, 0), Random::new(1, 0)];
        let model = Carl::fresh(&options, 5, 1, &mut streams, Kind::Double, Device::Cpu);
        let folded = scale.fold(&model.flat().detach(), model.parameter_slots());
        let plain = Carl::over(&options, 5, 1, folded.shallow_clone(), false);
        let part = Tensor::ones([2, 9, 8], (Kind::Double, Device::Cpu)) * 0.3;
        let rows: Vec<f32> = (0..9).flat_map(|k| graph(k).statistics).collect();
        let mut standardised = rows.clone();
        scale.standardise(&mut standardised, 3);
        let tensor = |rows: &[f32]| Tensor::from_slice(rows).view([1, 9, 3]).to_kind(Kind::Double);
        let expected = model.head.forward(&part, Some(&tensor(&standardised)));
        let found = plain.head.forward(&part, Some(&tensor(&rows)));
        assert!((expected - found).abs().max().double_value(&[]) < 1e-6);
        let back = scale.unfold(&folded, model.parameter_slots());
        assert!((back - model.flat()).abs().max().double_value(&[]) < 1e-12);
        assert!(Scale::new(&[Graph::default()]).is_none());
    }
}
