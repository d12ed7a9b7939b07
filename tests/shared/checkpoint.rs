//! A checkpoint that is trained in a moment.

use carl::{FitOptions, Predictor, Random, open_space};
use std::path::PathBuf;
use std::sync::OnceLock;

/// The folder of a small predictor of NAS-Bench-201, trained once for a test program.
pub fn checkpoint() -> &'static str {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let space = open_space("nasbench201", None).unwrap();
        let mut random = Random::new(0, 0);
        let cells: Vec<String> = (0..40).map(|_| space.print(&space.sample(&mut random).unwrap())).collect();
        let label = |cell: &String| 2.0 * cell.matches("3x3~").count() as f64 - cell.matches("none").count() as f64;
        let labels: Vec<f64> = cells.iter().map(label).collect();
        let mut options = FitOptions::default();
        (options.predictor.model.members, options.predictor.train.epochs) = (2, 20);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME"));
        Predictor::fit("nasbench201", &cells, &labels, &options).unwrap().save(&folder).unwrap();
        folder
    });
    folder.to_str().unwrap()
}
