//! Rules of user-defined cells.

use crate::config::Config;
use crate::graph::rules::CellRules;
use crate::graph::{Role, Vocabulary};
use crate::random::Random;
use crate::space::rules::DagRules;
use crate::space::{Architecture, Dag, Space};
use std::collections::HashSet;
use std::sync::Arc;

const OPERATIONS: [&str; 6] = ["in", "out", "conv", "pool", "skip", "none"];

fn vocabulary() -> Vocabulary {
    let role = |name| match name {
        "in" => Role::Input,
        "out" => Role::Output,
        name => Role::by_convention(name),
    };
    Vocabulary::new(OPERATIONS.map(|name| (name, role(name))))
}

fn space(rules: &str) -> Dag {
    let rules: CellRules = serde_yaml::from_str(rules).unwrap();
    Dag::new(vocabulary().with_rules(Some(Arc::new(rules)))).unwrap()
}

const RULES: &str = "{nodes: [4, 7], edges: 9, in_degree: [1, 2], ordered: true, fixed: ['0>1'], \
    operations: {0: [in], last: [out], 1: [conv, pool]}}";

#[test]
fn a_cell_outside_is_refused_with_the_rule_that_it_breaks() {
    let space = space(RULES);
    assert!(space.parse("in conv pool out;0>1 1>2 2>3").is_ok());
    for (text, message) in [
        ("in conv out;0>1 1>2", "3 nodes, allowed are 4 to 7 (`rules.nodes`)"),
        (
            "in conv pool conv conv conv out;0>1 0>2 1>2 1>3 2>3 2>4 3>4 3>5 4>5 5>6",
            "10 edges, allowed are at most 9 (`rules.edges`)",
        ),
        ("in skip pool out;0>1 1>2 2>3", "node 1 is `skip`, allowed there: conv, pool (`rules.operations`)"),
        ("in conv pool conv;0>1 1>2 2>3", "node 3 is `conv`, allowed there: out (`rules.operations`)"),
        ("in conv pool out;0>1 0>2 2>1 1>3", "edge 2>1 does not lead to a later node (`rules.ordered`)"),
        ("in conv pool out;0>2 2>3", "edge 0>1 is missing (`rules.fixed`)"),
        ("in conv pool out;0>1 1>2 0>3 1>3 2>3", "3 edges into node 3, allowed are 1 to 2 (`rules.in_degree`)"),
        ("in conv pool out;0>1 1>3", "0 edges into node 2, allowed are 1 to 2 (`rules.in_degree`)"),
    ] {
        assert_eq!(space.parse(text).unwrap_err().message(), message, "{text}");
    }
}

/// Counts by hand what [`RULES`] say.
fn obeys(cell: &Architecture, vocabulary: &Vocabulary) -> bool {
    let names = vocabulary.names(&cell.operations);
    let into = |node: usize| cell.edges.iter().filter(|edge| edge.1 as usize == node).count();
    (4..=7).contains(&names.len())
        && cell.edges.len() <= 9
        && (1..names.len()).all(|node| (1..=2).contains(&into(node)))
        && cell.edges.iter().all(|(from, to)| from < to)
        && cell.edges.contains(&(0, 1))
        && names[0] == "in"
        && names[names.len() - 1] == "out"
        && ["conv", "pool"].contains(&names[1])
        && !names[1..names.len() - 1].iter().any(|name| ["in", "out", "input", "output"].contains(name))
}

#[test]
fn a_hundred_thousand_proposals_stay_inside() {
    let space = space(RULES);
    let mut random = Random::new(0, 0);
    let (mut sizes, mut different) = (HashSet::new(), HashSet::new());
    for _ in 0..10_000 {
        let mut cell = space.sample(&mut random).unwrap();
        for _ in 0..10 {
            assert!(obeys(&cell, space.vocabulary()), "{}", space.print(&cell));
            assert_eq!(space.parse(&space.print(&cell)).unwrap(), cell);
            sizes.insert((cell.operations.len(), cell.edges.len()));
            let mutant = space.mutate(&cell, &mut random).unwrap();
            assert_ne!(mutant, cell);
            different.insert(space.print(&cell));
            cell = mutant;
        }
    }
    assert!(different.len() > 50_000, "{} different cells", different.len());
    assert_eq!(sizes.iter().map(|size| size.0).collect::<HashSet<_>>().len(), 4, "every number of nodes is met");
}

#[test]
fn a_fixed_shape_is_kept() {
    // The cell of NAS-Bench-201 with operations on nodes.
    let space = space(
        "{nodes: [8, 8], edges: [11, 11], fixed: ['0>1', '0>2', '0>3', '1>4', '1>5', '2>6', '4>6', '3>7', '5>7', '6>7', '0>7'], \
         operations: {0: [in], last: [out], others: [conv, none, skip]}}",
    );
    let mut random = Random::new(1, 0);
    let mut seen = HashSet::new();
    for _ in 0..500 {
        let cell = space.sample(&mut random).unwrap();
        let mutant = space.mutate(&cell, &mut random).unwrap();
        assert_eq!(cell.operations.iter().zip(&mutant.operations).filter(|(a, b)| a != b).count(), 1);
        seen.insert(space.print(&mutant));
    }
    assert!(seen.len() > 250, "{} of 729", seen.len());
}

