//! Path statistics of a canonical graph: numbers that say what its paths from input to output compute.
//!
//! They are generic in the vocabulary and cheap, O(N^2) dynamic programs over the topological order, and a far better
//! description for a kernel than the graph itself: along which paths operations stand matters, not at which place.

use super::Graph;
use crate::graph::{Role, Vocabulary};

/// Stands for "there is no path".
const NO_PATH: f64 = -1.0;

/// Statistics of `graph`, whose order must be topological: as many for every graph over `vocabulary`. For C computing
/// operations: 10 of the whole graph, 8 an operation, one an ordered pair and 3 an unordered pair of operations.
pub fn statistics(graph: &Graph, vocabulary: &Vocabulary) -> Vec<f64> {
    let paths = Paths::new(graph, vocabulary);
    let operations: Vec<u16> =
        (0..vocabulary.len() as u16).filter(|&id| !matches!(vocabulary.role(id), Role::Input | Role::Output)).collect();
    let is = |id: u16| graph.operations.iter().map(|&other| f64::from(other == id)).collect::<Vec<f64>>();
    let indicators: Vec<Vec<f64>> = operations.iter().map(|&id| is(id)).collect();
    let mut values = paths.of_graph();
    for (place, first) in indicators.iter().enumerate() {
        paths.of_operation(first, &mut values);
        for (other, second) in indicators.iter().enumerate() {
            values.push(paths.edges_between(first, second).ln_1p());
            if other > place {
                let both: Vec<f64> = first.iter().zip(second).map(|(a, b)| a + b).collect();
                values.extend([paths.extreme(&both, true), paths.extreme(&both, false), paths.avoiding(&both)]);
            }
        }
    }
    values
}

/// [`statistics`] and, for every ordered pair of operations, how often the first stands before the second along a path, mean
/// over paths: where in a cell an operation stands, relative to the others.
pub fn with_order(graph: &Graph, vocabulary: &Vocabulary) -> Vec<f64> {
    let mut values = statistics(graph, vocabulary);
    let computes = |id: u16| !matches!(vocabulary.role(id), Role::Input | Role::Output);
    let before = Paths::new(graph, vocabulary).order(vocabulary.len());
    let pairs =
        (0..vocabulary.len() as u16).flat_map(|first| (0..vocabulary.len() as u16).map(move |second| (first, second)));
    let pairs = pairs.filter(|&(first, second)| computes(first) && computes(second));
    values.extend(pairs.map(|(first, second)| before[first as usize][second as usize]));
    values
}

/// A graph with its numbers of paths.
struct Paths<'a> {
    graph: &'a Graph,
    input: Vec<bool>,
    output: Vec<bool>,
    compute: Vec<f64>,
    /// Paths from an input to each node, from each node to an output.
    before: Vec<f64>,
    after: Vec<f64>,
    total: f64,
}

impl<'a> Paths<'a> {
    fn new(graph: &'a Graph, vocabulary: &Vocabulary) -> Self {
        let role =
            |wanted: Role| -> Vec<bool> { graph.operations.iter().map(|&id| vocabulary.role(id) == wanted).collect() };
        let (input, output) = (role(Role::Input), role(Role::Output));
        let compute = (input.iter().zip(&output)).map(|(&input, &output)| f64::from(!input && !output)).collect();
        let mut paths = Paths { graph, input, output, compute, before: Vec::new(), after: Vec::new(), total: 0.0 };
        paths.before = paths.count(&vec![1.0; graph.len()]);
        paths.after = paths.count_back();
        paths.total = paths.at_outputs(&paths.before);
        paths
    }

    /// Paths from an input to each node over nodes that `keep` (0 or 1) keeps. Edges are sorted by their giver, and givers
    /// come before takers.
    fn count(&self, keep: &[f64]) -> Vec<f64> {
        let mut paths: Vec<f64> = self.input.iter().map(|&input| f64::from(input)).collect();
        for edge in &self.graph.edges {
            paths[edge.to as usize] += paths[edge.from as usize] * f64::from(edge.count) * keep[edge.to as usize];
        }
        paths
    }

    fn count_back(&self) -> Vec<f64> {
        let mut paths: Vec<f64> = self.output.iter().map(|&output| f64::from(output)).collect();
        for edge in self.graph.edges.iter().rev() {
            paths[edge.from as usize] += paths[edge.to as usize] * f64::from(edge.count);
        }
        paths
    }

    fn at_outputs(&self, values: &[f64]) -> f64 {
        self.output.iter().zip(values).filter(|(output, _)| **output).map(|(_, value)| value).sum()
    }

    /// Largest or smallest sum of `values` along a path; [`NO_PATH`] where there is none.
    fn extreme(&self, values: &[f64], largest: bool) -> f64 {
        let sign = if largest { 1.0 } else { -1.0 };
        let mut best: Vec<Option<f64>> = self.input.iter().map(|&input| input.then_some(0.0)).collect();
        for edge in &self.graph.edges {
            if let Some(here) = best[edge.from as usize] {
                let there = here + sign * values[edge.to as usize];
                let slot = &mut best[edge.to as usize];
                *slot = Some(slot.map_or(there, |known| known.max(there)));
            }
        }
        let ends = self.output.iter().zip(best).filter(|(output, _)| **output).filter_map(|(_, best)| best);
        ends.reduce(f64::max).map_or(NO_PATH, |best| sign * best)
    }

