//! The examples, run on little data.
#![cfg(feature = "torch")]

#[path = "examples/own_space.rs"]
mod own_space;
#[path = "examples/rank_csv.rs"]
mod rank_csv;

use carl::{FitOptions, Random, open_space};
use std::fs;

fn quick() -> FitOptions {
    let mut options = FitOptions::default();
    options.predictor.model.members = 2;
    options.predictor.train.epochs = 60;
    options
}

#[test]
fn a_table_is_ranked() {
    let space = open_space("nasbench201", None).unwrap();
    let mut random = Random::new(0, 0);
    let cells: Vec<String> = (0..240).map(|_| space.print(&space.sample(&mut random).unwrap())).collect();
    let measure = |cell: &str| cell.matches("nor_conv_3x3").count() as f64 - cell.matches("none").count() as f64;
    let folder = tempfile::tempdir().unwrap();
    let (trained, candidates) = (folder.path().join("trained.csv"), folder.path().join("candidates.csv"));
    let rows: Vec<String> = cells[..40].iter().map(|cell| format!("{cell},{}", measure(cell))).collect();
    fs::write(&trained, format!("arch,val\n{}\n", rows.join("\n"))).unwrap();
    fs::write(&candidates, format!("arch\n{}\n", cells[40..].join("\n"))).unwrap();

    let ranked = rank_csv::rank("nasbench201", &trained, "val", &candidates, &quick()).unwrap();
    assert_eq!(ranked.len(), 200);
    let mean = |rows: &[(String, f64)]| rows.iter().map(|(cell, _)| measure(cell)).sum::<f64>() / rows.len() as f64;
    assert!(mean(&ranked[..20]) > mean(&ranked[180..]) + 2.0, "{} {}", mean(&ranked[..20]), mean(&ranked[180..]));
    assert!(ranked.windows(2).all(|pair| pair[0].1 >= pair[1].1));
}

#[test]
fn an_own_space_is_learned() {
    let tau = own_space::run(60, 200, &quick()).unwrap();
    assert!(tau > 0.5, "{tau}");
}
