//! Parameters of all members in one flat tensor [E, P]; every layer sees its slice as a view.
//!
//! One buffer means one optimiser step of a dozen operations, whatever the number of layers, and a checkpoint that is a
//! table of names, shapes and offsets.

use crate::random::Random;
use tch::{Device, Kind, Tensor};

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Uniform in (-bound, bound).
    Uniform(f64),
    /// The same number everywhere.
    Constant(f64),
}

/// Name, shape without the member dimension, place in the flat tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// Path of field names, such as `encoder.layers.0.linear.weight`.
    pub name: String,
    /// Shape of one member's part.
    pub shape: Vec<i64>,
    /// First place in [0, P).
    pub offset: i64,
    /// Start.
    pub init: Init,
}

impl Slot {
    /// Number of values of one member.
    pub fn len(&self) -> i64 {
        self.shape.iter().product()
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
    slots: Vec<Slot>,
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

    /// Builds a part under the name `name`.
    pub fn scope<T>(&mut self, name: &str, build: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(name.to_string());
        let built = build(self);
        self.path.pop();
        built
    }

    /// The next parameter, [E, ..shape].
    pub fn parameter(&mut self, name: &str, shape: &[i64], init: Init) -> Tensor {
        let offset = self.slots.last().map_or(0, |slot| slot.offset + slot.len());
        let name = self.path.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".");
        let slot = Slot { name, shape: shape.to_vec(), offset, init };
        let leaf = match self.flat {
            Some(flat) => slot.view(&flat.detach()).detach().set_requires_grad(self.trainable),
            None => Tensor::empty([0], (Kind::Float, Device::Cpu)),
        };
        self.slots.push(slot);
        self.leaves.push(leaf.shallow_clone());
        leaf
    }

    /// The slots and, in the same order, the leaves handed out.
    pub fn finish(self) -> (Vec<Slot>, Vec<Tensor>) {
        (self.slots, self.leaves)
    }
}

/// Starting values of one member, `[P]`, drawn from `random` in the order of the slots.
pub fn initial_values(slots: &[Slot], random: &mut Random) -> Vec<f64> {
    let draw = |slot: &Slot, random: &mut Random| -> Vec<f64> {
        let value = |_| match slot.init {
            Init::Uniform(bound) => bound * (2.0 * random.uniform() - 1.0),
            Init::Constant(value) => value,
        };
        (0..slot.len()).map(value).collect()
    };
    slots.iter().flat_map(|slot| draw(slot, random)).collect()
}
