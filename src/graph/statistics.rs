//! Path statistics of a canonical graph: features that describe what its paths from inputs to outputs compute.
//!
//! They are defined for any vocabulary and cheap to compute (dynamic programs over the topological order). For a kernel
//! they describe a cell better than the graph itself: what matters is the paths on which an operation lies, not its index.

use super::{Edge, Graph, Role, Vocabulary};

/// The value of an extreme over paths if no path exists.
const NO_PATH: f64 = -1.0;
/// The largest number of paths that is told apart from more of them: the product of two is still a number.
const MOST_PATHS: f64 = 1e150;
/// Numbers of statistics of a whole graph, of an operation, and of an unordered pair of operations.
const OF_GRAPH: usize = 10;
const OF_OPERATION: usize = 8;
const OF_PAIR: usize = 3;

/// What a statistic is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatisticSubject {
    /// How it is computed: the same number for statistics that differ in their operations only, below [`StatisticSubject::KINDS`].
    pub kind: usize,
    /// The operations that it is about: none, one or two.
    pub operations: Vec<u16>,
}

impl StatisticSubject {
    const EDGES: usize = OF_GRAPH + OF_OPERATION;
    const REACHABLE: usize = Self::EDGES + 1 + OF_PAIR;
    /// Number of kinds.
    pub const KINDS: usize = Self::REACHABLE + 4;

    fn new(kind: usize, operations: &[u16]) -> Self {
        StatisticSubject { kind, operations: operations.to_vec() }
    }

    /// What each of the [`statistics`] is of.
    pub fn of_statistics(vocabulary: &Vocabulary) -> Vec<Self> {
        let operations = inner(vocabulary);
        let mut subjects: Vec<Self> = (0..OF_GRAPH).map(|kind| Self::new(kind, &[])).collect();
        for (index, &first) in operations.iter().enumerate() {
            subjects.extend((0..OF_OPERATION).map(|kind| Self::new(OF_GRAPH + kind, &[first])));
            for (other, &second) in operations.iter().enumerate() {
                subjects.push(Self::new(Self::EDGES, &[first, second]));
                if other > index {
                    subjects.extend((1..=OF_PAIR).map(|kind| Self::new(Self::EDGES + kind, &[first, second])));
                }
            }
        }
        subjects
    }

    /// What each of the [`reachable_pairs`] is of. Inputs and outputs are no operations, but tell kinds apart.
    pub fn of_reachable_pairs(vocabulary: &Vocabulary) -> Vec<Self> {
        let ids = 0..vocabulary.len() as u16;
        let pairs = ids.clone().flat_map(|from| ids.clone().map(move |to| [from, to]));
        let subject = |pair: [u16; 2]| {
            let [from, to] = pair.map(|id| usize::from(vocabulary.is_end(id)));
            let inner: Vec<u16> = pair.into_iter().filter(|&id| !vocabulary.is_end(id)).collect();
            Self::new(Self::REACHABLE + from + 2 * to, &inner)
        };
        pairs.map(subject).collect()
    }
}

/// Path statistics of `graph`, whose nodes must be in topological order. Their number depends on the vocabulary only: for C
/// operations other than inputs and outputs, 10 of the whole graph, 8 per operation, 1 per ordered pair and 3 per unordered
/// pair of operations.
pub fn statistics(graph: &Graph, vocabulary: &Vocabulary) -> Vec<f64> {
    Paths::new(graph, vocabulary).statistics()
}

/// The operations of the vocabulary other than inputs and outputs.
fn inner(vocabulary: &Vocabulary) -> Vec<u16> {
    (0..vocabulary.len() as u16).filter(|&id| !vocabulary.is_end(id)).collect()
}

/// [`statistics`], followed by one value for each of the C^2 ordered pairs of operations: how often the first occurs before
/// the second on a path, averaged over all paths. They tell where an operation lies in a cell relative to the others.
pub fn with_order(graph: &Graph, vocabulary: &Vocabulary) -> Vec<f64> {
    let paths = Paths::new(graph, vocabulary);
    let mut values = paths.statistics();
    values.extend(paths.order(vocabulary.len()));
    values
}

