//! Ranks the cells of one table by what was measured of the cells of another:
//! `cargo run --release --example rank_csv nasbench201 trained.csv val candidates.csv`.

use carl::{FitOptions, Predictor, Result, Table, open_space};
use std::path::Path;

/// The cells of the table `candidates`, best first, each with its predicted value of the column `target` of `trained`.
pub fn rank(
    space: &str,
    trained: &Path,
    target: &str,
    candidates: &Path,
    options: &FitOptions,
) -> Result<Vec<(String, f64)>> {
    let reader = open_space(space, None)?;
    let trained = Table::open(trained)?;
    let labels = trained.numbers(target)?;
    let predictor = Predictor::fit(space, &trained.architectures(reader.as_ref())?, &labels, options)?;

    let cells = Table::open(candidates)?.architectures(reader.as_ref())?;
    let predictions = predictor.predict(&cells)?;
    let mut ranked: Vec<_> = cells.into_iter().zip(predictions).collect();
    ranked.sort_by(|(_, a), (_, b)| b.score.total_cmp(&a.score));
    Ok(ranked.into_iter().map(|(cell, prediction)| (cell, prediction.predicted)).collect())
}

#[allow(dead_code)]
fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [space, trained, target, candidates] = arguments.as_slice() else {
        eprintln!("usage: rank_csv SPACE TRAINED.csv TARGET CANDIDATES.csv");
        std::process::exit(2);
    };
    let options = FitOptions::default();
    for (cell, value) in rank(space, Path::new(trained), target, Path::new(candidates), &options)?.iter().take(10) {
        println!("{value:.3}  {cell}");
    }
    Ok(())
}
