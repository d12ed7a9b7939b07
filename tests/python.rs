//! The Python package: builds its wheel into .venv and runs tests/python, where torch, maturin, ray and scikit-learn can be
//! imported (`scripts/setup.sh --full`).

use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The Python of CARL_PYTHON, of .venv, or of the machine.
fn python() -> PathBuf {
    let own = Path::new(ROOT).join(".venv/bin/python");
    let known = std::env::var_os("CARL_PYTHON").map(PathBuf::from);
    known.or_else(|| own.exists().then_some(own)).unwrap_or_else(|| "python3".into())
}

/// Runs `program` in the folder of the package. What cargo says of LibTorch's place to tests is not for Python, which has to find
/// its own.
fn run(program: &Path, arguments: &[&str]) -> bool {
    let status = Command::new(program)
        .args(arguments)
        .current_dir(ROOT)
        .env("PYTHON", python())
        .env("CARL", assert_cmd::cargo::cargo_bin("carl"))
        .env_remove("LD_LIBRARY_PATH")
        .status();
    status.is_ok_and(|status| status.success())
}

#[test]
fn package() {
    if !run(&python(), &["-c", "import torch, maturin, ray.tune, sklearn, mypy, optuna, networkx"]) {
        eprintln!("skipped: {} lacks what tests/python imports; run scripts/setup.sh --full", python().display());
        return;
    }
    assert!(run(Path::new("scripts/wheel.sh"), &[]), "the wheel");
    let arguments = ["-m", "unittest", "discover", "--start-directory", "tests/python", "--verbose"];
    assert!(run(&python(), &arguments), "tests/python");
}
