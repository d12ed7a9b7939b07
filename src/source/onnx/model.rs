//! The parts of an ONNX file that a network's structure needs. Weights are skipped: of a tensor, only its sizes are read, and its
//! numbers where it has a few. Other files are never opened.

use crate::error::Result;
use crate::source::invalid;
use crate::source::protobuf::{WireReader, WireValue};
use std::collections::HashMap;
use std::io::{BufRead, Seek};

/// Largest number of bytes of a name, of dimensions or entries of a list, and of operators.
const MAX_NAME: usize = 4096;
const MAX_LIST: usize = 64;
const MAX_OPERATORS: usize = 1 << 16;
/// Largest number of bytes that are held of a file, and what an entry of a table costs in addition to its content.
const MAX_HELD: usize = 28 << 20;
const ENTRY: usize = 96;
/// Attributes that say something of sizes.
const ATTRIBUTES: &str = "auto_pad axes axis ceil_mode dilations end ends group keepdims kernel_shape output_padding pads perm \
    shape split start starts steps strides transA transB value";
/// Numbers of a tensor that are read.
pub const FEW: usize = 16;

/// Sizes of a tensor; `None` where a size is not known before the network runs.
pub type Shape = Vec<Option<u64>>;

/// A value: index of its name.
pub type Value = usize;

/// A tensor of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredTensor {
    /// Sizes.
    pub sizes: Vec<u64>,
    /// Whether its numbers are floating point.
    pub float: bool,
    /// Its numbers, where they are a few.
    pub numbers: Option<Vec<f64>>,
}

/// What an operator was given in addition to its inputs.
#[derive(Debug, Clone, PartialEq)]
pub enum OperatorAttribute {
    /// A whole number.
    Number(i64),
    /// Whole numbers.
    Numbers(Vec<i64>),
    /// Text.
    Text(String),
    /// A tensor.
    Tensor(StoredTensor),
}

/// An operator of the main graph.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Operator {
    /// Its kind, such as `Conv`; with its domain where that is not ONNX's own.
    pub kind: String,
    /// Values that it reads; `None` for an input that is left out.
    pub inputs: Vec<Option<Value>>,
    /// Values that it gives.
    pub outputs: Vec<Option<Value>>,
    attributes: HashMap<String, OperatorAttribute>,
}

impl Operator {
    /// A whole number among the attributes.
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.attributes.get(name)? {
            OperatorAttribute::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Whole numbers among the attributes.
    pub fn numbers(&self, name: &str) -> Option<&[i64]> {
        match self.attributes.get(name)? {
            OperatorAttribute::Numbers(numbers) => Some(numbers),
            _ => None,
        }
    }

    /// A text among the attributes; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        match self.attributes.get(name) {
            Some(OperatorAttribute::Text(text)) => text,
            _ => "",
        }
    }

    /// The tensor of a constant.
    pub fn tensor(&self) -> Option<&StoredTensor> {
        self.attributes.values().find_map(|attribute| match attribute {
            OperatorAttribute::Tensor(tensor) => Some(tensor),
            _ => None,
        })
    }
}

/// The main graph of a file.
#[derive(Debug, Default)]
pub struct OnnxModel {
    /// Operators in the order of the file.
    pub operators: Vec<Operator>,
    /// Weights and constants.
    pub tensors: HashMap<Value, StoredTensor>,
    /// Inputs, with weights where the file lists them as such.
    pub inputs: Vec<Value>,
    /// Outputs.
    pub outputs: Vec<Value>,
    /// Sizes that the file states.
    pub shapes: HashMap<Value, Shape>,
    /// Names of values.
    pub names: Vec<String>,
    index: HashMap<String, Value>,
    held: usize,
}

impl OnnxModel {
    /// Reads the model in `reader`.
    ///
    /// # Errors
    /// A damaged file, one without a graph, or one with more operators, names or numbers than a network has.
    pub fn read<R: BufRead + Seek>(reader: &mut WireReader<R>) -> Result<Self> {
        let mut model = OnnxModel::default();
        let mut graphs = 0;
        // ModelProto: 7 graph.
        while let Some((number, value)) = reader.next(reader.size)? {
            let WireValue::Bytes(end) = value else { continue };
            if number == 7 {
                graphs += 1;
                model.read_graph(reader, end)?;
            }
            reader.skip_to(end)?;
        }
        match graphs {
            1 if !model.operators.is_empty() => Ok(model),
            _ => Err(invalid("not an ONNX model: there is no graph with operators in it")),
        }
    }

