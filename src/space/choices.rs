//! The space of a list of choices: every choice that exists has one of its values. Text: one word per choice, in the order of the
//! list, `stage1.depth=2 stage1.kernel=5 stage1.act=silu`.
//!
//! The list comes from a configuration. A choice may exist only where earlier choices have certain values; one that does not exist
//! is not in the text, so that two architectures that differ in nothing else are one.

use super::{Architecture, Space, invalid};
use crate::error::{Error, Result, Stage, shorten, suggest};
use crate::graph::choice::{ChoiceList, DeclaredChoice};
use crate::graph::{Graph, Vocabulary};
use crate::random::Random;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Spaces of at most this many architectures are listed.
const MAX_LISTED: u64 = 10_000_000;
/// The largest number of combinations of values that the conditions of later choices may ask for at a time.
const MAX_STATES: usize = 4096;

/// The index of the value of every choice; none for those that do not exist.
type Chosen = Vec<Option<u16>>;

/// The space of the choices of a vocabulary.
pub struct Choices {
    vocabulary: Vocabulary,
    list: Arc<ChoiceList>,
    counts: Vec<StateCounts>,
}

/// The numbers of ways to choose from one choice on.
struct StateCounts {
    /// The earlier choices on whose values they depend.
    parents: Vec<usize>,
    /// The number of ways by the values of the parents; exact up to 2^53.
    ways: BTreeMap<Chosen, f64>,
}

impl Choices {
    /// The space of the choices that `vocabulary` holds.
    ///
    /// # Errors
    /// If it holds none, or conditions that depend on too many choices at a time.
    pub fn new(vocabulary: Vocabulary) -> Result<Self> {
        let wrong = |message: &str| Error::new(Stage::Config, message);
        let Some(list) = vocabulary.choices().cloned() else {
            return Err(
                wrong("space choices needs `choices`").hint("declare every choice with its values in the config")
            );
        };
        let counts = counts(&list.choices).ok_or_else(|| {
            wrong("`when`: the conditions depend on the values of too many choices at a time")
                .hint("let choices depend on fewer others")
        })?;
        Ok(Choices { vocabulary, list, counts })
    }

    /// The values of `architecture`, one per choice.
    fn chosen(&self, architecture: &Architecture) -> Chosen {
        let mut ids = architecture.operations.iter().peekable();
        let value = |choice: &DeclaredChoice| ids.next_if(|id| choice.holds(**id)).map(|id| id - choice.first);
        self.list.choices.iter().map(value).collect()
    }

    fn architecture(&self, chosen: &Chosen) -> Architecture {
        let values = self.list.choices.iter().zip(chosen);
        Architecture::new(values.filter_map(|(choice, value)| Some(choice.operation((*value)?))).collect(), Vec::new())
    }

    /// Values for all choices: those of `decide`, which is asked for choices that exist, in their order, with the values so far.
    fn decide<E>(&self, mut decide: impl FnMut(usize, &[Option<u16>]) -> Result<u16, E>) -> Result<Chosen, E> {
        let mut chosen = Vec::with_capacity(self.list.choices.len());
        for (index, choice) in self.list.choices.iter().enumerate() {
            let value = choice.exists(&chosen).then(|| decide(index, &chosen)).transpose()?;
            chosen.push(value);
        }
        Ok(chosen)
    }

    /// A value for the choice at `index`, every architecture with the values before it being equally likely.
    fn draw(&self, index: usize, chosen: &[Option<u16>], random: &mut Random) -> u16 {
        let mut next: Chosen = chosen.to_vec();
        next.push(None);
        let values = self.list.choices[index].values.len() as u16;
        let ways: Vec<f64> = (0..values)
            .map(|value| {
                next[index] = Some(value);
                self.counts[index + 1].of(&next)
            })
            .collect();
        let mut rest = random.uniform() * ways.iter().sum::<f64>();
        let within = ways.iter().position(|ways| {
            rest -= ways;
            rest < 0.0
        });
        within.map_or(values - 1, |value| value as u16)
    }

    /// The architecture after `chosen`, whose last choice changes fastest.
    fn successor(&self, chosen: &Chosen) -> Option<Chosen> {
        let choices = self.list.choices.iter().zip(chosen);
        let can_grow = |(choice, value): (&DeclaredChoice, &Option<u16>)| {
            value.is_some_and(|value| usize::from(value) + 1 < choice.values.len())
        };
        let grown = choices.map(can_grow).collect::<Vec<bool>>().iter().rposition(|&can_grow| can_grow)?;
        let value = |index: usize| match index.cmp(&grown) {
            std::cmp::Ordering::Less => chosen[index].unwrap_or(0),
            std::cmp::Ordering::Equal => chosen[index].map_or(0, |value| value + 1),
            std::cmp::Ordering::Greater => 0,
        };
        Some(self.first(|index, _| value(index)))
    }