#[test]
fn cells_without_ends_and_order_are_drawn() {
    let space = space("{nodes: 6, edges: [4, 8]}");
    let mut random = Random::new(2, 0);
    let cells: Vec<Architecture> = (0..200).map(|_| space.sample(&mut random).unwrap()).collect();
    assert!(cells.iter().all(|cell| cell.operations.len() <= 6 && (4..=8).contains(&cell.edges.len())));
    assert!(cells.iter().any(|cell| cell.edges.iter().any(|(from, to)| from > to)));
}

#[test]
fn rules_that_cannot_be_are_refused() {
    let refusal = |rules: &str| -> String {
        let rules = serde_yaml::from_str::<CellRules>(rules).map_err(|error| error.to_string());
        match rules.map(|rules| Dag::new(vocabulary().with_rules(Some(Arc::new(rules))))) {
            Ok(space) => space.err().unwrap().message().to_string(),
            Err(error) => error,
        }
    };
    assert!(refusal("{nodes: [5, 3]}").contains("`rules.nodes`: the least, 5, is above the most, 3"));
    assert!(refusal("{nodes: 5, operations: {5: [conv]}}").contains("`rules.operations`: no cell has a node 5"));
    assert!(refusal("{nodes: 3, fixed: ['0>3']}").contains("`rules.fixed`: no cell has a node 3"));
    assert!(refusal("{edges: 1, fixed: ['0>1', '1>2']}").contains("2 edges, but `rules.edges` allows at most 1"));
    assert!(refusal("{nodes: 0}").contains("a cell has 1 to"));
    assert!(refusal("{operations: {0: [cnov]}}").contains("did you mean `conv`"));
    assert!(refusal("{operations: {first: [conv]}}").contains("`first` is no place"));
    assert!(refusal("{fixed: ['2>x']}").contains("`2>x` is no edge"));
    assert!(refusal("{fixed: ['2>1'], ordered: true}").contains("`2>1` is no edge"));
    assert!(refusal("{node: 3}").contains("unknown field `node`"));
    // No way through: drawing says so.
    let stuck = space("{nodes: [3, 3], edges: 0, operations: {0: [in], last: [out]}}");
    assert!(stuck.sample(&mut Random::new(0, 0)).unwrap_err().message().contains("no cell within `rules`"));
    assert!(space("{edges: 4}").sample(&mut Random::new(0, 0)).unwrap_err().message().contains("rules.nodes"));
}

#[test]
fn a_configuration_declares_rules_beside_its_vocabulary() {
    let text = "space: dag\nvocabulary: {in: input, out: output, conv: compute}\n\
                rules: {nodes: [2, 5], operations: {0: [in], last: [out]}}\ndata: {table: t.csv, train_target: y}\n";
    for overrides in [&[][..], &["split.train=5".to_string()]] {
        let config = Config::parse(text, overrides).unwrap();
        assert_eq!(Config::parse(&config.to_yaml(), &[]).unwrap(), config);
        let space = Dag::new(config.vocabulary().unwrap().unwrap()).unwrap();
        assert!(space.parse("conv;").unwrap_err().message().contains("rules.nodes"));
    }
    let without = text.replace("vocabulary: {in: input, out: output, conv: compute}\n", "");
    assert!(Config::parse(&without, &[]).unwrap_err().message().contains("`vocabulary`"));
    // As in the card of a checkpoint.
    let rules: CellRules = serde_yaml::from_str(RULES).unwrap();
    let json = serde_json::to_string(&rules).unwrap();
    assert_eq!(serde_json::from_str::<CellRules>(&json).unwrap(), rules);
}

#[test]
fn observed_rules_hold_for_all_and_are_tight() {
    let space = space(RULES);
    let mut random = Random::new(3, 0);
    let cells: Vec<Architecture> = (0..2000).map(|_| space.sample(&mut random).unwrap()).collect();
    let observed = DagRules::observed(&cells, space.vocabulary());
    let declared: CellRules = serde_yaml::from_str(RULES).unwrap();
    assert_eq!((observed.nodes, observed.in_degree, observed.ordered), (declared.nodes, declared.in_degree, true));
    assert_eq!(observed.fixed, declared.fixed);
    assert_eq!(observed.operations.len(), 2, "{observed:?}");
    let again = Dag::new(space.vocabulary().clone().with_rules(Some(Arc::new(observed)))).unwrap();
    assert!(cells.iter().all(|cell| again.parse(&space.print(cell)).is_ok()));
}
