//! Networks in ONNX files: those of tests/fixtures/onnx, which torch has written, and files made by hand.

use crate::source::onnx::block::repeated_block;
use crate::source::onnx::{ImportedNetwork, read_from};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::PathBuf;

fn fixture(name: &str) -> ImportedNetwork {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/onnx"));
    crate::source::onnx::read(&folder.join(format!("{name}.onnx")), false).unwrap()
}

fn counts(network: &ImportedNetwork) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    network.operations.split(' ').for_each(|name| *counts.entry(name).or_default() += 1);
    counts
}

/// Weights and multiply-adds as torch counts them. Its flop counter leaves out the products of attention, 2 heads x 2 x 6 x 6 x 4;
/// the optimiser of its exporter, which has been over `text`, leaves out a bias of eight zeros and writes the scale of attention
/// as a weight.
#[test]
fn weights_and_multiply_adds_are_those_of_torch() {
    for (name, parameters, multiply_adds) in [
        ("residual", 1409, 60_456),
        ("mobile", 1159, 230_508),
        ("cell", 2228, 73_296),
        ("text", 706 - 8 + 2, 3_088 + 576),
    ] {
        let network = fixture(name);
        assert_eq!((network.parameters, network.multiply_adds), (parameters, Some(multiply_adds)), "{name}");
        assert!(network.unknown.is_empty());
    }
}

#[test]
fn convolution_normalisation_and_activation_are_one_node() {
    let network = fixture("residual");
    assert_eq!(
        network.operations,
        "input conv3x3 maxpool3x3 conv3x3 conv3x3 add conv3x3 conv3x3 conv1x1 add globalavgpool gemm output"
    );
    assert_eq!(network.edges, "0>1 1>2 2>3 3>4 2>5 4>5 5>6 6>7 5>8 7>9 8>9 9>10 10>11 11>12");
    assert_eq!((network.depth, network.input_size), (10, Some(16)));
}

#[test]
fn gates_are_activations_and_what_weighs_channels_is_a_product() {
    let network = fixture("mobile");
    let expected = [
        ("add", 2),
        ("conv1x1", 8),
        ("conv3x3", 1),
        ("dwconv5x5", 2),
        ("gemm", 1),
        ("globalavgpool", 3),
        ("input", 1),
        ("mul", 2),
        ("output", 1),
    ];
    assert_eq!(counts(&network), BTreeMap::from(expected));
}

#[test]
fn what_is_multiplied_with_zero_is_absent() {
    // Three cells of |conv3x3~0|+|none~0|skip~1|+|avgpool~0|conv1x1~1|skip~2|, where ReLUs come before convolutions.
    let network = fixture("cell");
    let counts = counts(&network);
    assert_eq!((counts.get("none"), counts.get("mul"), counts.get("relu")), (None, None, None));
    // One in the stem, one in each cell, two in each of the two blocks between stages; one sum in each cell and block.
    assert_eq!((counts["conv3x3"], counts["avgpool3x3"], counts["add"]), (1 + 3 + 4, 3, 5));
}

/// What a product with zero hides is no node, but it has weights and is run.
#[test]
fn what_is_multiplied_with_zero_costs() {
    let zero = Message::default().number(2, 1).bytes(9, &[0; 4]);
    let zeros = operator("Constant", &[], "z").bytes(5, &Message::default().bytes(1, b"value").bytes(5, &zero.0).0);
    let product = |from, to| operator("MatMul", &[from, "w"], to);
    let hidden = [product("x", "h"), operator("Mul", &["h", "z"], "n"), product("n", "m")];
    let seen = [product("x", "k"), operator("Add", &["k", "m"], "y")];
    let network = import(&model(&[&[zeros][..], &hidden, &seen].concat())).unwrap();
    assert_eq!(network.operations.matches("gemm").count(), 2, "{}", network.operations);
    assert_eq!(network.multiply_adds, Some(3 * 16));
}

