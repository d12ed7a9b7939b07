//! Rules of a space of user-defined cells, as a configuration declares them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What every cell of the space `dag` obeys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CellRules {
    /// Number of nodes that a text gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Bounds>,
    /// Number of edges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edges: Option<Bounds>,
    /// Number of edges into every node that is not an input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_degree: Option<Bounds>,
    /// Whether every edge leads to a later node.
    pub ordered: bool,
    /// Operations that a place may hold.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub operations: BTreeMap<Place, Vec<String>>,
    /// Edges `i>j` that every cell has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<String>,
}

/// A smallest and a largest number; written as both, `[1, 3]`, or as the largest alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(from = "BoundsText", into = "BoundsText")]
pub struct Bounds {
    /// The smallest number.
    pub least: usize,
    /// The largest number.
    pub most: usize,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected a number, or the least and the most: [1, 3]")]
enum BoundsText {
    Most(usize),
    Both([usize; 2]),
}

impl From<BoundsText> for Bounds {
    fn from(text: BoundsText) -> Self {
        match text {
            BoundsText::Most(most) => Bounds { least: 0, most },
            BoundsText::Both([least, most]) => Bounds { least, most },
        }
    }
}

impl From<Bounds> for BoundsText {
    fn from(bounds: Bounds) -> Self {
        match bounds.least {
            0 => BoundsText::Most(bounds.most),
            least => BoundsText::Both([least, bounds.most]),
        }
    }
}

impl Bounds {
    /// The numbers that `values` lie between.
    pub fn of(values: impl IntoIterator<Item = usize>) -> Option<Self> {
        let join = |a: Bounds, b: Bounds| Bounds { least: a.least.min(b.least), most: a.most.max(b.most) };
        values.into_iter().map(|value| Bounds { least: value, most: value }).reduce(join)
    }

    /// Whether `value` lies between the numbers.
    pub fn contains(self, value: usize) -> bool {
        (self.least..=self.most).contains(&value)
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (0, most) => write!(f, "at most {most}"),
            (least, most) if least == most => write!(f, "exactly {most}"),
            (least, most) => write!(f, "{least} to {most}"),
        }
    }
}

/// Nodes of a cell: one of them by its index, the last one, or all that no other place names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(try_from = "PlaceText", into = "PlaceText")]
pub enum Place {
    /// The node with this index, counted from 0.
    Index(u16),
    /// All nodes that are not named otherwise.
    Others,
    /// The last node.
    Last,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected the index of a node, `last` or `others`")]
enum PlaceText {
    Index(u16),
    Name(String),
}

impl TryFrom<PlaceText> for Place {
    type Error = String;

    fn try_from(text: PlaceText) -> Result<Self, String> {
        match text {
            PlaceText::Index(index) => Ok(Place::Index(index)),
            PlaceText::Name(name) => match name.as_str() {
                "last" => Ok(Place::Last),
                "others" => Ok(Place::Others),
                // Keys of JSON are texts.
                digits => digits.parse().map(Place::Index).map_err(|_| {
                    format!("`{name}` is no place in a cell: a place is the index of a node, `last` or `others`")
                }),
            },
        }
    }
}

impl From<Place> for PlaceText {
    fn from(place: Place) -> Self {
        match place {
            Place::Index(index) => PlaceText::Index(index),
            _ => PlaceText::Name(place.to_string()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Index(index) => write!(f, "{index}"),
            Place::Others => write!(f, "others"),
            Place::Last => write!(f, "last"),
        }
    }
}
