//! Rules of user-defined cells at work: what breaks them, and cells that obey them.

use super::{Architecture, invalid};
use crate::error::{Error, Result, Stage, suggest};
use crate::graph::rules::{Bounds, CellRules, Place};
use crate::graph::{MAX_NODES, Role, Vocabulary};
use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet};

/// Random edges that are tried for each one that is wanted.
const TRIES: usize = 16;

/// Rules over the ids of a vocabulary.
pub struct DagRules {
    nodes: Option<Bounds>,
    edges: Bounds,
    in_degree: Bounds,
    ordered: bool,
    places: BTreeMap<Place, Vec<u16>>,
    fixed: Vec<(u16, u16)>,
    roles: Vec<Role>,
    names: Vec<String>,
}

impl DagRules {
    /// The rules `declared` for cells over `vocabulary`.
    ///
    /// # Errors
    /// A number out of range, an operation that the vocabulary does not have, an edge or a place that no cell can have.
    pub fn new(declared: &CellRules, vocabulary: &Vocabulary) -> Result<Self> {
        let wrong = |key: &str, what: String| Error::new(Stage::Config, format!("`rules.{key}`: {what}"));
        let bounds = [("nodes", declared.nodes), ("edges", declared.edges), ("in_degree", declared.in_degree)];
        for (key, bounds) in bounds {
            if let Some(Bounds { least, most }) = bounds.filter(|bounds| bounds.least > bounds.most) {
                return Err(wrong(key, format!("the least, {least}, is above the most, {most}")));
            }
        }
        if declared.nodes.is_some_and(|nodes| nodes.most == 0 || nodes.most > MAX_NODES) {
            return Err(wrong("nodes", format!("a cell has 1 to {MAX_NODES} nodes")));
        }
        let mut places = BTreeMap::new();
        for (&place, names) in &declared.operations {
            let id = |name: &String| {
                let known = vocabulary.operations().iter().map(|operation| operation.name.as_str());
                let unknown = || format!("place {place} may hold {}, no operation", suggest(name, known));
                vocabulary.id(name).map_err(|_| wrong("operations", unknown()))
            };
            if names.is_empty() {
                return Err(wrong("operations", format!("place {place} may hold nothing")));
            }
            places.insert(place, names.iter().map(id).collect::<Result<_>>()?);
        }
        let edge = |text: &String| {
            let pair = text.split_once('>').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
            let pair = pair.filter(|(from, to): &(u16, u16)| from != to && !(declared.ordered && from > to));
            pair.ok_or_else(|| wrong("fixed", format!("`{text}` is no edge i>j that a cell can have")))
        };
        let any = Bounds { least: 0, most: usize::MAX };
        let fixed: Vec<(u16, u16)> = declared.fixed.iter().map(edge).collect::<Result<_>>()?;
        if let Some(Bounds { most, .. }) = declared.edges.filter(|edges| fixed.len() > edges.most) {
            return Err(wrong("fixed", format!("{} edges, but `rules.edges` allows at most {most}", fixed.len())));
        }
        if let Some(Bounds { most, .. }) = declared.nodes {
            let named =
                places.keys().filter_map(|place| if let Place::Index(index) = place { Some(*index) } else { None });
            let ends = fixed.iter().flat_map(|&(from, to)| [from, to]);
            let mut named = named.map(|node| ("operations", node)).chain(ends.map(|node| ("fixed", node)));
            if let Some((key, node)) = named.find(|(_, node)| usize::from(*node) >= most) {
                let what = format!("no cell has a node {node}: `rules.nodes` allows at most {most}, counted from 0");
                return Err(wrong(key, what));
            }
        }
        Ok(DagRules {
            nodes: declared.nodes,
            edges: declared.edges.unwrap_or(any),
            in_degree: declared.in_degree.unwrap_or(any),
            ordered: declared.ordered,
            places,
            fixed,
            roles: vocabulary.operations().iter().map(|operation| operation.role).collect(),
            names: vocabulary.operations().iter().map(|operation| operation.name.clone()).collect(),
        })
    }

