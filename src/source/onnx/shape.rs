//! Sizes of the values of a network, and what its operators compute: inference for the operators of convolutional and attention
//! networks, with the sizes that the file states in between.

use super::model::{FEW, OnnxModel, Operator, Shape, StoredTensor, Value};
use std::collections::HashMap;

/// The largest number of sizes of a value.
const MAX_RANK: usize = 16;

/// What is known of the values of a network.
pub struct ValueFacts<'m> {
    model: &'m OnnxModel,
    shapes: HashMap<Value, Shape>,
    /// Numbers of constants and of shape arithmetic, where they are a few.
    numbers: HashMap<Value, Vec<f64>>,
}

impl<'m> ValueFacts<'m> {
    /// Facts of all values of `model`. A batch whose size is open is one example.
    pub fn new(model: &'m OnnxModel) -> Self {
        let mut facts = ValueFacts { model, shapes: HashMap::new(), numbers: HashMap::new() };
        for (&value, tensor) in &model.tensors {
            facts.store(value, tensor);
        }
        for input in &model.inputs {
            let shape = facts.shapes.get(input).or_else(|| model.shapes.get(input)).cloned();
            if let Some(mut shape) = shape {
                if let Some(batch @ None) = shape.first_mut() {
                    *batch = Some(1);
                }
                facts.shapes.insert(*input, shape);
            }
        }
        for operator in &model.operators {
            facts.infer(operator);
        }
        facts
    }

    /// Sizes of a value.
    pub fn shape(&self, value: Value) -> Option<&Shape> {
        self.shapes.get(&value)
    }

    /// Numbers of a constant.
    pub fn numbers(&self, value: Value) -> Option<&[f64]> {
        self.numbers.get(&value).map(Vec::as_slice)
    }

    fn store(&mut self, value: Value, tensor: &StoredTensor) {
        self.shapes.insert(value, tensor.sizes.iter().copied().map(Some).collect());
        if let Some(numbers) = &tensor.numbers {
            self.numbers.insert(value, numbers.clone());
        }
    }

    fn infer(&mut self, operator: &Operator) {
        if let (Some(tensor), Some(Some(output))) = (operator.tensor(), operator.outputs.first()) {
            self.store(*output, tensor);
        }
        if let (Some(numbers), Some(Some(output))) = (self.arithmetic(operator), operator.outputs.first()) {
            self.numbers.insert(*output, numbers);
        }
        let inferred = self.outputs(operator).unwrap_or_default();
        for (index, output) in operator.outputs.iter().enumerate() {
            let Some(output) = *output else { continue };
            let own = inferred.get(index).or(inferred.first()).cloned();
            let stated = self.model.shapes.get(&output).cloned();
            let both = match (stated, own) {
                (Some(stated), Some(own)) if stated.len() == own.len() => {
                    Some(stated.into_iter().zip(own).map(|(stated, own)| stated.or(own)).collect())
                }
                (stated, own) => stated.or(own),
            };
            if let Some(shape) = both.filter(|shape| shape.len() <= MAX_RANK) {
                self.shapes.entry(output).or_insert(shape);
            }
        }
    }

    /// The input at `index`.
    fn input(&self, operator: &Operator, index: usize) -> Option<&Shape> {
        self.shape((*operator.inputs.get(index)?)?)
    }

    /// Whole numbers that an operator is given, as an attribute or as an input.
    fn settings(&self, operator: &Operator, name: &str, index: usize) -> Option<Vec<i64>> {
        if let Some(numbers) = operator.numbers(name) {
            return Some(numbers.to_vec());
        }
        let numbers = self.numbers((*operator.inputs.get(index)?)?)?;
        Some(numbers.iter().map(|&number| number as i64).collect())
    }