    /// GraphProto: 1 node, 5 initializer, 11 input, 12 output, 13 value_info.
    fn read_graph<R: BufRead + Seek>(&mut self, reader: &mut WireReader<R>, end: u64) -> Result<()> {
        while let Some((number, value)) = reader.next(end)? {
            let WireValue::Bytes(end) = value else { continue };
            match number {
                1 => {
                    let operator = self.operator(reader, end)?;
                    self.hold(2 * ENTRY)?;
                    self.operators.push(operator);
                    if self.operators.len() > MAX_OPERATORS {
                        return Err(invalid(format!("more than {MAX_OPERATORS} operators")));
                    }
                }
                5 => {
                    if let (Some(name), tensor) = self.tensor(reader, end)? {
                        self.tensors.insert(name, tensor);
                    }
                }
                11..=13 => {
                    let Some(name) = self.value_info(reader, end)? else { continue };
                    match number {
                        11 => self.inputs.push(name),
                        12 => self.outputs.push(name),
                        _ => {}
                    }
                }
                _ => reader.skip_to(end)?,
            }
        }
        Ok(())
    }

    /// NodeProto: 1 input, 2 output, 4 op_type, 5 attribute, 7 domain.
    fn operator<R: BufRead + Seek>(&mut self, reader: &mut WireReader<R>, end: u64) -> Result<Operator> {
        let mut operator = Operator::default();
        let mut domain = String::new();
        while let Some((number, value)) = reader.next(end)? {
            let WireValue::Bytes(end) = value else { continue };
            match number {
                1 => {
                    let name = self.value(reader, end)?;
                    operator.inputs.push(name);
                }
                2 => {
                    let name = self.value(reader, end)?;
                    operator.outputs.push(name);
                }
                4 => operator.kind = self.text(reader, end)?,
                5 => {
                    if let Some((name, attribute)) = self.attribute(reader, end)? {
                        operator.attributes.insert(name, attribute);
                    }
                }
                7 => domain = self.text(reader, end)?,
                _ => reader.skip_to(end)?,
            }
        }
        if !matches!(domain.as_str(), "" | "ai.onnx") {
            operator.kind = format!("{domain}.{}", operator.kind);
        }
        Ok(operator)
    }

    /// AttributeProto: 1 name, 3 i, 4 s, 5 t, 8 ints. Subgraphs and what else there is are skipped.
    fn attribute<R: BufRead + Seek>(
        &mut self,
        reader: &mut WireReader<R>,
        end: u64,
    ) -> Result<Option<(String, OperatorAttribute)>> {
        let (mut name, mut attribute, mut numbers) = (String::new(), None, Vec::new());
        while let Some((number, value)) = reader.next(end)? {
            match (number, value) {
                (1, WireValue::Bytes(end)) => name = self.text(reader, end)?,
                (3, WireValue::Number(number)) => attribute = Some(OperatorAttribute::Number(number as i64)),
                (4, WireValue::Bytes(end)) if reader.left(end) <= MAX_NAME as u64 => {
                    attribute = Some(OperatorAttribute::Text(self.text(reader, end)?));
                }
                (5, WireValue::Bytes(end)) => attribute = Some(OperatorAttribute::Tensor(self.tensor(reader, end)?.1)),
                (8, value) => whole_numbers(reader, value, &mut numbers)?,
                (_, WireValue::Bytes(end)) => reader.skip_to(end)?,
                _ => {}
            }
        }
        if !numbers.is_empty() {
            attribute = Some(OperatorAttribute::Numbers(numbers.into_iter().map(|number| number as i64).collect()));
        }
        if !ATTRIBUTES.split_whitespace().any(|known| known == name) {
            return Ok(None);
        }
        self.hold(2 * ENTRY)?;
        Ok(attribute.map(|attribute| (name, attribute)))
    }