#[test]
fn attention_is_two_products() {
    let network = fixture("text");
    let counts = counts(&network);
    assert_eq!((counts["matmul"], counts["softmax"], counts["add"], counts.get("transpose")), (2, 1, 2, None));
}

/// Stages of cells with a block between them; the stem looks like the end of a cell.
fn stages(cells: usize) -> (Vec<String>, Vec<(usize, usize)>) {
    let (mut names, mut edges) = (vec!["input".to_string(), "conv3x3".to_string()], vec![(0, 1)]);
    let mut node = |name: &str, sources: &[usize]| {
        names.push(name.to_string());
        edges.extend(sources.iter().map(|&from| (from, names.len() - 1)));
        names.len() - 1
    };
    let mut last = 1;
    for stage in 0..3 {
        for _ in 0..cells {
            let (pool, first) = (node("pool", &[last]), node("conv1x1", &[last]));
            let sum = node("add", &[pool, first, last]);
            last = node("conv3x3", &[sum]);
        }
        if stage < 2 {
            last = node("down", &[last]);
        }
    }
    let end = node("gemm", &[last]);
    node("output", &[end]);
    (names, edges)
}

#[test]
fn the_block_that_follows_itself_is_found_and_its_sums_are_edges() {
    let (names, edges) = stages(5);
    let block = repeated_block(&names, &edges).unwrap();
    assert_eq!(block.names, ["input", "pool", "conv1x1", "conv3x3", "output"]);
    let mut found = block.edges;
    found.sort_unstable();
    assert_eq!((found, block.repeats), (vec![(0, 1), (0, 2), (0, 3), (1, 3), (2, 3), (3, 4)], 15));
    // A chain of different nodes repeats nothing.
    let chain = ["input", "a", "b", "c", "output"].map(str::to_string);
    assert_eq!(repeated_block(&chain, &[(0, 1), (1, 2), (2, 3), (3, 4)]), None);
    // No piece ends within a connection that is open, and many equal nodes are no burden.
    let long: Vec<String> = (0..4000).map(|node| if node == 0 { "input" } else { "conv" }.to_string()).collect();
    let edges: Vec<(usize, usize)> = (1..4000).map(|node| (node - 1, node)).collect();
    assert_eq!(repeated_block(&long, &edges).unwrap().repeats, 3999);
    let open: Vec<(usize, usize)> = edges.iter().copied().chain([(0, 3999)]).collect();
    assert_eq!(repeated_block(&long, &open), None);
}

#[test]
fn a_block_whose_sums_have_too_many_terms_is_none() {
    // Two ladders of sums, each of the two nodes before it: their terms grow like Fibonacci's numbers.
    let rungs = |sums: usize| (0..2).flat_map(move |_| (0..=sums).map(|rung| if rung == 0 { "conv" } else { "add" }));
    let ladders = |sums: usize| {
        let names: Vec<String> =
            ["input"].into_iter().chain(rungs(sums)).chain(["output"]).map(str::to_string).collect();
        let sources = |node: usize| if names[node] == "add" { vec![node - 2, node - 1] } else { vec![node - 1] };
        let edges = (1..names.len()).flat_map(|node| sources(node).into_iter().map(move |from| (from, node))).collect();
        (names, edges)
    };
    let (names, edges): (Vec<String>, Vec<(usize, usize)>) = ladders(3);
    assert_eq!(repeated_block(&names, &edges).unwrap().edges, [(0, 1), (0, 2), (1, 2), (1, 2), (0, 2), (1, 2)]);
    let (names, edges) = ladders(60);
    assert_eq!(repeated_block(&names, &edges), None);
}