    /// Numbers of shape arithmetic.
    fn arithmetic(&self, operator: &Operator) -> Option<Vec<f64>> {
        let of = |index: usize| self.numbers((*operator.inputs.get(index)?)?);
        let pair = |apply: fn(f64, f64) -> f64| {
            let (a, b) = (of(0)?, of(1)?);
            let length = a.len().max(b.len());
            let fits = |x: &[f64]| x.len() == length || x.len() == 1;
            (fits(a) && fits(b)).then(|| (0..length).map(|i| apply(a[i % a.len()], b[i % b.len()])).collect())
        };
        match operator.kind.as_str() {
            "Shape" => {
                let shape = self.input(operator, 0)?;
                let all: Vec<f64> = shape.iter().map(|size| size.map(|size| size as f64)).collect::<Option<_>>()?;
                let end = at(operator.number("end").unwrap_or(all.len() as i64), all.len() + 1)?;
                let start = at(operator.number("start").unwrap_or(0), all.len() + 1)?;
                all.get(start..end).map(<[f64]>::to_vec)
            }
            "Gather" => {
                let (data, indices) = (of(0)?, of(1)?);
                let pick = |&index: &f64| data.get(at(index as i64, data.len())?).copied();
                indices.iter().map(pick).collect()
            }
            "Concat" => {
                let all: Vec<&[f64]> = (0..operator.inputs.len()).map(of).collect::<Option<_>>()?;
                (all.iter().map(|part| part.len()).sum::<usize>() <= FEW).then(|| all.concat())
            }
            "Cast" | "Unsqueeze" | "Squeeze" | "Identity" | "Reshape" => of(0).map(<[f64]>::to_vec),
            "Slice" => {
                let data = of(0)?;
                let (start, end) = (of(1)?.first()?, of(2)?.first()?);
                if operator.inputs.len() > 4 {
                    return None;
                }
                let length = data.len() as f64;
                let clamp = |x: f64| if x < 0.0 { x + length } else { x }.clamp(0.0, length) as usize;
                data.get(clamp(*start)..clamp(*end)).map(<[f64]>::to_vec)
            }
            "Add" => pair(|a, b| a + b),
            "Sub" => pair(|a, b| a - b),
            "Mul" => pair(|a, b| a * b),
            // Sizes are divided without a rest; other quotients are not sizes.
            "Div" => pair(|a, b| a / b).filter(|quotients| quotients.iter().all(|quotient| quotient.fract() == 0.0)),
            _ => None,
        }
    }