    /// Whether the rules say how large a cell is, so that cells can be drawn.
    pub fn can_sample(&self) -> bool {
        self.nodes.is_some()
    }

    /// Operations that node `index` of `nodes` may hold; none where the rules do not say.
    fn allowed(&self, index: usize, nodes: usize) -> Option<&Vec<u16>> {
        let last = if index + 1 == nodes { self.places.get(&Place::Last) } else { None };
        last.or_else(|| self.places.get(&Place::Index(index as u16))).or_else(|| self.places.get(&Place::Others))
    }

    /// Refuses an architecture that breaks a rule, and names the rule. Its edges must join its nodes.
    pub fn check(&self, architecture: &Architecture) -> Result<()> {
        let Architecture { operations, edges, .. } = architecture;
        let broken = |rule: &str, what: String| Err(invalid(format!("{what} (`rules.{rule}`)")));
        if let Some(nodes) = self.nodes.filter(|nodes| !nodes.contains(operations.len())) {
            return broken("nodes", format!("{} nodes, allowed are {nodes}", operations.len()));
        }
        if !self.edges.contains(edges.len()) {
            return broken("edges", format!("{} edges, allowed are {}", edges.len(), self.edges));
        }
        for (index, id) in operations.iter().enumerate() {
            if let Some(allowed) = self.allowed(index, operations.len()).filter(|allowed| !allowed.contains(id)) {
                let names: Vec<&str> = allowed.iter().map(|&id| self.names[id as usize].as_str()).collect();
                let name = &self.names[*id as usize];
                let what = format!("node {index} is `{name}`, allowed there: {}", names.join(", "));
                return broken("operations", what);
            }
        }
        if let Some((from, to)) = edges.iter().find(|(from, to)| self.ordered && from >= to) {
            return broken("ordered", format!("edge {from}>{to} does not lead to a later node"));
        }
        if let Some((from, to)) = self.fixed.iter().find(|edge| !edges.contains(edge)) {
            return broken("fixed", format!("edge {from}>{to} is missing"));
        }
        for (node, degree) in in_degrees(architecture).into_iter().enumerate() {
            if self.role(operations[node]) != Role::Input && !self.in_degree.contains(degree) {
                return broken("in_degree", format!("{degree} edges into node {node}, allowed are {}", self.in_degree));
            }
        }
        Ok(())
    }

    fn role(&self, id: u16) -> Role {
        self.roles[id as usize]
    }

    /// An operation that node `index` of `nodes` may hold: without a rule, any that is no input or output.
    fn operation(&self, index: usize, nodes: usize, random: &mut Random) -> Option<u16> {
        let is_inner = |&id: &u16| !matches!(self.role(id), Role::Input | Role::Output);
        let inner = || (0..self.roles.len() as u16).filter(is_inner).collect();
        let allowed = self.allowed(index, nodes).cloned().unwrap_or_else(inner);
        (!allowed.is_empty()).then(|| allowed[random.below(allowed.len())])
    }

