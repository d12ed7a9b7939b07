"""What the tests of the Python package share."""
import csv
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "checkpoints/reference"
CARL = os.environ.get("CARL", str(ROOT / "target/release/carl"))
SMALL = {"model.members": 2, "model.hidden": 16, "train.epochs": 10, "loss.distillation": 0}


class Case(unittest.TestCase):
    """Tests that have a folder each."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


def run(*command):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=ROOT, timeout=300)


def python(*arguments):
    """Runs Python; what it printed, on both streams, and its exit code."""
    return run(sys.executable, *arguments)


def carl(*arguments):
    """What the binary prints; it has to succeed."""
    result = run(CARL, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def measure(cell):
    """Stands for hours of training."""
    return 60.0 + 5 * cell.count("3x3") + 2 * cell.count("1x1") - 4 * cell.count("none")