    /// Sizes of the outputs, of which the first stands for those that are not listed.
    fn outputs(&self, operator: &Operator) -> Option<Vec<Shape>> {
        let input = |index| self.input(operator, index);
        let one = match operator.kind.as_str() {
            "Conv" | "ConvTranspose" => {
                let (data, weight) = (input(0)?, input(1)?);
                let kernel: Vec<i64> =
                    weight.get(2..)?.iter().map(|size| size.map(|s| s as i64)).collect::<Option<_>>()?;
                let transposed = operator.kind == "ConvTranspose";
                let groups = operator.number("group").unwrap_or(1).max(1) as u64;
                let channels = match transposed {
                    true => (*weight.get(1)?)?.checked_mul(groups),
                    false => *weight.first()?,
                };
                window(operator, data, &kernel, transposed, channels)?
            }
            "MaxPool" | "AveragePool" | "LpPool" => {
                let data = input(0)?;
                window(operator, data, operator.numbers("kernel_shape")?, false, *data.get(1)?)?
            }
            "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => {
                let data = input(0)?;
                data.iter().enumerate().map(|(axis, &size)| if axis < 2 { size } else { Some(1) }).collect()
            }
            "Gemm" => {
                let turned = |name| operator.number(name).unwrap_or(0) != 0;
                let (a, b) = (input(0)?, input(1)?);
                vec![*a.get(usize::from(turned("transA")))?, *b.get(usize::from(!turned("transB")))?]
            }
            "MatMul" => {
                let (a, b) = (input(0)?, input(1)?);
                let (&[ref first @ .., rows, _], &[ref second @ .., _, columns]) = (a.as_slice(), b.as_slice()) else {
                    return None;
                };
                let mut shape = broadcast(first, second)?;
                shape.extend([rows, columns]);
                shape
            }
            "Flatten" => {
                let data = input(0)?;
                let axis = at(operator.number("axis").unwrap_or(1), data.len() + 1)?;
                vec![product(&data[..axis]), product(&data[axis..])]
            }
            "Reshape" => self.reshape(operator)?,
            "Concat" => {
                let all: Vec<&Shape> = (0..operator.inputs.len()).map(input).collect::<Option<_>>()?;
                let mut shape = (*all.first()?).clone();
                let axis = at(operator.number("axis")?, shape.len())?;
                let sizes = all.iter().map(|shape| shape.get(axis).copied().flatten());
                shape[axis] = sizes.sum::<Option<u64>>().filter(|&size| size < 1 << 40);
                shape
            }
            name if name.starts_with("Reduce") => {
                let data = input(0)?;
                let axes = self.settings(operator, "axes", 1).unwrap_or_else(|| (0..data.len() as i64).collect());
                let axes: Vec<usize> = axes.iter().map(|&axis| at(axis, data.len())).collect::<Option<_>>()?;
                let keep = operator.number("keepdims").unwrap_or(1) != 0;
                let size = |(axis, &size)| match axes.contains(&axis) {
                    true => keep.then_some(Some(1)),
                    false => Some(size),
                };
                data.iter().enumerate().filter_map(size).collect()
            }
            "Squeeze" => {
                let data = input(0)?;
                let axes = self.settings(operator, "axes", 1)?;
                let axes: Vec<usize> = axes.iter().map(|&axis| at(axis, data.len())).collect::<Option<_>>()?;
                (0..data.len()).filter(|axis| !axes.contains(axis)).map(|axis| data[axis]).collect()
            }
            "Unsqueeze" => {
                let data = input(0)?;
                let axes = self.settings(operator, "axes", 1)?;
                let rank = data.len() + axes.len();
                let axes: Vec<usize> = axes.iter().map(|&axis| at(axis, rank)).collect::<Option<_>>()?;
                let mut sizes = data.iter().copied();
                (0..rank).map(|axis| if axes.contains(&axis) { Some(1) } else { sizes.next().flatten() }).collect()
            }
            "Transpose" => {
                let data = input(0)?;
                let turned = || (0..data.len() as i64).rev().collect();
                let order = operator.numbers("perm").map_or_else(turned, <[i64]>::to_vec);
                order.iter().map(|&axis| Some(data[at(axis, data.len())?])).collect::<Option<_>>()?
            }
            "Slice" => self.slice(operator)?,
            "Split" => return self.split(operator),
            "Gather" => {
                let (data, indices) = (input(0)?, input(1)?);
                let axis = at(operator.number("axis").unwrap_or(0), data.len())?;
                [&data[..axis], indices, &data[axis + 1..]].concat()
            }
            "Pad" => {
                let (data, pads) = (input(0)?, self.settings(operator, "pads", 1)?);
                let pad = |axis: usize| pads.get(axis)?.checked_add(*pads.get(axis + data.len())?);
                let size = |(axis, &size): (usize, &Option<u64>)| size?.checked_add_signed(pad(axis)?);
                data.iter().enumerate().map(size).collect()
            }
            "Resize" | "Upsample" => {
                let data = input(0)?;
                let given = |index: usize| {
                    let value = (*operator.inputs.get(index)?)?;
                    self.numbers(value).filter(|numbers| numbers.len() == data.len())
                };
                let scales = given(operator.inputs.len().min(3) - 1);
                match (given(3), scales) {
                    (Some(sizes), _) => sizes.iter().map(|&size| Some(size as u64)).collect(),
                    (None, scales) => {
                        data.iter().zip(scales?).map(|(&size, scale)| Some((size? as f64 * scale) as u64)).collect()
                    }
                }
            }
            "Expand" => {
                let sizes = self.settings(operator, "shape", 1)?;
                let sizes: Shape = sizes.iter().map(|&size| u64::try_from(size).ok()).collect();
                broadcast(input(0)?, &sizes)?
            }
            "Shape" => vec![Some(input(0)?.len() as u64)],
            _ if is_elementwise(&operator.kind) => {
                let given = operator.inputs.iter().flatten().map(|&value| self.shape(value));
                let given: Vec<&Shape> = given.collect::<Option<_>>()?;
                given.iter().skip(1).try_fold((*given.first()?).clone(), |shape, other| broadcast(&shape, other))?
            }
            _ if keeps_shape(&operator.kind) => input(0)?.clone(),
            _ => return None,
        };
        Some(vec![one])
    }

    fn reshape(&self, operator: &Operator) -> Option<Shape> {
        let data = self.input(operator, 0)?;
        let wanted = self.settings(operator, "shape", 1)?;
        let size = |(axis, &size): (usize, &i64)| match size {
            0 => data.get(axis).copied().flatten(),
            size => u64::try_from(size).ok(),
        };
        let mut shape: Shape = wanted.iter().enumerate().map(size).collect();
        if let Some(open) = wanted.iter().position(|&size| size == -1) {
            let others: Shape = shape.iter().enumerate().filter(|(axis, _)| *axis != open).map(|(_, &s)| s).collect();
            shape[open] = product(data).zip(product(&others)).and_then(|(all, others)| all.checked_div(others));
        }
        Some(shape)
    }

    fn slice(&self, operator: &Operator) -> Option<Shape> {
        let mut shape = self.input(operator, 0)?.clone();
        let (starts, ends) = (self.settings(operator, "starts", 1)?, self.settings(operator, "ends", 2)?);
        let axes = self.settings(operator, "axes", 3).unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = self.settings(operator, "steps", 4).unwrap_or_else(|| vec![1; starts.len()]);
        for (((&start, &end), &axis), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
            let axis = at(axis, shape.len())?;
            shape[axis] = shape[axis].and_then(|size| {
                let size = i64::try_from(size).ok()?;
                let clamp = |x: i64| if x < 0 { x.saturating_add(size) } else { x }.clamp(0, size);
                let length = if step > 0 { clamp(end) - clamp(start) } else { clamp(start) - clamp(end) };
                Some(length.max(0).unsigned_abs().div_ceil(step.unsigned_abs().max(1)))
            });
        }
        Some(shape)
    }

    fn split(&self, operator: &Operator) -> Option<Vec<Shape>> {
        let data = self.input(operator, 0)?;
        let axis = at(operator.number("axis").unwrap_or(0), data.len())?;
        let count = operator.outputs.len() as u64;
        let part = |index: usize, sizes: &Option<Vec<i64>>| match sizes {
            Some(sizes) => u64::try_from(*sizes.get(index)?).ok(),
            None => data[axis]?.checked_div(count),
        };
        let sizes = self.settings(operator, "split", 1);
        let of = |index: usize| {
            let mut shape = data.clone();
            shape[axis] = part(index, &sizes);
            shape
        };
        Some((0..operator.outputs.len()).map(of).collect())
    }

    /// Multiply-adds of an operator; none where they cannot be known, 0 where there are none.
    pub fn multiply_adds(&self, operator: &Operator) -> Option<u64> {
        let weight = |index| self.input(operator, index);
        let output = || product(self.shape((*operator.outputs.first()?)?)?);
        match operator.kind.as_str() {
            "Conv" => output()?.checked_mul(product(weight(1)?.get(1..)?)?),
            "ConvTranspose" => product(weight(0)?)?.checked_mul(product(weight(1)?.get(1..)?)?),
            "MatMul" => output()?.checked_mul((*weight(0)?.last()?)?),
            "Gemm" => {
                let turned = usize::from(operator.number("transA").unwrap_or(0) != 0);
                output()?.checked_mul((*weight(0)?.get(1 - turned)?)?)
            }
            kind if is_elementwise(kind) || keeps_shape(kind) || is_cheap(kind) => Some(0),
            _ => None,
        }
    }
}

