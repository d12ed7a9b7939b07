//! Fused scores on the CPU against the model's own forward pass, and against themselves in other company.
#![cfg(feature = "torch")]

#[path = "shared/cells.rs"]
mod cells;

use carl::model::batch::Padded;
use carl::config::{Attribute, Convolution, Mask, ModelOptions, Readout};
use carl::graph::Graph;
use carl::progress::NoProgress;
use carl::model::scorer::{Scorer, Weights};
use carl::space;
use cells::{graphs, weights};
use std::io::Write;
use tch::{Device, Kind};

/// [F, E] by the model's own forward pass in double precision.
fn by_tensors(weights: &Weights, graphs: &[Graph]) -> Vec<f64> {
    let nodes = graphs.iter().map(Graph::len).max().unwrap();
    let double = Weights { parameters: weights.parameters.to_kind(Kind::Double), ..weights.clone() };
    let padded = Padded::new(graphs, nodes, weights.vocabulary).to_graphs(Kind::Double, Device::Cpu);
    let ensemble = double.ensemble(0, weights.members() as i64, Device::Cpu);
    let scores = tch::no_grad(|| ensemble.member_scores(&padded).0.transpose(0, 1).contiguous());
    Vec::try_from(scores.flatten(0, 1)).unwrap()
}

fn attribute(column: &str) -> Attribute {
    Attribute { column: column.to_string(), scale: Some((0.0, 1.0)) }
}

#[test]
fn fused_scores_are_the_model_s() {
    use Readout::{Mean, Output, Sum};
    let base = ModelOptions { members: 2, layers: 2, hidden: 16, ..ModelOptions::default() };
    let shapes = [
        ("nasbench201", ModelOptions { hidden: 64, layers: 3, ..base.clone() }),
        ("darts", base.clone()),
        ("nasbench101", ModelOptions { hidden: 13, ..base.clone() }),
        ("nasbench101", ModelOptions { mask: Mask::None, readout: vec![Sum], layers: 1, ..base.clone() }),
        ("darts", ModelOptions { convolution: Convolution::Forward, readout: vec![Mean, Output, Sum], ..base.clone() }),
        ("nasbench-macro", ModelOptions { hidden: 1, convolution: Convolution::Forward, ..base.clone() }),
        ("nasbench201", ModelOptions { attributes: vec![attribute("flops"), attribute("zen")], ..base.clone() }),
        ("nasbench201", ModelOptions { statistics: 3, attributes: vec![attribute("flops")], ..base }),
    ];
    for (space, options) in shapes {
        let (mut graphs, vocabulary, output) = graphs(space, 300);
        for (row, graph) in graphs.iter_mut().enumerate().filter(|(row, _)| row % 3 > 0) {
            graph.attributes = (0..options.attributes.len()).map(|place| ((row + place) as f32).sin()).collect();
        }
        for (row, graph) in graphs.iter_mut().enumerate() {
            graph.statistics = (0..options.statistics).map(|place| ((row * 2 + place) as f32).cos()).collect();
        }
        let weights = weights(options.clone(), vocabulary, output);
        let expected = by_tensors(&weights, &graphs);
        let found = Scorer::new(&weights, Device::Cpu, 2).scores(&graphs.iter().collect::<Vec<_>>(), &NoProgress);
        let spread = expected.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        for (expected, found) in expected.iter().zip(&found) {
            assert!(
                (expected - f64::from(*found)).abs() < 3e-6 * spread.max(1.0),
                "{space} {options:?}: {expected} {found}"
            );
        }
    }
}

#[test]
fn a_score_does_not_depend_on_its_company_or_on_threads() {
    let (graphs, vocabulary, output) = graphs("nasbench101", 2_000);
    let weights = weights(ModelOptions { members: 2, ..ModelOptions::default() }, vocabulary, output);
    let all: Vec<&Graph> = graphs.iter().collect();
    let base = Scorer::new(&weights, Device::Cpu, 1).scores(&all, &NoProgress);
    assert_eq!(base, Scorer::new(&weights, Device::Cpu, 3).scores(&all, &NoProgress));
    let turned: Vec<&Graph> = all.iter().rev().copied().collect();
    let scorer = Scorer::new(&weights, Device::Cpu, 2);
    let back: Vec<f32> = scorer.scores(&turned, &NoProgress).chunks_exact(2).rev().flatten().copied().collect();
    assert_eq!(base, back);
    for row in [0, 1, 777, 1_999] {
        assert_eq!(base[2 * row..2 * row + 2], scorer.scores(&all[row..=row], &NoProgress));
    }
}

#[test]
fn memory_does_not_grow_with_the_rows() {
    // No other test of this file has child processes, whose peak the kernel keeps.
    let folder = tempfile::tempdir().unwrap();
    let space = space::open("nasbench201", None).unwrap();
    let body: String = space.enumerate().unwrap().map(|cell| space.print(&cell) + "\n").collect();
    let peak = |repeats: usize| {
        let (input, output) = (folder.path().join("rows.csv"), folder.path().join("scores.csv"));
        // Written piece by piece: what this process holds counts for a child that it starts.
        let mut file = std::fs::File::create(&input).unwrap();
        file.write_all(b"arch\n").unwrap();
        (0..repeats).for_each(|_| file.write_all(body.as_bytes()).unwrap());
        let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/checkpoints/reference");
        let result = std::process::Command::new(assert_cmd::cargo::cargo_bin("carl"))
            .args(["predict", reference, "--input", input.to_str().unwrap(), "--output", output.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
        // SAFETY: the structure is plain numbers, for which zeroes are valid, and the call only fills it.
        unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage), 0);
            usage.ru_maxrss as f64
        }
    };
    let (few, many) = (peak(20), peak(80));
    assert!(many < 1.1 * few, "{few} kB for 312,500 rows, {many} kB for 1,250,000");
}
