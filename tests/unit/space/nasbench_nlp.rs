//! NAS-Bench-NLP.

use super::space;
use crate::graph::Key;
use crate::random::Random;

const GRU: &str = r#"{"r":{"op":"linear","input":["x","h_prev_0"]},"g":{"op":"activation_sigm","input":["r"]},"n":{"op":"linear","input":["x","h_prev_0"]},"h_new_0":{"op":"blend","input":["g","n","h_prev_0"]}}"#;

fn key(text: &str) -> Key {
    super::key(&*space("nasbench-nlp"), text)
}

#[test]
fn text_is_read_and_printed_unchanged() {
    let space = space("nasbench-nlp");
    assert_eq!(space.print(&space.parse(GRU).unwrap()), GRU);
}

#[test]
fn names_and_order_of_nodes_do_not_matter_but_the_order_of_blended_inputs_does() {
    let other = r#"{"h_new_0":{"op":"blend","input":["b","c","h_prev_0"]},"b":{"op":"activation_sigm","input":["a"]},"c":{"op":"linear","input":["h_prev_0","x"]},"a":{"op":"linear","input":["h_prev_0","x"]}}"#;
    assert_eq!(key(GRU), key(other));
    assert_ne!(key(GRU), key(&GRU.replace(r#""g","n","h_prev_0""#, r#""g","h_prev_0","n""#)));
    assert_ne!(key(GRU), key(&GRU.replace(r#""g","n","h_prev_0""#, r#""n","g","h_prev_0""#)));
}

#[test]
fn texts_that_are_not_recipes_are_refused() {
    let refusal = |text: &str| space("nasbench-nlp").parse(text).unwrap_err().message().to_string();
    assert!(refusal("[]").contains("not a JSON object"));
    assert!(refusal("{}").contains("0 nodes"));
    assert!(refusal(r#"{"h_new_0":3}"#).contains("node `h_new_0` is not an operation"));
    assert!(refusal(r#"{"h_new_0":{"op":"liner","input":["x"]}}"#).contains("did you mean `linear`"));
    assert!(refusal(r#"{"h_new_0":{"op":"gate","input":["x"]}}"#).contains("unknown operation"));
    assert!(refusal(r#"{"h_new_0":{"op":"blend","input":["x"]}}"#).contains("1 inputs, blend takes 3"));
    assert!(refusal(r#"{"h_new_0":{"op":"linear","input":[]}}"#).contains("0 inputs, linear takes 1 to 16"));
    assert!(refusal(r#"{"h_new_0":{"op":"linear","input":[1]}}"#).contains("not a name"));
    assert!(refusal(r#"{"h_new_0":{"op":"linear","input":["y"]}}"#).contains("which is no node"));
    assert!(refusal(r#"{"h_new_0":{"op":"linear","input":["h_prev_1"]}}"#).contains("no node is called h_new_1"));
    assert!(refusal(r#"{"a":{"op":"linear","input":["x"]}}"#).contains("no node is called h_new_0"));
    assert!(refusal(r#"{"x":{"op":"linear","input":["x"]}}"#).contains("which is an input"));
    assert!(refusal(r#"{"h_new_0":{"op":"linear","input":["h_new_0"]}}"#).contains("cycle"));
    let states = r#"{"h_new_0":{"op":"linear","input":["x"]},"h_new_2":{"op":"linear","input":["x"]}}"#;
    assert!(refusal(states).contains("there is a node h_new_2 without a node h_new_1"));
    assert!(refusal(&"[".repeat(100_000)).contains("not a JSON object"));
}

#[test]
fn mutants_are_valid_and_different() {
    let space = space("nasbench-nlp");
    let mut random = Random::new(0, 0);
    let mut cell = space.parse(GRU).unwrap();
    for _ in 0..500 {
        let mutant = space.mutate(&cell, &mut random).unwrap();
        assert_ne!(mutant, cell);
        assert_eq!(space.parse(&space.print(&mutant)).unwrap(), mutant);
        cell = mutant;
    }
}