/// Sizes after a window has passed over `data`: of a convolution or of pooling.
fn window(
    operator: &Operator,
    data: &[Option<u64>],
    kernel: &[i64],
    transposed: bool,
    channels: Option<u64>,
) -> Option<Shape> {
    let rank = data.len().checked_sub(2).filter(|&rank| rank == kernel.len())?;
    let setting = |name: &str, default: i64| operator.numbers(name).map_or(vec![default; rank], <[i64]>::to_vec);
    let (strides, dilations) = (setting("strides", 1), setting("dilations", 1));
    let pads = operator.numbers("pads").map_or(vec![0; 2 * rank], <[i64]>::to_vec);
    let extra = setting("output_padding", 0);
    let padding = operator.text("auto_pad");
    let size = |axis: usize| -> Option<u64> {
        let input = i128::from(data[axis + 2]?);
        let of = |list: &[i64]| list.get(axis).map(|&number| i128::from(number));
        let (stride, dilation, kernel) = (of(&strides)?.max(1), of(&dilations)?, of(kernel)?);
        let pad = of(&pads)? + i128::from(*pads.get(axis + rank)?);
        let reach = dilation * (kernel - 1) + 1;
        let size = match (padding.starts_with("SAME"), transposed) {
            (true, true) => input * stride,
            (true, false) => (input + stride - 1) / stride,
            (false, true) => stride * (input - 1) + of(&extra)? + reach - pad,
            (false, false) => {
                let room = input + if padding == "VALID" { 0 } else { pad } - reach;
                let up = if operator.number("ceil_mode").unwrap_or(0) != 0 { stride - 1 } else { 0 };
                // A window that would begin in the padding behind the data is left out.
                let count = (room + up).div_euclid(stride) + 1;
                if up > 0 && (count - 1) * stride >= input + of(&pads)? { count - 1 } else { count }
            }
        };
        u64::try_from(size).ok()
    };
    let spatial: Shape = (0..rank).map(size).collect();
    Some([data[0], channels].into_iter().chain(spatial).collect())
}