    /// Share of paths that avoid the nodes marked in `marked`.
    fn avoiding(&self, marked: &[f64]) -> f64 {
        let keep: Vec<f64> = marked.iter().map(|mark| 1.0 - mark).collect();
        self.at_outputs(&self.count(&keep)) / self.total.max(1.0)
    }

    /// Mean over paths of the pairs of nodes on it whose operations are `[first][second]`, in that order.
    fn order(&self, operations: usize) -> Vec<Vec<f64>> {
        let mut pairs = vec![vec![0.0; operations]; operations];
        for start in 0..self.graph.len() {
            let mut paths = vec![0.0; self.graph.len()];
            paths[start] = self.before[start] / self.total.max(1.0);
            let first = self.graph.operations[start] as usize;
            for edge in &self.graph.edges {
                paths[edge.to as usize] += paths[edge.from as usize] * f64::from(edge.count);
            }
            for node in start + 1..self.graph.len() {
                pairs[first][self.graph.operations[node] as usize] += paths[node] * self.after[node];
            }
        }
        pairs
    }

    fn edges_between(&self, from: &[f64], to: &[f64]) -> f64 {
        let weight = |edge: &super::Edge| f64::from(edge.count) * from[edge.from as usize] * to[edge.to as usize];
        self.graph.edges.iter().map(weight).sum()
    }

    fn of_graph(&self) -> Vec<f64> {
        let mark = |marks: &[bool]| -> Vec<f64> { marks.iter().map(|&mark| f64::from(mark)).collect() };
        let (input, output) = (mark(&self.input), mark(&self.output));
        let direct = self.edges_between(&input, &output);
        let edges = &self.graph.edges;
        let touching = |test: &dyn Fn(&super::Edge) -> bool| edges.iter().filter(|edge| test(edge)).count() as f64;
        vec![
            self.total.ln_1p(),
            direct.ln_1p(),
            f64::from(direct > 0.0),
            self.compute.iter().sum(),
            edges.len() as f64,
            touching(&|edge| self.input[edge.from as usize]),
            touching(&|edge| self.output[edge.to as usize]),
            edges.iter().map(|edge| f64::from(edge.count).ln_1p()).sum(),
            self.extreme(&self.compute, true),
            self.extreme(&self.compute, false),
        ]
    }

    fn of_operation(&self, marked: &[f64], values: &mut Vec<f64>) {
        let mark = |marks: &[bool]| -> Vec<f64> { marks.iter().map(|&mark| f64::from(mark)).collect() };
        let along: f64 = (0..marked.len()).map(|node| self.before[node] * self.after[node] * marked[node]).sum();
        let only: Vec<f64> =
            marked.iter().zip(&self.compute).map(|(mark, compute)| if *compute > 0.0 { *mark } else { 1.0 }).collect();
        values.extend([
            marked.iter().sum(),
            along / self.total.max(1.0),
            self.extreme(marked, true),
            self.extreme(marked, false),
            self.avoiding(marked),
            self.at_outputs(&self.count(&only)).ln_1p(),
            self.edges_between(&mark(&self.input), marked).ln_1p(),
            self.edges_between(marked, &mark(&self.output)).ln_1p(),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Reduction, canonicalize};
    use crate::space;

    #[test]
    fn a_cell_by_hand() {
        let space = space::open("nasbench201", None).unwrap();
        let cell = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|";
        let raw = space.graph(&space.parse(cell).unwrap());
        let graph = canonicalize(&raw, space.vocabulary(), Reduction::default()).unwrap().graph;
        // Two paths: 3x3 alone, and 3x3, 1x1, 3x3.
        let values = statistics(&graph, space.vocabulary());
        assert_eq!(values[..3], [2.0f64.ln_1p(), 0.0, 0.0]);
        assert_eq!(values[3..7], [3.0, 5.0, 2.0, 1.0]);
        assert_eq!(values[8..10], [3.0, 1.0]);
        // Operation 5 of 5 identities and operations: none, skip, 1x1, 3x3, pool; 8 + 5 + 3 * (4 - place) each.
        let block = |place: usize| 10 + (0..place).map(|before| 13 + 3 * (4 - before)).sum::<usize>();
        assert_eq!(values[block(3)..block(3) + 5], [2.0, 1.5, 2.0, 1.0, 0.0]);
        assert_eq!(values[block(2)..block(2) + 5], [1.0, 0.5, 1.0, 0.0, 0.5]);
        assert_eq!(values.len(), block(5));
        // 3x3 before 3x3 and 1x1 before 3x3 on one of the two paths.
        let order = &with_order(&graph, space.vocabulary())[block(5)..];
        let expected: Vec<f64> = (0..25).map(|pair| if [13, 17, 18].contains(&pair) { 0.5 } else { 0.0 }).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn a_cell_that_connects_nothing_has_finite_statistics() {
        let space = space::open("nasbench201", None).unwrap();
        let raw = space.graph(&space.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|").unwrap());
        let graph = canonicalize(&raw, space.vocabulary(), Reduction::default()).unwrap().graph;
        assert!(statistics(&graph, space.vocabulary()).iter().all(|value| value.is_finite()));
    }
}