    /// TensorProto: 1 dims, 2 data_type, 4 float_data, 5 int32_data, 7 int64_data, 8 name, 9 raw_data.
    fn tensor<R: BufRead + Seek>(
        &mut self,
        reader: &mut WireReader<R>,
        end: u64,
    ) -> Result<(Option<Value>, StoredTensor)> {
        let (mut name, mut kind, mut raw) = (None, 0, Vec::new());
        let (mut sizes, mut whole, mut floats) = (Vec::new(), Vec::new(), Vec::new());
        while let Some((number, value)) = reader.next(end)? {
            match (number, value) {
                (1, value) => whole_numbers(reader, value, &mut sizes)?,
                (2, WireValue::Number(number)) => kind = number,
                (4, WireValue::Single(value)) if floats.len() <= FEW => floats.push(f64::from(value)),
                (4, WireValue::Bytes(end)) if reader.left(end) <= 4 * FEW as u64 => {
                    while reader.left(end) > 0 {
                        floats.push(f64::from(f32::from_le_bytes(reader.array(end)?)));
                    }
                }
                (5 | 7, WireValue::Number(number)) if whole.len() <= FEW => whole.push(number as i64 as f64),
                (5 | 7, WireValue::Bytes(end)) if reader.left(end) <= 10 * FEW as u64 => {
                    while reader.left(end) > 0 {
                        whole.push(reader.varint(end)? as i64 as f64);
                    }
                }
                (8, WireValue::Bytes(end)) => name = self.value(reader, end)?,
                (9, WireValue::Bytes(end)) if reader.left(end) <= 8 * FEW as u64 => raw = reader.bytes(end, 8 * FEW)?,
                (_, WireValue::Bytes(end)) => reader.skip_to(end)?,
                _ => {}
            }
        }
        // 1 float, 6 int32, 7 int64, 10 float16, 11 double, 16 bfloat16, 17 to 20 float8.
        let of_raw = || -> Option<Vec<f64>> {
            match kind {
                1 => Some(raw.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]).into()).collect()),
                6 => Some(raw.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]).into()).collect()),
                7 => Some(
                    raw.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("8 bytes")) as f64).collect(),
                ),
                11 => Some(raw.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes"))).collect()),
                _ => None,
            }
        };
        let count = sizes.iter().try_fold(1u64, |count, &size| count.checked_mul(size));
        let numbers = [Some(floats), Some(whole), of_raw()].into_iter().flatten().find(|numbers| !numbers.is_empty());
        let numbers = numbers.filter(|numbers| count == Some(numbers.len() as u64) && numbers.len() <= FEW);
        self.hold(ENTRY + 8 * (sizes.len() + numbers.as_ref().map_or(0, Vec::len)))?;
        let float = matches!(kind, 1 | 10 | 11 | 16..=20);
        Ok((name, StoredTensor { sizes, float, numbers }))
    }

    /// ValueInfoProto: 1 name, 2 type. TypeProto: 1 tensor_type. Tensor: 2 shape. TensorShapeProto: 1 dim. Dimension: 1 dim_value.
    fn value_info<R: BufRead + Seek>(&mut self, reader: &mut WireReader<R>, end: u64) -> Result<Option<Value>> {
        let (mut name, mut shape) = (None, None);
        while let Some((number, value)) = reader.next(end)? {
            match (number, value) {
                (1, WireValue::Bytes(end)) => name = self.value(reader, end)?,
                (2, WireValue::Bytes(end)) => shape = shape_of(reader, end, &[1, 2])?,
                (_, WireValue::Bytes(end)) => reader.skip_to(end)?,
                _ => {}
            }
        }
        if let (Some(name), Some(shape)) = (name, shape) {
            self.hold(ENTRY + 16 * shape.len())?;
            self.shapes.insert(name, shape);
        }
        Ok(name)
    }

    /// The value that is named here; none where the name is empty.
    fn value<R: BufRead + Seek>(&mut self, reader: &mut WireReader<R>, end: u64) -> Result<Option<Value>> {
        let text = String::from_utf8_lossy(&reader.bytes(end, MAX_NAME)?).into_owned();
        if text.is_empty() {
            return Ok(None);
        }
        if let Some(&value) = self.index.get(&text) {
            self.hold(size_of::<Value>())?;
            return Ok(Some(value));
        }
        self.hold(2 * text.len() + ENTRY)?;
        self.names.push(text.clone());
        self.index.insert(text, self.names.len() - 1);
        Ok(Some(self.names.len() - 1))
    }

    fn text<R: BufRead + Seek>(&mut self, reader: &mut WireReader<R>, end: u64) -> Result<String> {
        let text = String::from_utf8_lossy(&reader.bytes(end, MAX_NAME)?).into_owned();
        self.hold(text.len())?;
        Ok(text)
    }

    /// Counts what is held.
    fn hold(&mut self, bytes: usize) -> Result<()> {
        self.held += bytes;
        match self.held > MAX_HELD {
            true => Err(invalid("more names and numbers than a network has: are the weights in attributes?")),
            false => Ok(()),
        }
    }
}

/// Adds the whole numbers of a repeated field, which may be packed.
fn whole_numbers<R: BufRead + Seek>(
    reader: &mut WireReader<R>,
    value: WireValue,
    numbers: &mut Vec<u64>,
) -> Result<()> {
    match value {
        WireValue::Number(number) => numbers.push(number),
        WireValue::Bytes(end) => {
            while reader.left(end) > 0 && numbers.len() <= MAX_LIST {
                numbers.push(reader.varint(end)?);
            }
            reader.skip_to(end)?;
        }
        _ => {}
    }
    match numbers.len() > MAX_LIST {
        true => Err(invalid(format!("a list of more than {MAX_LIST} numbers where sizes are expected"))),
        false => Ok(()),
    }
}

/// The sizes in the message that is reached through the fields `path`.
fn shape_of<R: BufRead + Seek>(reader: &mut WireReader<R>, end: u64, path: &[u64]) -> Result<Option<Shape>> {
    let mut shape = path.is_empty().then(Vec::new);
    while let Some((number, value)) = reader.next(end)? {
        let WireValue::Bytes(end) = value else { continue };
        match (path, &mut shape) {
            ([first, rest @ ..], _) if number == *first => shape = shape_of(reader, end, rest)?,
            ([], Some(shape)) if number == 1 && shape.len() < MAX_LIST => {
                let mut size = None;
                while let Some((number, value)) = reader.next(end)? {
                    match value {
                        WireValue::Number(value) if number == 1 => size = Some(value),
                        WireValue::Bytes(end) => reader.skip_to(end)?,
                        _ => {}
                    }
                }
                shape.push(size);
            }
            _ => {}
        }
        reader.skip_to(end)?;
    }
    Ok(shape)
}
