//! Parameters of all members in one flat tensor [E, P]; every layer sees its slice as a view.
//!
//! One buffer means one optimiser step of a dozen operations, whatever the number of layers. Every parameter starts at a multiple
//! of 64 bytes, which fast kernels need; what is in between is zero and stays so.

use crate::random::Random;
use tch::{Device, Kind, Tensor};

/// Offsets are multiples of this number of values.
const ALIGNMENT: i64 = 16;

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Initial {
    /// Uniform in (-bound, bound).
    Uniform(f64),
    /// The same number everywhere.
    Constant(f64),
}

/// Name, shape without the member dimension, and offset in a member's row of the flat tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterSlot {
    /// Path of field names, such as `encoder.layers.0.linear.weight`.
    pub name: String,
    /// Shape of one member's values.
    pub shape: Vec<i64>,
    /// Index of the first value, in [0, P).
    pub offset: i64,
    /// How it starts.
    pub init: Initial,
}

impl ParameterSlot {
    /// Number of values of one member.
    pub fn len(&self) -> i64 {
        self.shape.iter().product()
    }

    /// Where the next slot starts.
    fn end(&self) -> i64 {
        let end = self.offset + self.len();
        (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT
    }

    /// Number of zeros after it.
    fn padding(&self) -> i64 {
        self.end() - self.offset - self.len()
    }

    /// This slot of `flat` [E, P] as [E, ..shape].
    pub fn view(&self, flat: &Tensor) -> Tensor {
        let shape: Vec<i64> = std::iter::once(flat.size()[0]).chain(self.shape.iter().copied()).collect();
        flat.narrow(1, self.offset, self.len()).view(shape.as_slice())
    }
}

/// Hands out slices of the flat tensor while layers are built, in a fixed order.
pub struct Builder<'a> {
    flat: Option<&'a Tensor>,
    trainable: bool,
    path: Vec<String>,
    slots: Vec<ParameterSlot>,
    leaves: Vec<Tensor>,
}

impl<'a> Builder<'a> {
    /// A builder that only counts: its tensors are empty.
    pub fn counting() -> Self {
        Builder { flat: None, trainable: false, path: Vec::new(), slots: Vec::new(), leaves: Vec::new() }
    }

    /// A builder over `flat` [E, P]; leaves track gradients if `trainable`.
    pub fn over(flat: &'a Tensor, trainable: bool) -> Self {
        Builder { flat: Some(flat), trainable, ..Builder::counting() }
    }

    /// Builds a layer under the name `name`.
    pub fn scope<T>(&mut self, name: &str, build: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(name.to_string());
        let built = build(self);
        self.path.pop();
        built
    }

    /// The next parameter, [E, ..shape].
    pub fn parameter(&mut self, name: &str, shape: &[i64], init: Initial) -> Tensor {
        let offset = self.slots.last().map_or(0, ParameterSlot::end);
        let name = self.path.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".");
        let slot = ParameterSlot { name, shape: shape.to_vec(), offset, init };
        let leaf = match self.flat {
            Some(flat) => slot.view(&flat.detach()).detach().set_requires_grad(self.trainable),
            None => Tensor::empty([0], (Kind::Float, Device::Cpu)),
        };
        self.slots.push(slot);
        self.leaves.push(leaf.shallow_clone());
        leaf
    }

    /// The slots and, in the same order, the leaves handed out.
    pub fn finish(self) -> (Vec<ParameterSlot>, Vec<Tensor>) {
        (self.slots, self.leaves)
    }
}

/// Starting values of one member, `[P]`, drawn from `random` in the order of the slots.
pub fn initial_values(slots: &[ParameterSlot], random: &mut Random) -> Vec<f64> {
    let mut values = Vec::new();
    for slot in slots {
        values.extend((0..slot.len()).map(|_| match slot.init {
            Initial::Uniform(bound) => bound * (2.0 * random.uniform() - 1.0),
            Initial::Constant(value) => value,
        }));
        values.resize(slot.end() as usize, 0.0);
    }
    values
}

/// One tensor [E, ..shape] per slot -> the flat tensor [E, P].
pub fn flatten(slots: &[ParameterSlot], parameters: &[Tensor]) -> Tensor {
    let mut columns = Vec::with_capacity(slots.len());
    for (slot, parameter) in slots.iter().zip(parameters) {
        let members = parameter.size()[0];
        columns.push(parameter.reshape([members, -1]));
        if slot.padding() > 0 {
            columns.push(Tensor::zeros([members, slot.padding()], (parameter.kind(), parameter.device())));
        }
    }
    Tensor::cat(&columns, 1)
}