    /// As [`Choices::decide`], where nothing can fail.
    fn first(&self, mut decide: impl FnMut(usize, &[Option<u16>]) -> u16) -> Chosen {
        let chosen: Result<Chosen, std::convert::Infallible> = self.decide(|index, chosen| Ok(decide(index, chosen)));
        chosen.unwrap_or_else(|never| match never {})
    }

    /// An error about the choice at `index`, which has a value but does not exist beside those of `chosen`.
    fn superfluous(&self, index: usize, value: &str, chosen: &[Option<u16>]) -> Error {
        let choice = &self.list.choices[index];
        let violated = |(other, allowed): &&(usize, Vec<bool>)| !chosen[*other].is_some_and(|v| allowed[v as usize]);
        let (other, allowed) = choice.when.iter().find(violated).expect("a choice without a condition exists");
        let other = &self.list.choices[*other];
        let values = other.values.iter().zip(allowed).filter(|(_, allowed)| **allowed);
        let values: Vec<&str> = values.map(|(value, _)| value.text.as_str()).collect();
        let message = format!("choice `{}` has the value `{}`, but does not exist here", choice.name, shorten(value));
        invalid(message).hint(format!("it exists only where `{}` is {}", other.name, shorten(&values.join(" or "))))
    }
}

impl Space for Choices {
    fn name(&self) -> &str {
        super::CHOICE_SPACE
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn parse(&self, text: &str) -> Result<Architecture> {
        let choices = &self.list.choices;
        let mut words: Vec<Option<&str>> = vec![None; choices.len()];
        for word in text.split_whitespace() {
            let (name, value) = word.split_once('=').ok_or_else(|| {
                invalid(format!("`{}` is not a choice with a value", shorten(word)))
                    .hint("an architecture reads like: stage1.depth=2 stage1.kernel=5")
            })?;
            let index = choices.iter().position(|choice| choice.name == name).ok_or_else(|| {
                let known = choices.iter().map(|choice| choice.name.as_str());
                invalid(format!("there is no choice {}", suggest(&shorten(name), known)))
            })?;
            if words[index].replace(value).is_some() {
                return Err(invalid(format!("choice `{name}` is there twice")));
            }
        }
        let chosen = self.decide(|index, _| match words[index] {
            Some(word) => choices[index].value(word),
            None => Err(missing(&choices[index])),
        })?;
        let superfluous = (0..choices.len()).find(|&index| words[index].is_some() && chosen[index].is_none());
        match superfluous {
            Some(index) => Err(self.superfluous(index, words[index].unwrap_or_default(), &chosen)),
            None => Ok(self.architecture(&chosen)),
        }
    }

    fn print(&self, architecture: &Architecture) -> String {
        self.vocabulary.names(&architecture.operations).join(" ")
    }

    /// Every choice between the input and the output: a value needs no other to have its effect.
    fn graph(&self, architecture: &Architecture) -> Graph {
        let nodes = architecture.nodes_between_ends();
        let output = nodes.len() as u16 - 1;
        Graph::new(nodes, (1..output).flat_map(|node| [(0, node), (node, output)]))
    }

    fn size(&self) -> Option<u64> {
        let ways = self.counts[0].of(&Vec::new());
        (ways <= (1u64 << f64::MANTISSA_DIGITS) as f64).then_some(ways as u64)
    }

    fn enumerate(&self) -> Option<Box<dyn Iterator<Item = Architecture> + Send + '_>> {
        self.size().filter(|&size| size <= MAX_LISTED)?;
        let all = std::iter::successors(Some(self.first(|_, _| 0)), |chosen| self.successor(chosen));
        Some(Box::new(all.map(|chosen| self.architecture(&chosen))))
    }

    fn sample(&self, random: &mut Random) -> Result<Architecture> {
        Ok(self.architecture(&self.first(|index, chosen| self.draw(index, chosen, random))))
    }

    /// One choice gets another value; choices that exist only now are drawn.
    fn mutate(&self, architecture: &Architecture, random: &mut Random) -> Result<Architecture> {
        let before = self.chosen(architecture);
        let several = |&index: &usize| before[index].is_some() && self.list.choices[index].values.len() > 1;
        let open: Vec<usize> = (0..before.len()).filter(several).collect();
        if open.is_empty() {
            return Err(invalid(format!("no choice of `{}` has another value", self.print(architecture))));
        }
        let changed = open[random.below(open.len())];
        let others = self.list.choices[changed].values.len() as u16 - 1;
        let step = 1 + random.below(usize::from(others)) as u16;
        let chosen = self.first(|index, chosen| match before[index] {
            Some(value) if index == changed => (value + step) % (others + 1),
            Some(value) => value,
            None => self.draw(index, chosen, random),
        });
        Ok(self.architecture(&chosen))
    }

