//! User-defined cells.

use crate::graph::{Reduction, Role, Vocabulary, canonicalize};
use crate::random::Random;
use crate::space::{Dag, Space};

fn space() -> Dag {
    let names = ["pool", "conv", "output", "none", "skip"];
    Dag::new(Vocabulary::by_convention(names)).unwrap()
}

fn refusal(text: &str) -> String {
    space().parse(text).unwrap_err().message().to_string()
}

#[test]
fn the_ends_come_first_and_the_others_keep_their_order() {
    let names: Vec<_> = space().vocabulary().operations().iter().map(|operation| operation.name.clone()).collect();
    assert_eq!(names, ["input", "output", "pool", "conv", "none", "skip"]);
    let collected = Dag::collect(["input pool output;0>1 1>2", "conv;"]).unwrap();
    assert_eq!(
        collected.operations().iter().map(|o| o.name.as_str()).collect::<Vec<_>>(),
        ["input", "output", "conv", "pool"]
    );
}

#[test]
fn text_is_read_and_printed_unchanged() {
    for text in
        ["conv;", "input conv output;0>1 1>2", "conv pool skip;1>2 0>1", "input conv input output;2>1 0>1 1>3 1>3"]
    {
        assert_eq!(space().print(&space().parse(text).unwrap()), text);
    }
    assert_eq!(space().print(&space().parse(" conv  pool ; 0>1 ").unwrap()), "conv pool;0>1");
}

#[test]
fn missing_ends_are_added() {
    let key =
        |text| canonicalize(&space().graph(&space().parse(text).unwrap()), space().vocabulary(), Reduction::default());
    let whole = key("input conv pool output;0>1 1>2 2>3").unwrap();
    for text in ["conv pool;0>1", "input pool conv;0>2 2>1", "output conv pool;1>2 2>0"] {
        assert_eq!(key(text).unwrap().key, whole.key, "{text}");
    }
}

#[test]
fn texts_that_are_not_cells_are_refused() {
    assert_eq!(refusal("conv"), "0 semicolons, one separates the operations from the edges");
    assert_eq!(refusal(";"), "a cell needs at least one operation");
    assert_eq!(refusal("cnov;"), "unknown operation `cnov` (did you mean `conv`?)");
    assert_eq!(refusal("conv pool;0>x"), "`0>x` is not an edge i>j");
    assert_eq!(refusal("conv pool;0>+1"), "`0>+1` is not an edge i>j");
    assert_eq!(refusal("conv pool;0>99999"), "`0>99999` is not an edge i>j");
    assert_eq!(refusal("conv pool;0>2"), "edge 0>2 names a node beyond the last one, 1 (nodes are counted from 0)");
    assert_eq!(refusal("conv pool;1>1"), "edge 1>1 joins node 1 to itself");
    assert_eq!(refusal("conv input;0>1"), "edge 0>1 leads into node 1, an input (`input`)");
    assert_eq!(refusal("output conv;0>1"), "edge 0>1 leads out of node 0, an output (`output`)");
    assert!(refusal("input conv pool output;0>1 1>2 2>1 2>3").contains("cycle"));
    assert!(refusal("input conv output;0>1").contains("disconnected"));
    assert!(refusal("conv output;").contains("disconnected"));
    assert!(refusal(&format!("{};", "conv ".repeat(4097))).contains("at most 4096"));
    assert!(refusal(&format!("{};", "conv ".repeat(4095))).contains("at most 4096"), "the added ends count as well");
    assert!(refusal(&format!("conv pool;{}", "0>1 ".repeat(1 << 17))).contains("at most 65536"));
}

#[test]
fn names_that_cannot_be_written_are_refused() {
    for names in [["a b", "c"], ["a,b", "c"], ["a;b", "c"], ["", "c"], ["c", "c"]] {
        assert!(Dag::new(Vocabulary::new(names.map(|name| (name, Role::Compute)))).is_err(), "{names:?}");
    }
    assert!(Dag::new(Vocabulary::new([("input", Role::Compute)])).is_err());
    let role = Dag::new(Vocabulary::new([("skip", Role::Compute)])).unwrap().vocabulary().role(2);
    assert_eq!(role, Role::Compute, "a vocabulary may deviate from the convention");
}

#[test]
fn mutants_are_valid_and_different() {
    let mut random = Random::new(0, 0);
    let mut cell = space().parse("input conv pool output;0>1 1>2 2>3").unwrap();
    for _ in 0..200 {
        let mutant = space().mutate(&cell, &mut random).unwrap();
        assert_ne!(mutant, cell);
        assert_eq!(space().parse(&space().print(&mutant)).unwrap(), mutant);
        cell = mutant;
    }
    let stuck = Dag::new(Vocabulary::new([("conv", Role::Compute)])).unwrap();
    assert!(stuck.mutate(&stuck.parse("conv;").unwrap(), &mut random).is_err());
}
