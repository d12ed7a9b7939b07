//! Translation: graphs of one space in the operations of another, where these mean the same under other names.

use super::{Graph, Operation, Role, Vocabulary};

/// Names that benchmarks give to one operation.
const SYNONYMS: [&[&str]; 4] = [
    &["conv_1x1", "nor_conv_1x1", "conv1x1-bn-relu", "conv1x1"],
    &["conv_3x3", "nor_conv_3x3", "conv3x3-bn-relu", "conv3x3"],
    &["max_pool_3x3", "maxpool3x3"],
    // What a skip connection is where a cell halves the resolution.
    &["skip_connect", "skip", "identity", "factorized_reduce"],
];

/// From the operations of one vocabulary to those of another.
#[derive(Debug)]
pub struct Translation(Vec<Option<u16>>);

impl Translation {
    /// An operation is found by its name, by another name of the same operation, or as the only one of its role.
    pub fn new(from: &Vocabulary, to: &Vocabulary) -> Self {
        let ids = || 0..to.len() as u16;
        let find = |name: &str, role: Role| {
            let synonyms = SYNONYMS.iter().find(|names| names.contains(&name));
            let mut alone = ids().filter(|&id| role != Role::Compute && to.role(id) == role);
            let only = alone.next().filter(|_| alone.next().is_none());
            let same = ids().find(|&id| to.name(id) == name);
            same.or_else(|| ids().find(|&id| synonyms.is_some_and(|names| names.contains(&to.name(id))))).or(only)
        };
        // Values of choices are no operations.
        let strange = from.choices().is_some() || to.choices().is_some();
        let of = |operation: &Operation| find(&operation.name, operation.role).filter(|_| !strange);
        Translation(from.operations().iter().map(of).collect())
    }

    /// `graph` in the other operations; none where one of its operations has no counterpart.
    pub fn apply(&self, graph: &Graph) -> Option<Graph> {
        let operations: Option<Vec<u16>> = graph.operations.iter().map(|&id| self.0[id as usize]).collect();
        Some(Graph { operations: operations?, ..graph.clone() })
    }
}
