//! Canonical graphs compared with brute force, on random graphs and on whole search spaces.

use crate::graph::{Canonical, Graph, Key, Reduction, Role, Vocabulary, canonicalize};
use crate::random::Random;
use crate::space::{self, Architecture};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Instant;

const WHOLE: Reduction = Reduction { prune: false, contract: false };

/// Input, output, three operations that compute, an identity, an absent one.
fn vocabulary() -> Vocabulary {
    let compute = ["a", "b", "c"].map(|name| (name, Role::Compute));
    let ends = [("input", Role::Input), ("output", Role::Output)];
    Vocabulary::new(ends.into_iter().chain(compute).chain([("skip", Role::Identity), ("none", Role::Absent)]))
}

/// A graph of nodes with the given operations; equal edges are counted.
fn graph(operations: &[u16], edges: impl IntoIterator<Item = (u16, u16)>) -> Graph {
    Graph::new(operations.iter().enumerate().map(|(node, &id)| (id, Some(node as u16))), edges)
}

fn canonical(graph: &Graph, reduction: Reduction) -> Canonical {
    canonicalize(graph, &vocabulary(), reduction).unwrap()
}

/// `graph` with node i renamed to `names[i]`.
fn rename(graph: &Graph, names: &[u16]) -> Graph {
    let mut operations = vec![0; names.len()];
    names.iter().zip(&graph.operations).for_each(|(&name, &id)| operations[name as usize] = id);
    let pairs = graph.edges.iter().flat_map(|edge| {
        std::iter::repeat_n((names[edge.from as usize], names[edge.to as usize]), edge.count as usize)
    });
    self::graph(&operations, pairs)
}

fn shuffled(nodes: usize, random: &mut Random) -> Vec<u16> {
    let mut names: Vec<u16> = (0..nodes as u16).collect();
    random.shuffle(&mut names);
    names
}

/// Whether some renaming turns `a` into `b`, by trying all of them node by node.
fn isomorphic(a: &Graph, b: &Graph) -> bool {
    fn matrix(graph: &Graph) -> Vec<Vec<u32>> {
        let mut counts = vec![vec![0; graph.len()]; graph.len()];
        graph.edges.iter().for_each(|edge| counts[edge.from as usize][edge.to as usize] = edge.count);
        counts
    }
    fn extend(a: &(&Graph, Vec<Vec<u32>>), b: &(&Graph, Vec<Vec<u32>>), names: &mut Vec<usize>) -> bool {
        let node = names.len();
        if node == a.0.len() {
            return true;
        }
        (0..b.0.len()).any(|name| {
            let fits = !names.contains(&name)
                && a.0.operations[node] == b.0.operations[name]
                && names.iter().enumerate().all(|(other, &image)| {
                    a.1[node][other] == b.1[name][image] && a.1[other][node] == b.1[image][name]
                });
            if !fits {
                return false;
            }
            names.push(name);
            let extended = extend(a, b, names);
            names.pop();
            extended
        })
    }
    a.len() == b.len() && a.edges.len() == b.edges.len() && extend(&(a, matrix(a)), &(b, matrix(b)), &mut Vec::new())
}

/// A hash that is equal for isomorphic graphs: operations and their neighbourhoods, in as many rounds as there are nodes
/// (Weisfeiler and Leman).
fn neighbourhood_hash(graph: &Graph) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    fn hash(value: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        hasher.finish()
    }
    let mut colours: Vec<u64> = graph.operations.iter().map(hash).collect();
    for _ in 0..graph.len() {
        let around = |node: usize| {
            let mut around: Vec<_> = (graph.edges.iter())
                .filter_map(|edge| match (edge.from as usize == node, edge.to as usize == node) {
                    (true, _) => Some((true, edge.count, colours[edge.to as usize])),
                    (_, true) => Some((false, edge.count, colours[edge.from as usize])),
                    _ => None,
                })
                .collect();
            around.sort_unstable();
            hash((colours[node], around))
        };
        colours = (0..graph.len()).map(around).collect();
    }
    colours.sort_unstable();
    hash(colours)
}

