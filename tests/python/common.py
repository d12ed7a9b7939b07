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


def run(*command, code=0):
    """What a command prints, on both streams if it has to fail; it has to end with this code."""
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + (result.stderr if code else "")


def python(*arguments, code=0):
    return run(sys.executable, *arguments, code=code)


def carl(*arguments):
    return run(CARL, *arguments)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def measure(cell):
    """Stands for hours of training."""
    return 60.0 + 5 * cell.count("3x3") + 2 * cell.count("1x1") - 4 * cell.count("none")


def go_on(search, count, value=measure):
    """Asks for one cell after the other, and tells its value."""
    for _ in range(count):
        [cell] = search.ask()
        search.tell(cell, value(cell))
    return search.history()[-count:]