    /// A drawn architecture, which may break a rule: as many edges as a number drawn between the bounds, of which every node
    /// gets one to it and one from it where there is room. None where no operation is left for a place.
    pub fn draw(&self, random: &mut Random) -> Option<Architecture> {
        let Bounds { least, most } = self.nodes?;
        let nodes = least.max(1) + random.below(most - least.max(1) + 1);
        let operations: Vec<u16> =
            (0..nodes).map(|index| self.operation(index, nodes, random)).collect::<Option<_>>()?;
        let is = |role: Role| -> Vec<bool> { operations.iter().map(|&id| self.role(id) == role).collect() };
        let (inputs, outputs) = (is(Role::Input), is(Role::Output));
        // Edges lead to nodes of higher rank.
        let mut order: Vec<usize> = (0..nodes).collect();
        if !self.ordered {
            random.shuffle(&mut order);
            order.sort_by_key(|&node| (!inputs[node], outputs[node]));
        }
        let mut edges = EdgeDraw {
            edges: self.fixed.iter().copied().collect(),
            into: vec![0; nodes],
            out_of: vec![0; nodes],
            most: self.in_degree.most,
        };
        for &(from, to) in &self.fixed {
            *edges.into.get_mut(to as usize)? += 1;
            *edges.out_of.get_mut(from as usize)? += 1;
        }
        let largest = self.edges.most.min(2 * nodes.max(self.edges.least)).max(self.fixed.len());
        let smallest = self.edges.least.max(nodes - 1).min(largest);
        let wanted = smallest + random.below(largest - smallest + 1);
        let may = |from: usize, to: usize| !outputs[from] && !inputs[to];
        for (rank, &to) in order.iter().enumerate() {
            for _ in 0..TRIES * self.in_degree.least.clamp(1, nodes) {
                if rank > 0 && !inputs[to] && edges.into[to] < self.in_degree.least.max(1) {
                    let from = order[random.below(rank)];
                    edges.add(from, to, may(from, to));
                }
            }
        }
        for (rank, &from) in order.iter().enumerate() {
            for _ in 0..TRIES {
                if rank + 1 < nodes && !outputs[from] && edges.out_of[from] == 0 && edges.edges.len() < wanted {
                    let to = order[rank + 1 + random.below(nodes - rank - 1)];
                    edges.add(from, to, may(from, to));
                }
            }
        }
        for _ in 0..TRIES * wanted {
            if edges.edges.len() < wanted {
                let (first, second) = (random.below(nodes), random.below(nodes));
                let (from, to) = (order[first.min(second)], order[first.max(second)]);
                edges.add(from, to, first != second && may(from, to));
            }
        }
        Some(Architecture::new(operations, edges.edges.into_iter().collect()))
    }

    /// A random change, which may change nothing or break a rule: of an operation, of the presence or of an end of an edge, or
    /// of the number of nodes.
    pub fn change(&self, architecture: &Architecture, random: &mut Random) -> Architecture {
        let mut mutant = architecture.clone();
        let nodes = mutant.operations.len();
        let node = random.below(nodes);
        let edge = (random.below(nodes) as u16, random.below(nodes) as u16);
        let index = random.below(mutant.edges.len().max(1));
        match random.below(5) {
            0 | 1 => mutant.operations[node] = self.operation(node, nodes, random).unwrap_or(mutant.operations[node]),
            2 => match mutant.edges.iter().position(|&other| other == edge) {
                Some(index) => drop(mutant.edges.remove(index)),
                None => mutant.edges.push(edge),
            },
            3 if !mutant.edges.is_empty() => {
                let (from, to) = mutant.edges[index];
                let moved = if random.below(2) == 0 { (edge.0, to) } else { (from, edge.1) };
                if !mutant.edges.contains(&moved) {
                    mutant.edges[index] = moved;
                }
            }
            _ if random.below(2) == 0 && !mutant.edges.is_empty() => self.insert(&mut mutant, index, random),
            _ => remove(&mut mutant, node as u16),
        }
        mutant
    }

    /// Puts a node on an edge, in front of the edge's end.
    fn insert(&self, mutant: &mut Architecture, index: usize, random: &mut Random) {
        let (from, place) = mutant.edges[index];
        let nodes = mutant.operations.len() + 1;
        let Some(operation) = self.operation(place as usize, nodes, random) else { return };
        let later = |node: u16| node + u16::from(node >= place);
        mutant.operations.insert(place as usize, operation);
        mutant.edges.iter_mut().for_each(|edge| *edge = (later(edge.0), later(edge.1)));
        mutant.edges[index].1 = place;
        mutant.edges.push((place, place + 1));
        for _ in 1..self.in_degree.least.min(nodes) {
            let further = random.below(place.max(1) as usize) as u16;
            if later(from) != further && !mutant.edges.contains(&(further, place)) {
                mutant.edges.push((further, place));
            }
        }
    }