/// For every ordered pair of operations of the vocabulary, inputs and outputs included, the number of pairs of nodes with these
/// operations of which the first reaches the second, `[V * V]`. The nodes of `graph` must be in topological order.
pub fn reachable_pairs(graph: &Graph, vocabulary: &Vocabulary) -> Vec<f64> {
    let (nodes, width) = (graph.len(), vocabulary.len());
    // Nodes that reach each node, as bits.
    let words = nodes.div_ceil(64);
    let mut ancestors = vec![0u64; nodes * words];
    for edge in &graph.edges {
        let (from, to) = (edge.from as usize, edge.to as usize);
        for word in 0..words {
            ancestors[to * words + word] |= ancestors[from * words + word];
        }
        ancestors[to * words + from / 64] |= 1 << (from % 64);
    }
    let mut pairs = vec![0.0; width * width];
    for to in 0..nodes {
        for from in (0..nodes).filter(|from| ancestors[to * words + from / 64] >> (from % 64) & 1 == 1) {
            pairs[graph.operations[from] as usize * width + graph.operations[to] as usize] += 1.0;
        }
    }
    pairs
}

/// A graph with its numbers of paths. Masks hold 1 for the nodes that belong to them and 0 for the others, `[N]`.
struct Paths<'a> {
    graph: &'a Graph,
    /// The operations of the vocabulary other than inputs and outputs.
    operations: Vec<u16>,
    /// The masks of inputs, of outputs, and of all other nodes.
    input: Vec<f64>,
    output: Vec<f64>,
    inner: Vec<f64>,
    /// Number of paths from the inputs to each node, and from each node to the outputs, `[N]`.
    before: Vec<f64>,
    after: Vec<f64>,
    /// Number of paths from the inputs to the outputs.
    total: f64,
}

impl<'a> Paths<'a> {
    fn new(graph: &'a Graph, vocabulary: &Vocabulary) -> Self {
        let mask = |test: &dyn Fn(u16) -> bool| -> Vec<f64> {
            graph.operations.iter().map(|&id| f64::from(test(id))).collect()
        };
        let mut paths = Paths {
            graph,
            operations: inner(vocabulary),
            input: mask(&|id| vocabulary.role(id) == Role::Input),
            output: mask(&|id| vocabulary.role(id) == Role::Output),
            inner: mask(&|id| !vocabulary.is_end(id)),
            before: Vec::new(),
            after: Vec::new(),
            total: 0.0,
        };
        paths.before = paths.count(&vec![1.0; graph.len()]);
        paths.after = paths.output.clone();
        for edge in graph.edges.iter().rev() {
            let after = paths.after[edge.to as usize] * f64::from(edge.count);
            let known = &mut paths.after[edge.from as usize];
            *known = (*known + after).min(MOST_PATHS);
        }
        paths.total = paths.at_outputs(&paths.before);
        paths
    }

    fn statistics(&self) -> Vec<f64> {
        let mask =
            |id: &u16| -> Vec<f64> { self.graph.operations.iter().map(|other| f64::from(other == id)).collect() };
        let masks: Vec<Vec<f64>> = self.operations.iter().map(mask).collect();
        let mut values = self.of_graph().to_vec();
        for (index, first) in masks.iter().enumerate() {
            values.extend(self.of_operation(first));
            for (other, second) in masks.iter().enumerate() {
                values.push(self.edges_between(first, second).ln_1p());
                if other > index {
                    let both: Vec<f64> = first.iter().zip(second).map(|(a, b)| a + b).collect();
                    values.extend([self.extreme(&both, true), self.extreme(&both, false), self.avoiding(&both)]);
                }
            }
        }
        values
    }

    fn of_graph(&self) -> [f64; OF_GRAPH] {
        let direct = self.edges_between(&self.input, &self.output);
        let edges = &self.graph.edges;
        let count = |test: &dyn Fn(&Edge) -> bool| edges.iter().filter(|edge| test(edge)).count() as f64;
        [
            self.total.ln_1p(),
            direct.ln_1p(),
            f64::from(direct > 0.0),
            self.inner.iter().sum(),
            edges.len() as f64,
            count(&|edge| self.input[edge.from as usize] > 0.0),
            count(&|edge| self.output[edge.to as usize] > 0.0),
            edges.iter().map(|edge| f64::from(edge.count).ln_1p()).sum(),
            self.extreme(&self.inner, true),
            self.extreme(&self.inner, false),
        ]
    }

