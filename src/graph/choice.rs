//! Choices: what a space of choices declares, and what its operations have in common.
//!
//! An operation of such a space is a choice with a value, `stage1.kernel=5`. Its features say which choice it is and, where the
//! value is a number, where it lies among the others of its list, on a plain scale and on a logarithmic one where the numbers
//! grow by factors. Choices whose names differ in their numbers only (`stage1.width`, `stage2.width`), and choices of one
//! group (all that begin with `stage1.`), share further features. So the sum of the features of an architecture's operations
//! holds every choice, the totals of every kind and group, and how many of them exist.

use super::vocabulary::{Role, Vocabulary};
use crate::error::{Error, Result, Stage, shorten, suggest};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// The largest numbers of choices and of values of all choices together.
const MAX_CHOICES: usize = 250;
const MAX_VALUES: usize = 1_000;
/// Numbers of which the largest is this multiple of the smallest grow by factors.
const FACTOR: f64 = 8.0;
/// Ids of the ends of every graph; values follow.
const ENDS: [(&str, Role); 2] = [("input", Role::Input), ("output", Role::Output)];

/// A map in the order in which it is written; no key occurs twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderedMap<T>(pub Vec<(String, T)>);

impl<T> Default for OrderedMap<T> {
    fn default() -> Self {
        OrderedMap(Vec::new())
    }
}

impl<T> OrderedMap<T> {
    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Serialize> Serialize for OrderedMap<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrderedMap<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = OrderedMap<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("names with values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries: Vec<(String, T)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, T>()? {
                    if entries.iter().any(|(known, _)| *known == key) {
                        return Err(A::Error::custom(format!("`{}` is there twice", shorten(&key))));
                    }
                    entries.push((key, value));
                }
                Ok(OrderedMap(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// Values by the name of their choice.
pub type NamedValues = OrderedMap<Vec<Value>>;

/// What a configuration or a checkpoint says of a space of choices.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChoiceDeclaration {
    /// The values of every choice, in the order of the network.
    pub choices: NamedValues,
    /// For choices that do not always exist, the values that other choices must have.
    #[serde(default, skip_serializing_if = "OrderedMap::is_empty")]
    pub when: OrderedMap<NamedValues>,
}

/// A value of a choice.
#[derive(Debug, Clone, PartialEq)]
pub struct ChoiceValue {
    /// How it is written.
    pub text: String,
    /// Numbers are ordered, words are not.
    pub number: Option<f64>,
}

/// A choice: one of its values, where it exists.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredChoice {
    /// What it is called.
    pub name: String,
    /// What it can be.
    pub values: Vec<ChoiceValue>,
    /// Id of the operation that stands for its first value; those of the others follow.
    pub first: u16,
    /// Earlier choices and, for each of their values, whether this choice exists with it.
    pub when: Vec<(usize, Vec<bool>)>,
}

/// What is known of the operations of a space of choices.
#[derive(Debug, PartialEq)]
pub struct ChoiceList {
    /// What they come from.
    pub declaration: ChoiceDeclaration,
    /// The choices, in the order of the network.
    pub choices: Vec<DeclaredChoice>,
    /// Features of the operations.
    pub features: Arc<OperationFeatures>,
}

/// On which scale numbers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NumberScale {
    /// By their logarithms where they grow by factors.
    Factors,
    /// As they are.
    Plain,
}

/// Features of operations: columns, each with one value per operation.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationFeatures {
    /// Number of operations, V.
    pub operations: usize,
    columns: Vec<(Option<NumberScale>, Vec<f64>)>, // none: on both scales
}

impl OperationFeatures {
    /// Number of features, C.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// All features of all operations, [V, C] row by row.
    pub fn table(&self) -> Vec<f64> {
        (0..self.operations).flat_map(|id| self.columns.iter().map(move |(_, values)| values[id])).collect()
    }

    /// The sums of the features of `operations`, on one scale or on both.
    pub fn sum(&self, operations: &[u16], scale: Option<NumberScale>) -> Vec<f64> {
        let of_scale = |own: &Option<NumberScale>| scale.is_none() || own.is_none() || *own == scale;
        let columns = self.columns.iter().filter(|(own, _)| of_scale(own));
        columns.map(|(_, values)| operations.iter().map(|&id| values[id as usize]).sum()).collect()
    }
}

impl DeclaredChoice {
    /// The index of the value that is written `text`: the same text or, for numbers, the same number.
    ///
    /// # Errors
    /// No value is; the message names the nearest one.
    pub fn value(&self, text: &str) -> Result<u16> {
        let number: Option<f64> = text.parse().ok();
        let same = |value: &ChoiceValue| value.text == text || (number.is_some() && value.number == number);
        if let Some(index) = self.values.iter().position(same) {
            return Ok(index as u16);
        }
        let names: Vec<&str> = self.values.iter().map(|value| value.text.as_str()).collect();
        let numbers = self.values.iter().filter_map(|value| Some((value.number?, value)));
        let distance = |(own, _): &(f64, &ChoiceValue)| number.map_or(f64::NAN, |number| (own - number).abs());
        let nearest = numbers.min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let found = match nearest.filter(|_| number.is_some_and(f64::is_finite)) {
            Some((_, value)) => format!("`{}` (the nearest is {})", shorten(text), value.text),
            None => suggest(&shorten(text), names.iter().copied()),
        };
        Err(Error::new(Stage::Architecture, format!("choice `{}` has no value {found}", self.name)).hint(format!(
            "`{}` is one of {}",
            self.name,
            shorten(&names.join(", "))
        )))
    }