/// Number of values of a shape.
pub fn product(shape: &[Option<u64>]) -> Option<u64> {
    shape.iter().try_fold(1u64, |count, size| count.checked_mul((*size)?))
}

/// `index` of `length`, counted from the end where it is negative.
fn at(index: i64, length: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add(length as i64)? } else { index };
    usize::try_from(index).ok().filter(|&index| index < length)
}

fn broadcast(a: &[Option<u64>], b: &[Option<u64>]) -> Option<Shape> {
    let rank = a.len().max(b.len());
    let size = |shape: &[Option<u64>], axis: usize| match (axis + shape.len()).checked_sub(rank) {
        Some(axis) => shape[axis],
        None => Some(1),
    };
    let join = |axis: usize| match (size(a, axis), size(b, axis)) {
        (Some(1), other) | (other, Some(1)) => Some(other),
        (Some(x), Some(y)) if x != y => None,
        (x, y) => Some(x.or(y)),
    };
    (0..rank).map(join).collect()
}

/// Whether an operator computes each value from the values at the same place of its inputs.
pub fn is_elementwise(kind: &str) -> bool {
    const KINDS: &str = "Add Sub Mul Div Pow Sum Mean Max Min Mod And Or Xor Equal Greater Less GreaterOrEqual LessOrEqual Where \
        Relu PRelu LeakyRelu ThresholdedRelu Elu Selu Celu Clip Sigmoid HardSigmoid HardSwish Swish Mish Gelu Tanh Softplus \
        Softsign Erf Exp Log Sqrt Reciprocal Neg Abs Sign Ceil Floor Round Sin Cos Tan Not IsNaN IsInf Shrink";
    KINDS.split_whitespace().any(|known| known == kind)
}

/// Whether an operator's first output has the shape of its first input.
fn keeps_shape(kind: &str) -> bool {
    const KINDS: &str = "Identity Dropout Cast CastLike BatchNormalization InstanceNormalization LayerNormalization \
        GroupNormalization RMSNormalization LpNormalization MeanVarianceNormalization LRN Softmax LogSoftmax Hardmax CumSum \
        QuantizeLinear DequantizeLinear ScatterND ScatterElements Trilu";
    KINDS.split_whitespace().any(|known| known == kind)
}

/// Whether an operator is known to need no multiply-adds worth counting.
fn is_cheap(kind: &str) -> bool {
    const KINDS: &str = "MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool Flatten Reshape Concat Squeeze \
        Unsqueeze Transpose Slice Split Gather GatherElements GatherND Pad Resize Upsample Expand Shape Size Constant \
        ConstantOfShape Range Tile DepthToSpace SpaceToDepth ArgMax ArgMin TopK NonZero OneHot EyeLike GridSample RoiAlign \
        NonMaxSuppression RandomNormal RandomUniform RandomNormalLike RandomUniformLike SplitToSequence SequenceAt";
    kind.starts_with("Reduce") || KINDS.split_whitespace().any(|known| known == kind)
}