    /// The rules that all of `cells` obey.
    pub fn observed(cells: &[Architecture], vocabulary: &Vocabulary) -> CellRules {
        let degrees = |cell: &Architecture| {
            let of_nodes = in_degrees(cell).into_iter().zip(cell.operations.clone());
            of_nodes.filter(|(_, id)| vocabulary.role(*id) != Role::Input).map(|(degree, _)| degree).collect::<Vec<_>>()
        };
        let nodes = Bounds::of(cells.iter().map(|cell| cell.operations.len()));
        let most = nodes.map_or(0, |nodes| nodes.most);
        let same_size = nodes.is_some_and(|nodes| nodes.least == nodes.most);
        // Which operations stand where; without one size, only the ends can be told.
        let places = (0..if same_size { most - 1 } else { 1 }).map(|index| Place::Index(index as u16));
        let holds = |cell: &Architecture, place: Place| match place {
            Place::Index(index) => cell.operations[index as usize],
            _ => cell.operations[cell.operations.len() - 1],
        };
        let mut operations = BTreeMap::new();
        for place in places.chain([Place::Last]) {
            let held: BTreeSet<u16> = cells.iter().map(|cell| holds(cell, place)).collect();
            let inner = (0..vocabulary.len() as u16).filter(|&id| !vocabulary.is_end(id));
            if !inner.eq(held.iter().copied()) {
                operations.insert(place, held.iter().map(|&id| vocabulary.name(id).to_string()).collect());
            }
        }
        let edges = |cell: &Architecture| cell.edges.iter().copied().collect::<BTreeSet<_>>();
        let fixed = cells.iter().map(edges).reduce(|known, other| &known & &other).unwrap_or_default();
        CellRules {
            nodes,
            edges: Bounds::of(cells.iter().map(|cell| cell.edges.len())),
            in_degree: Bounds::of(cells.iter().flat_map(degrees)),
            ordered: cells.iter().flat_map(|cell| &cell.edges).all(|(from, to)| from < to),
            operations,
            fixed: fixed.into_iter().map(|(from, to)| format!("{from}>{to}")).collect(),
        }
    }
}

/// Number of edges into every node.
fn in_degrees(architecture: &Architecture) -> Vec<usize> {
    let mut degrees = vec![0; architecture.operations.len()];
    architecture.edges.iter().for_each(|edge| degrees[edge.1 as usize] += 1);
    degrees
}

/// Edges that are being drawn, each at most once.
struct EdgeDraw {
    edges: BTreeSet<(u16, u16)>,
    into: Vec<usize>,
    out_of: Vec<usize>,
    /// The largest number of edges into a node.
    most: usize,
}

impl EdgeDraw {
    fn add(&mut self, from: usize, to: usize, allowed: bool) {
        if allowed && self.into[to] < self.most && self.edges.insert((from as u16, to as u16)) {
            self.into[to] += 1;
            self.out_of[from] += 1;
        }
    }
}

/// Takes a node out; its predecessors feed its successors.
fn remove(mutant: &mut Architecture, node: u16) {
    let before: Vec<u16> = mutant.edges.iter().filter(|edge| edge.1 == node).map(|edge| edge.0).collect();
    let after: Vec<u16> = mutant.edges.iter().filter(|edge| edge.0 == node).map(|edge| edge.1).collect();
    mutant.edges.retain(|edge| edge.0 != node && edge.1 != node);
    for (index, &to) in after.iter().enumerate() {
        if let Some(&from) = before.get(index % before.len().max(1))
            && !mutant.edges.contains(&(from, to))
        {
            mutant.edges.push((from, to));
        }
    }
    mutant.operations.remove(node as usize);
    let earlier = |other: u16| other - u16::from(other > node);
    mutant.edges.iter_mut().for_each(|edge| *edge = (earlier(edge.0), earlier(edge.1)));
}