#[test]
fn nasbench201_has_5425_unique_graphs_by_key_and_by_brute_force() {
    let space = space::open("nasbench201", None).unwrap();
    let cells: Vec<Architecture> = space.enumerate().unwrap().collect();
    let start = Instant::now();
    let reduced = |cell| canonicalize(&space.graph(cell), space.vocabulary(), Reduction::default()).unwrap();
    let graphs: Vec<Canonical> = cells.iter().map(reduced).collect();
    eprintln!("{:.0} cells per second on one thread", graphs.len() as f64 / start.elapsed().as_secs_f64());
    let mut classes: BTreeMap<u64, Vec<&Canonical>> = BTreeMap::new();
    for canonical in &graphs {
        let class = classes.entry(neighbourhood_hash(&canonical.graph)).or_default();
        match class.iter().find(|other| isomorphic(&other.graph, &canonical.graph)) {
            Some(other) => {
                assert_eq!(other.key, canonical.key);
                assert_eq!(other.graph.operations, canonical.graph.operations);
                assert_eq!(other.graph.edges, canonical.graph.edges);
            }
            None => class.push(canonical),
        }
    }
    assert_eq!(classes.values().map(Vec::len).sum::<usize>(), 5_425);
    assert_eq!(graphs.iter().map(|canonical| &canonical.key).collect::<HashSet<_>>().len(), 5_425);
    // In this space the hash alone is sufficient.
    assert_eq!(classes.len(), 5_425);
}

/// A graph of up to `nodes` nodes and two operations, each pair joined 0 to 2 times.
fn any_graph(nodes: usize) -> impl Strategy<Value = Graph> {
    (1..=nodes).prop_flat_map(|nodes| {
        let operations = proptest::collection::vec(2..4u16, nodes);
        let counts = proptest::collection::vec(
            prop_oneof![3 => Just(0u32), 3 => Just(1), 1 => Just(2)],
            nodes * (nodes - 1) / 2,
        );
        (operations, counts).prop_map(move |(operations, counts)| {
            let pairs = (0..nodes as u16).flat_map(|to| (0..to).map(move |from| (from, to)));
            let edges = pairs.zip(counts).flat_map(|(pair, count)| std::iter::repeat_n(pair, count as usize));
            graph(&operations, edges)
        })
    })
}