    /// Whether the operation `id` is one of its values.
    pub fn holds(&self, id: u16) -> bool {
        (self.first..self.first + self.values.len() as u16).contains(&id)
    }

    /// The operation of the value at `index`.
    pub fn operation(&self, index: u16) -> u16 {
        self.first + index
    }

    /// Whether it exists where the choices before it have the values at the indices `chosen`; none for those that do not exist.
    pub fn exists(&self, chosen: &[Option<u16>]) -> bool {
        self.when.iter().all(|(other, allowed)| chosen[*other].is_some_and(|value| allowed[value as usize]))
    }
}

impl ChoiceDeclaration {
    /// The vocabulary of the space: the ends of a graph and all values of all choices.
    ///
    /// # Errors
    /// No choice, too many, a name or a value that cannot be written in a text, a value that is there twice, a condition on a
    /// choice that is not there or comes later.
    pub fn vocabulary(&self) -> Result<Vocabulary> {
        let mut choices: Vec<DeclaredChoice> = Vec::new();
        let mut next = ENDS.len();
        for (name, values) in &self.choices.0 {
            check_word("the name of a choice", name)?;
            let values = values.iter().map(|value| read_value(name, value)).collect::<Result<Vec<_>>>()?;
            let (when, first) = (Vec::new(), next as u16);
            next += values.len();
            if choices.len() == MAX_CHOICES || next > MAX_VALUES {
                return Err(wrong(format!(
                    "more than {MAX_CHOICES} choices, or more than {MAX_VALUES} values of all choices"
                )));
            }
            choices.push(checked(DeclaredChoice { name: name.clone(), values, first, when })?);
        }
        if choices.is_empty() {
            return Err(wrong("`choices` is empty").hint("name every choice with its values: depth: [1, 2, 3]"));
        }
        for (name, conditions) in &self.when.0 {
            let index = position(&choices, name)?;
            for (other, values) in &conditions.0 {
                let condition = read_condition(&choices, index, other, values)?;
                choices[index].when.push(condition);
            }
        }
        let names: Vec<String> = choices
            .iter()
            .flat_map(|choice| choice.values.iter().map(|value| format!("{}={}", choice.name, value.text)))
            .collect();
        let values = names.iter().map(|name| (name.as_str(), Role::Compute));
        let vocabulary = Vocabulary::new(ENDS.into_iter().chain(values));
        let features = Arc::new(features(&choices, vocabulary.len()));
        Ok(vocabulary.with_choices(Arc::new(ChoiceList { declaration: self.clone(), choices, features })))
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(Stage::Config, message)
}

fn check_word(what: &str, text: &str) -> Result<()> {
    if text.is_empty() || text.contains(|letter: char| letter.is_whitespace() || "=,;\"".contains(letter)) {
        return Err(wrong(format!("`{}` cannot be {what}", shorten(text)))
            .hint("it is not empty and has no whitespace, comma, semicolon, quote or `=`"));
    }
    Ok(())
}

fn read_value(choice: &str, value: &Value) -> Result<ChoiceValue> {
    let (text, number) = match value {
        Value::Number(number) => (number.to_string(), number.as_f64()),
        Value::String(text) => (text.clone(), None),
        Value::Bool(value) => (value.to_string(), None),
        _ => return Err(wrong(format!("choice `{choice}`: a value is neither a number nor a word"))),
    };
    check_word(&format!("a value of choice `{choice}`"), &text)?;
    Ok(ChoiceValue { text, number })
}

/// `choice`, if it has values, each once.
fn checked(choice: DeclaredChoice) -> Result<DeclaredChoice> {
    let same = |a: &ChoiceValue, b: &ChoiceValue| a.text == b.text || (a.number.is_some() && a.number == b.number);
    let twice =
        (choice.values.iter().enumerate()).find(|(index, a)| choice.values[..*index].iter().any(|b| same(a, b)));
    match twice {
        Some((_, value)) => Err(wrong(format!("choice `{}` has the value {} twice", choice.name, value.text))),
        None if choice.values.is_empty() => Err(wrong(format!("choice `{}` has no value", choice.name))),
        None => Ok(choice),
    }
}

/// Index of the choice called `name`.
fn position(choices: &[DeclaredChoice], name: &str) -> Result<usize> {
    choices.iter().position(|choice| choice.name == name).ok_or_else(|| {
        let known = choices.iter().map(|choice| choice.name.as_str());
        wrong(format!("`when`: there is no choice {}", suggest(&shorten(name), known)))
    })
}

fn read_condition(
    choices: &[DeclaredChoice],
    index: usize,
    other: &str,
    values: &[Value],
) -> Result<(usize, Vec<bool>)> {
    let (name, earlier) = (&choices[index].name, position(choices, other)?);
    if earlier >= index {
        return Err(wrong(format!("`when`: `{name}` depends on `{other}`, which is not before it"))
            .hint("list a choice behind those that it depends on"));
    }
    let mut allowed = vec![false; choices[earlier].values.len()];
    for value in values {
        let value = choices[earlier].value(&read_value(other, value)?.text);
        let value = value.map_err(|error| wrong(format!("`when` of `{name}`: {}", error.message())))?;
        allowed[value as usize] = true;
    }
    if !allowed.contains(&true) {
        return Err(wrong(format!("`when`: `{name}` exists with no value of `{other}`")));
    }
    Ok((earlier, allowed))
}

/// What a column of features is of: a choice, a kind, a group, or a kind within a group; the same for all of them.
type ColumnKey = (u8, String, ColumnPart);

/// What a column of features holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum ColumnPart {
    /// 1 where the value is a number.
    Exists,
    /// The number, with mean 0 and standard deviation 1 over the list.
    Number(NumberScale),
    /// 1 where the value is this word.
    Word(String),
}