/// A message of protobuf, field by field.
#[derive(Clone, Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(mut self, field: u8, value: u64) -> Self {
        self.0.push(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u8, bytes: &[u8]) -> Self {
        self.0.push(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value > 127 {
            self.0.push(value as u8 | 128);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

fn operator(kind: &str, inputs: &[&str], output: &str) -> Message {
    let node = inputs.iter().fold(Message::default(), |node, input| node.bytes(1, input.as_bytes()));
    node.bytes(2, output.as_bytes()).bytes(4, kind.as_bytes())
}

/// A model of these operators from `x`, 1 x 4, to `y`, with the weights `w`, 4 x 4.
fn model(operators: &[Message]) -> Vec<u8> {
    let weight = Message::default().number(1, 4).number(1, 4).number(2, 1).bytes(8, b"w");
    let dim = |size| Message::default().bytes(1, &Message::default().number(1, size).0);
    let shape = Message([dim(1).0, dim(4).0].concat());
    let tensor = Message::default().number(1, 1).bytes(2, &shape.0);
    let x = Message::default().bytes(1, b"x").bytes(2, &Message::default().bytes(1, &tensor.0).0);
    let graph = operators.iter().fold(Message::default(), |graph, node| graph.bytes(1, &node.0));
    let graph = graph.bytes(5, &weight.0).bytes(11, &x.0).bytes(12, &Message::default().bytes(1, b"y").0);
    Message::default().number(1, 8).bytes(7, &graph.0).0
}

fn import(bytes: &[u8]) -> crate::error::Result<ImportedNetwork> {
    read_from(Cursor::new(bytes), bytes.len() as u64, false)
}

#[test]
fn unknown_operators_are_nodes_of_their_name() {
    let own = operator("Scan,It", &["h"], "y").bytes(7, b"my.domain");
    let network = import(&model(&[operator("MatMul", &["x", "w"], "h"), own])).unwrap();
    assert_eq!(network.operations, "input gemm my.domain.scan_it output");
    assert_eq!((network.parameters, network.multiply_adds), (16, None));
    assert_eq!(network.unknown.into_iter().collect::<Vec<_>>(), ["my.domain.Scan,It"]);
}

#[test]
fn a_value_that_is_added_to_itself_is_counted_twice() {
    let network = import(&model(&[operator("MatMul", &["x", "w"], "h"), operator("Add", &["h", "h"], "y")])).unwrap();
    assert_eq!((network.operations.as_str(), network.edges.as_str()), ("input gemm add output", "0>1 1>2 1>2 2>3"));
    assert_eq!(network.multiply_adds, Some(16));
}

#[test]
fn files_that_are_no_networks_are_refused() {
    let refusal = |bytes: &[u8]| import(bytes).unwrap_err().message().to_string();
    assert!(refusal(b"").contains("no graph"));
    assert!(refusal(b"<html>not found</html>").contains("protobuf") || refusal(b"<html>").contains("longer"));
    let whole = model(&[operator("MatMul", &["x", "w"], "y")]);
    assert!(import(&whole).is_ok());
    assert!((3..whole.len()).all(|end| import(&whole[..end]).is_err()), "a file that is cut short");
    assert!(refusal(&model(&[operator("MatMul", &["x", "v"], "y")])).contains("reads `v`, which nothing gives"));
    assert!(refusal(&model(&[operator("Relu", &["y"], "y")])).contains("reads `y`"));
    let twice = [operator("Relu", &["x"], "h"), operator("Relu", &["x"], "h"), operator("Relu", &["h"], "y")];
    assert!(refusal(&model(&twice)).contains("`h` is given twice"));
    assert!(refusal(&model(&[operator("Relu", &["w"], "y")])).contains("no output depends on an input"));
    let long: Vec<Message> = (0..5000)
        .map(|index| {
            operator(
                "MatMul",
                &[&if index == 0 { "x".to_string() } else { format!("h{index}") }, "w"],
                &format!("h{}", index + 1),
            )
        })
        .chain([operator("Relu", &["h5000"], "y")])
        .collect();
    assert!(refusal(&model(&long)).contains("at most 4096"));
}