/// A graph with an operation of any role on each of up to 8 nodes, the first an input, the last an output.
fn any_cell() -> impl Strategy<Value = Graph> {
    (any_graph(8), proptest::collection::vec(2..7u16, 8)).prop_map(|(mut cell, roles)| {
        cell.operations.iter_mut().zip(roles).for_each(|(operation, role)| *operation = role);
        *cell.operations.first_mut().unwrap() = 0;
        *cell.operations.last_mut().unwrap() = 1;
        cell
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn renaming_nodes_changes_nothing(graph in any_graph(8), seed: u64) {
        let renamed = rename(&graph, &shuffled(graph.len(), &mut Random::new(seed, 0)));
        let (one, other) = (canonical(&graph, WHOLE), canonical(&renamed, WHOLE));
        prop_assert_eq!(&one.key, &other.key);
        prop_assert_eq!((one.graph.operations, one.graph.edges), (other.graph.operations, other.graph.edges));
    }

    #[test]
    fn keys_are_equal_exactly_for_isomorphic_graphs(one in any_graph(8), other in any_graph(4), small in any_graph(4)) {
        let same = |a: &Graph, b: &Graph| canonical(a, WHOLE).key == canonical(b, WHOLE).key;
        prop_assert_eq!(same(&small, &other), isomorphic(&small, &other));
        // Near misses: one edge has another destination, the degrees stay about the same.
        for (moved, edge) in one.edges.iter().enumerate() {
            for to in edge.from + 1..one.len() as u16 {
                let pairs = one.edges.iter().enumerate().flat_map(|(index, edge)| {
                    let to = if index == moved { to } else { edge.to };
                    std::iter::repeat_n((edge.from, to), edge.count as usize)
                });
                let near = graph(&one.operations, pairs);
                prop_assert_eq!(same(&one, &near), isomorphic(&one, &near));
            }
        }
    }

    #[test]
    fn canonical_order_is_topological(graph in any_graph(8)) {
        prop_assert!(canonical(&graph, WHOLE).graph.edges.iter().all(|edge| edge.from < edge.to));
    }

    #[test]
    fn a_canonical_graph_maps_to_the_raw_graph(cell in any_cell(), prune: bool, contract: bool) {
        let Canonical { graph, nodes, through, .. } = canonical(&cell, Reduction { prune, contract });
        let live = if prune { on_a_path(&cell) } else { vec![true; cell.len()] };
        let removed = |node: usize| !live[node] || contract && cell.operations[node] == SKIP;
        let mut kept = nodes.clone();
        kept.sort_unstable();
        prop_assert_eq!(kept, (0..cell.len()).filter(|&node| !removed(node)).map(|node| node as u16).collect::<Vec<_>>());
        for (index, &node) in nodes.iter().enumerate() {
            prop_assert_eq!(graph.operations[index], cell.operations[node as usize]);
            prop_assert_eq!(graph.origin[index], cell.origin[node as usize]);
        }
        prop_assert_eq!(graph.edges.len(), through.len());
        let mut edges: HashMap<(u16, u16), (u32, Vec<u16>)> = (graph.edges.iter().zip(through))
            .map(|(edge, through)| ((nodes[edge.from as usize], nodes[edge.to as usize]), (edge.count, through)))
            .collect();
        for &from in &nodes {
            for &to in &nodes {
                let (mut paths, mut seen) = (0, BTreeSet::new());
                let identity = |node: u16| contract && live[node as usize] && cell.operations[node as usize] == SKIP;
                walk(&cell, &identity, to, &mut vec![from], 1, &mut |ways, inner| {
                    paths += ways;
                    seen.extend(inner);
                });
                let expected = (paths > 0).then(|| (paths, seen.into_iter().collect()));
                prop_assert_eq!(edges.remove(&(from, to)), expected);
            }
        }
    }

    #[test]
    fn reduction_keeps_the_function(cell in any_cell(), seed: u64) {
        let reduced = canonical(&cell, Reduction::default());
        prop_assert_eq!(evaluate(&cell, seed), evaluate(&reduced.graph, seed));
        let again = canonical(&reduced.graph, Reduction::default());
        prop_assert_eq!((again.key, again.graph.edges), (reduced.key, reduced.graph.edges));
    }
}

const SKIP: u16 = 5;
const NONE: u16 = 6;

/// Which nodes are live, by the transitive closure of all edges.
fn on_a_path(cell: &Graph) -> Vec<bool> {
    let nodes = cell.len();
    let mut reach = vec![vec![false; nodes]; nodes];
    let present = |node: usize| cell.operations[node] != NONE;
    (0..nodes).filter(|&node| present(node)).for_each(|node| reach[node][node] = true);
    for edge in cell.edges.iter().filter(|edge| present(edge.from as usize) && present(edge.to as usize)) {
        reach[edge.from as usize][edge.to as usize] = true;
    }
    for middle in 0..nodes {
        for from in 0..nodes {
            for to in 0..nodes {
                reach[from][to] |= reach[from][middle] && reach[middle][to];
            }
        }
    }
    let of = |id: u16| (0..nodes).filter(move |&node| cell.operations[node] == id);
    let lives = |node: usize| {
        cell.operations[node] == 1 || of(0).any(|from| reach[from][node]) && of(1).any(|to| reach[node][to])
    };
    (0..nodes).map(lives).collect()
}

/// Calls `visit` for every path from the end of `path` over identities to `to`, with the number of parallel paths and the
/// identities.
fn walk(
    cell: &Graph,
    identity: &dyn Fn(u16) -> bool,
    to: u16,
    path: &mut Vec<u16>,
    ways: u32,
    visit: &mut dyn FnMut(u32, &[u16]),
) {
    let here = path[path.len() - 1];
    for edge in cell.edges.iter().filter(|edge| edge.from == here) {
        if edge.to == to {
            visit(ways * edge.count, &path[1..]);
        } else if identity(edge.to) {
            path.push(edge.to);
            walk(cell, identity, to, path, ways * edge.count, visit);
            path.pop();
        }
    }
}

/// The values at the outputs of `cell` if every node sums its inputs and applies a function that maps 0 to 0.
fn evaluate(cell: &Graph, seed: u64) -> Vec<u64> {
    let depths = cell.depths().unwrap();
    let mut order: Vec<usize> = (0..cell.len()).collect();
    order.sort_by_key(|&node| depths[node]);
    let mut values = vec![0u64; cell.len()];
    for node in order {
        let incoming = cell.edges.iter().filter(|edge| edge.to as usize == node);
        let sum = incoming
            .fold(0u64, |sum, edge| sum.wrapping_add(values[edge.from as usize].wrapping_mul(edge.count.into())));
        values[node] = match cell.operations[node] {
            0 => seed | 1,
            1 | SKIP => sum,
            NONE => 0,
            id => sum.wrapping_mul(sum).wrapping_mul(u64::from(id) + 11).wrapping_add(sum.rotate_left(u32::from(id))),
        };
    }
    (0..cell.len()).filter(|&node| cell.operations[node] == 1).map(|node| values[node]).collect()
}

/// Brings `graph` and a renamed copy into canonical order, checks that both agree, and returns the key and the seconds per
/// graph.
fn timed(graph: &Graph) -> (Key, f64) {
    let renamed = rename(graph, &shuffled(graph.len(), &mut Random::new(1, 0)));
    let start = Instant::now();
    let (one, other) = (canonical(graph, WHOLE), canonical(&renamed, WHOLE));
    let seconds = start.elapsed().as_secs_f64() / 2.0;
    assert_eq!(one.key, other.key);
    assert_eq!(one.graph.edges, other.graph.edges);
    (one.key, seconds)
}

/// `branches` chains of `length` equal nodes between an input and an output.
fn parallel(branches: u16, length: u16) -> Graph {
    let operations: Vec<u16> = [0, 1].into_iter().chain(std::iter::repeat_n(2, (branches * length) as usize)).collect();
    let edges = (0..branches).flat_map(|branch| {
        let first = 2 + branch * length;
        let inner = (first..first + length - 1).map(|node| (node, node + 1));
        [(0, first), (first + length - 1, 1)].into_iter().chain(inner)
    });
    graph(&operations, edges)
}

/// A tree of `nodes` nodes in which every node reads its `ways` children.
fn tree(nodes: u16, ways: u16) -> Graph {
    graph(&vec![2; nodes as usize], (1..nodes).map(|node| (node, (node - 1) / ways)))
}

/// Two layers of `size` nodes; the node at `i` feeds those at `i + step` for all `steps`, in rings of `ring` nodes.
fn rings(size: u16, ring: u16, steps: &[u16]) -> Graph {
    let edges =
        (0..size).flat_map(|i| steps.iter().map(move |step| (i, size + i / ring * ring + (i % ring + step) % ring)));
    graph(&vec![2; 2 * size as usize], edges)
}

#[test]
fn symmetric_graphs_are_fast() {
    let mut graphs: Vec<(String, Graph)> = Vec::new();
    for branches in (2..=30).chain([84, 254]) {
        for length in [1, 2, 3] {
            if branches * length <= 254 {
                graphs.push((format!("{branches} branches of {length}"), parallel(branches, length)));
            }
        }
    }
    for (nodes, ways) in [(63, 2), (60, 2), (40, 3), (255, 2), (121, 3)] {
        graphs.push((format!("tree of {nodes}, {ways} ways"), tree(nodes, ways)));
    }
    for (size, ring, steps) in [
        (12, 6, &[0, 1][..]),
        (30, 6, &[0, 1]),
        (60, 5, &[0, 1]),
        (128, 128, &[0, 1, 5]),
        (31, 31, &[0, 1, 3, 8, 12, 18]),
    ] {
        graphs.push((format!("rings of {ring} in {size}"), rings(size, ring, steps)));
    }
    let layers = (0..8u16).flat_map(|layer| (0..64).map(move |pair| (8 * layer + pair / 8, 8 * layer + 8 + pair % 8)));
    graphs.push(("full layers of 8".into(), graph(&[2; 72], layers)));
    let cube =
        (0..256u16).flat_map(|node| (0..8).map(move |bit| (node, node | 1 << bit))).filter(|edge| edge.0 != edge.1);
    graphs.push(("cube of 8 dimensions".into(), graph(&[2; 256], cube)));
    let mut slowest = (0.0, String::new());
    for (name, graph) in graphs {
        let (_, seconds) = timed(&graph);
        if seconds > slowest.0 {
            slowest = (seconds, name);
        }
    }
    eprintln!("slowest: {} in {:.4} s", slowest.1, slowest.0);
    assert!(slowest.0 < 5.0, "{slowest:?}");
}

#[test]
fn graphs_with_equal_neighbourhoods_are_distinguished() {
    // Equal under colour refinement, but one ring of twelve is not two of six.
    let (one, two) = (rings(12, 12, &[0, 1]), rings(12, 6, &[0, 1]));
    assert_eq!(neighbourhood_hash(&one), neighbourhood_hash(&two));
    assert_ne!(timed(&one).0, timed(&two).0);
}

#[test]
fn random_regular_graphs_are_canonicalised() {
    let mut random = Random::new(0, 0);
    for size in [8u16, 16, 32, 64, 128] {
        let edges = (0..3).flat_map(|_| {
            let order = shuffled(size as usize, &mut random);
            (0..size).zip(order.into_iter().map(move |other| size + other)).collect::<Vec<_>>()
        });
        timed(&graph(&vec![2; 2 * size as usize], edges));
    }
}
