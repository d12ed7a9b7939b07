"""The tutorial, and the types of the package."""
from common import Case, python


class Tutorial(Case):
    def test_it_runs_and_finds_the_best_cell(self):
        found = python("scripts/tutorial.py", self.folder)
        self.assertEqual(found.returncode, 0, found.stderr)
        self.assertIn("76 trained, the best one has 88.0: |nor_conv_3x3~0|", found.stdout)
        self.assertEqual({path.name for path in self.folder.iterdir()}, {"best.svg", "checkpoint", "model.pt", "run.jsonl"})

    def test_types(self):
        found = python("-m", "mypy")
        self.assertEqual(found.returncode, 0, found.stdout)
