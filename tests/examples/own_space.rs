//! A search space of one's own: cells are any directed acyclic graphs with operations on their nodes, in the space `dag`.
//! `cargo run --release --example own_space`.

use carl::{FitOptions, Predictor, Random, Result, Space, Vocabulary, kendall_tau, open_space};

/// The space over operations of one's own; names such as `skip` and `none` have their usual meaning.
pub fn space() -> Result<Box<dyn Space>> {
    open_space("dag", Some(Vocabulary::by_convention(["attention", "convolution", "pooling", "gate", "skip"])))
}

/// A cell with a node per name, where each node reads the node before it and perhaps an earlier one.
fn draw(operations: &[&str], random: &mut Random) -> String {
    let count = 3 + random.below(4);
    let mut names = vec!["input"];
    names.extend((0..count).map(|_| operations[random.below(operations.len())]));
    names.push("output");
    let mut edges: Vec<String> = (1..names.len()).map(|node| format!("{}>{node}", node - 1)).collect();
    edges.extend((2..names.len()).filter(|_| random.below(2) == 0).map(|node| format!("{}>{node}", node - 2)));
    format!("{};{}", names.join(" "), edges.join(" "))
}

/// Kendall's tau between the predictions for `tested` cells and their values, after training on `trained` others.
pub fn run(trained: usize, tested: usize, options: &FitOptions) -> Result<f64> {
    let space = space()?;
    let operations = ["attention", "convolution", "pooling", "gate", "skip"];
    let mut random = Random::new(0, 0);
    let cells: Vec<String> = (0..trained + tested).map(|_| draw(&operations, &mut random)).collect();
    for cell in &cells {
        space.parse(cell)?; // says what is wrong with a cell that is none
    }

    // Stands for a training run: attention is worth most, and more where it comes after a convolution.
    let measure = |cell: &String| {
        let count = |name: &str| cell.matches(name).count() as f64;
        3.0 * count("attention") + count("convolution") + 2.0 * count("convolution attention") - count("pooling")
    };
    let labels: Vec<f64> = cells.iter().map(measure).collect();

    let predictor = Predictor::fit("dag", &cells[..trained], &labels[..trained], options)?;
    let scores: Vec<f64> = predictor.predict(&cells[trained..])?.iter().map(|prediction| prediction.score).collect();
    Ok(kendall_tau(&scores, &labels[trained..]))
}

#[allow(dead_code)]
fn main() -> Result<()> {
    println!("Kendall's tau of 300 unseen cells: {:.3}", run(100, 300, &FitOptions::default())?);
    Ok(())
}
