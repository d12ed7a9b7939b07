"""What the tests of the Python programs share."""
import csv
import gzip
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "checkpoints/reference"
CARL = os.environ.get("CARL", str(ROOT / "target/release/carl"))
sys.path.insert(0, str(ROOT / "scripts"))


def carl(*arguments):
    """What the binary prints; it has to succeed."""
    result = subprocess.run([CARL, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return result.stdout


def rows(path):
    with (gzip.open if str(path).endswith(".gz") else open)(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


def data(name):
    """A benchmark table, or none with a line that says so."""
    for folder in os.environ.get("CARL_DATA", "data:../shared/data").split(":"):
        path = ROOT / folder / name
        if path.exists():
            return path
    print(f"skipped: no {name}; name its folder in CARL_DATA", file=sys.stderr)
    return None
