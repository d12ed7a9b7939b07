"""The tutorial, and the types of the package."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

from common import ROOT


class Tutorial(unittest.TestCase):
    def test_it_runs_and_finds_the_best_cell(self):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "scripts/tutorial.py", folder]
            found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
            self.assertEqual(found.returncode, 0, found.stderr)
            self.assertIn("76 trained, the best one has 88.0: |nor_conv_3x3~0|", found.stdout)
            names = {path.name for path in pathlib.Path(folder).iterdir()}
            self.assertEqual(names, {"best.svg", "checkpoint", "model.pt", "run.jsonl"})

    def test_types(self):
        found = subprocess.run([sys.executable, "-m", "mypy"], capture_output=True, text=True, cwd=ROOT)
        self.assertEqual(found.returncode, 0, found.stdout)


if __name__ == "__main__":
    unittest.main()