fn features(choices: &[DeclaredChoice], operations: usize) -> OperationFeatures {
    let mut columns: BTreeMap<ColumnKey, Vec<f64>> = BTreeMap::new();
    for choice in choices {
        let plain: Vec<Option<f64>> = choice.values.iter().map(|value| value.number).collect();
        let scaled = [NumberScale::Factors, NumberScale::Plain].map(|scale| (scale, standardised(&plain, scale)));
        for (index, value) in choice.values.iter().enumerate() {
            let mut parts = Vec::new();
            match value.number {
                None => parts.push((ColumnPart::Word(value.text.clone()), 1.0)),
                Some(_) => {
                    parts.push((ColumnPart::Exists, 1.0));
                    parts.extend(scaled.iter().map(|(scale, values)| (ColumnPart::Number(*scale), values[index])));
                }
            }
            for (level, key) in keys(&choice.name) {
                for (part, number) in &parts {
                    let column = columns.entry((level, key.clone(), part.clone()));
                    column.or_insert_with(|| vec![0.0; operations])[choice.operation(index as u16) as usize] = *number;
                }
            }
        }
    }
    let mut kept: Vec<(Option<NumberScale>, Vec<f64>)> = Vec::new();
    for ((_, _, part), values) in columns {
        let scale = if let ColumnPart::Number(scale) = part { Some(scale) } else { None };
        match kept.iter_mut().find(|(_, known)| *known == values) {
            Some((known, _)) if *known != scale => *known = None,
            Some(_) => {}
            None => kept.push((scale, values)),
        }
    }
    OperationFeatures { operations, columns: kept }
}

/// The choice itself, its kind (the name without numbers), its group (what is before the last point), and its kind within the
/// group.
fn keys(name: &str) -> Vec<(u8, String)> {
    let without_digits = |text: &str| text.chars().filter(|letter| !letter.is_ascii_digit()).collect::<String>();
    let mut keys = vec![(0, name.to_string()), (1, without_digits(name))];
    if let Some((group, own)) = name.rsplit_once('.') {
        keys.extend([(2, group.to_string()), (3, format!("{group}.{}", without_digits(own)))]);
    }
    keys
}

/// Numbers with mean 0 and standard deviation 1, by their logarithms where the scale asks for it and they grow by factors; 0 for
/// words.
fn standardised(values: &[Option<f64>], scale: NumberScale) -> Vec<f64> {
    let mut numbers: Vec<f64> = values.iter().flatten().copied().collect();
    let by_factors = scale == NumberScale::Factors && grows_by_factors(&numbers);
    let read = |number: f64| if by_factors { number.ln() } else { number };
    numbers.iter_mut().for_each(|number| *number = read(*number));
    let count = numbers.len().max(1) as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let deviation = (numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / count).sqrt();
    let deviation = if deviation > 0.0 { deviation } else { 1.0 };
    values.iter().map(|value| value.map_or(0.0, |number| (read(number) - mean) / deviation)).collect()
}

/// Whether numbers lie more evenly on a logarithmic scale, or span so much that small ones would be one on a plain scale.
fn grows_by_factors(numbers: &[f64]) -> bool {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let [first, .., last] = sorted[..] else { return false };
    if first <= 0.0 {
        return false;
    }
    let unevenness = |numbers: &[f64]| {
        let gaps: Vec<f64> = numbers.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let (least, most) = gaps.iter().fold((f64::MAX, 0.0f64), |(least, most), &gap| (least.min(gap), most.max(gap)));
        most / least
    };
    let logarithms: Vec<f64> = sorted.iter().map(|number| number.ln()).collect();
    last >= FACTOR * first || unevenness(&logarithms) < unevenness(&sorted)
}