    /// Choices that exist only then have the value in the middle of their list.
    fn alternatives(&self, architecture: &Architecture, index: usize) -> Vec<Architecture> {
        let before = self.chosen(architecture);
        let operation = architecture.operations[index];
        let holds = |choice: &DeclaredChoice| choice.holds(operation);
        let changed = self.list.choices.iter().position(holds).expect("every operation is a value");
        let values = self.list.choices[changed].values.len() as u16;
        let with = |value: u16| {
            self.first(|index, _| match before[index] {
                _ if index == changed => value,
                Some(value) => value,
                None => self.list.choices[index].values.len() as u16 / 2,
            })
        };
        let others = (0..values).filter(|&value| before[changed] != Some(value));
        others.map(|value| self.architecture(&with(value))).collect()
    }

    fn columns(&self) -> Vec<Vec<&str>> {
        vec![self.list.choices.iter().map(|choice| choice.name.as_str()).collect()]
    }

    /// Values of choices that do not exist are left out: tables often have some there.
    fn compose(&self, fields: &[&str]) -> Result<String> {
        let choices = &self.list.choices;
        let chosen = self.decide(|index, _| match fields[index].trim() {
            "" => Err(missing(&choices[index])),
            field => choices[index].value(field),
        })?;
        Ok(self.print(&self.architecture(&chosen)))
    }
}

fn missing(choice: &DeclaredChoice) -> Error {
    let values: Vec<&str> = choice.values.iter().map(|value| value.text.as_str()).collect();
    invalid(format!("choice `{}` has no value", choice.name)).hint(format!(
        "`{}` is one of {}",
        choice.name,
        shorten(&values.join(", "))
    ))
}

impl StateCounts {
    /// The number of ways beside the values `chosen` before.
    fn of(&self, chosen: &[Option<u16>]) -> f64 {
        let state: Chosen = self.parents.iter().map(|&parent| chosen[parent]).collect();
        self.ways.get(&state).copied().unwrap_or(0.0)
    }
}

/// Counts for every choice and for the end behind the last one; none where there are too many combinations.
fn counts(choices: &[DeclaredChoice]) -> Option<Vec<StateCounts>> {
    // The choices before each one on which it or a later one depends.
    let parents = |from: usize| -> Vec<usize> {
        let later = choices[from..].iter().flat_map(|choice| choice.when.iter().map(|(other, _)| *other));
        let mut parents: Vec<usize> = later.filter(|&other| other < from).collect();
        parents.sort_unstable();
        parents.dedup();
        parents
    };
    let parents: Vec<Vec<usize>> = (0..=choices.len()).map(parents).collect();
    // Every state that can be reached, and with how many values which state follows.
    let mut levels: Vec<BTreeMap<Chosen, BTreeMap<Chosen, f64>>> =
        vec![BTreeMap::from([(Vec::new(), BTreeMap::new())])];
    for (index, choice) in choices.iter().enumerate() {
        let mut next: BTreeMap<Chosen, BTreeMap<Chosen, f64>> = BTreeMap::new();
        for (state, following) in &mut levels[index] {
            let mut chosen: Chosen = vec![None; index + 1];
            parents[index].iter().zip(state).for_each(|(&parent, &value)| chosen[parent] = value);
            let values: Chosen = match choice.exists(&chosen) {
                true => (0..choice.values.len() as u16).map(Some).collect(),
                false => vec![None],
            };
            for value in values {
                chosen[index] = value;
                let after: Chosen = parents[index + 1].iter().map(|&parent| chosen[parent]).collect();
                next.entry(after.clone()).or_default();
                *following.entry(after).or_default() += 1.0;
            }
            if next.len() > MAX_STATES {
                return None;
            }
        }
        levels.push(next);
    }
    let mut counts: Vec<StateCounts> = Vec::new();
    for (level, parents) in levels.into_iter().zip(parents).rev() {
        let ways = |following: &BTreeMap<Chosen, f64>| match counts.last() {
            Some(next) => following.iter().map(|(state, count)| count * next.ways[state]).sum(),
            None => 1.0,
        };
        let ways = level.into_iter().map(|(state, following)| (state, ways(&following))).collect();
        counts.push(StateCounts { parents, ways });
    }
    counts.reverse();
    Some(counts)
}
