"""What the tests of the Python package share."""
import csv
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "checkpoints/reference"
CARL = os.environ.get("CARL", str(ROOT / "target/release/carl"))
SMALL = {"model.members": 2, "model.hidden": 16, "train.epochs": 10, "loss.distillation": 0}


def carl(*arguments):
    """What the binary prints; it has to succeed."""
    result = subprocess.run([CARL, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return result.stdout


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def measure(cell):
    """Stands for hours of training."""
    return 60.0 + 5 * cell.count("3x3") + 2 * cell.count("1x1") - 4 * cell.count("none")