    /// Statistics of the operation whose nodes are in `mask`.
    fn of_operation(&self, mask: &[f64]) -> [f64; OF_OPERATION] {
        let on_paths: f64 = (0..mask.len()).map(|node| self.before[node] * self.after[node] * mask[node]).sum();
        let only: Vec<f64> = mask.iter().zip(&self.inner).map(|(mask, inner)| mask + 1.0 - inner).collect();
        [
            mask.iter().sum(),
            on_paths / self.total.max(1.0),
            self.extreme(mask, true),
            self.extreme(mask, false),
            self.avoiding(mask),
            self.at_outputs(&self.count(&only)).ln_1p(),
            self.edges_between(&self.input, mask).ln_1p(),
            self.edges_between(mask, &self.output).ln_1p(),
        ]
    }

    /// For all ordered pairs of operations, the number of pairs of nodes with these operations on a path, averaged over
    /// all paths, `[C * C]`.
    fn order(&self, vocabulary: usize) -> Vec<f64> {
        let mut pairs = vec![vec![0.0; vocabulary]; vocabulary];
        for start in 0..self.graph.len() {
            let mut paths = vec![0.0; self.graph.len()];
            paths[start] = self.before[start] / self.total.max(1.0);
            for edge in &self.graph.edges {
                paths[edge.to as usize] += paths[edge.from as usize] * f64::from(edge.count);
            }
            let pairs = &mut pairs[self.graph.operations[start] as usize];
            for node in start + 1..self.graph.len() {
                pairs[self.graph.operations[node] as usize] += paths[node] * self.after[node];
            }
        }
        let of_pair = |first: &u16, second: &u16| pairs[*first as usize][*second as usize];
        self.operations
            .iter()
            .flat_map(|first| self.operations.iter().map(move |second| of_pair(first, second)))
            .collect()
    }

    /// Number of paths from the inputs to each node that pass only nodes in the mask `keep`, `[N]`. The edges are sorted by
    /// their source, and every source comes before its destinations.
    fn count(&self, keep: &[f64]) -> Vec<f64> {
        let mut paths = self.input.clone();
        for edge in &self.graph.edges {
            let before = paths[edge.from as usize] * f64::from(edge.count) * keep[edge.to as usize];
            paths[edge.to as usize] = (paths[edge.to as usize] + before).min(MOST_PATHS);
        }
        paths
    }

    fn at_outputs(&self, values: &[f64]) -> f64 {
        self.output.iter().zip(values).filter(|(output, _)| **output > 0.0).map(|(_, value)| value).sum()
    }

    /// The largest or smallest number of nodes in `mask` on a path; [`NO_PATH`] if there is none.
    fn extreme(&self, mask: &[f64], largest: bool) -> f64 {
        let sign = if largest { 1.0 } else { -1.0 };
        let mut best: Vec<Option<f64>> = self.input.iter().map(|&input| (input > 0.0).then_some(0.0)).collect();
        for edge in &self.graph.edges {
            if let Some(here) = best[edge.from as usize] {
                let there = here + sign * mask[edge.to as usize];
                let known = &mut best[edge.to as usize];
                *known = Some(known.map_or(there, |known| known.max(there)));
            }
        }
        let at_outputs = self.output.iter().zip(best).filter(|(output, _)| **output > 0.0).filter_map(|(_, best)| best);
        at_outputs.reduce(f64::max).map_or(NO_PATH, |best| sign * best)
    }

    /// Fraction of the paths that avoid all nodes in `mask`.
    fn avoiding(&self, mask: &[f64]) -> f64 {
        let keep: Vec<f64> = mask.iter().map(|mask| 1.0 - mask).collect();
        self.at_outputs(&self.count(&keep)) / self.total.max(1.0)
    }

    /// Number of edges from the nodes in one mask to the nodes in another.
    fn edges_between(&self, from: &[f64], to: &[f64]) -> f64 {
        let weight = |edge: &Edge| f64::from(edge.count) * from[edge.from as usize] * to[edge.to as usize];
        self.graph.edges.iter().map(weight).sum()
    }
}
