"""The loader and the exported program against `carl predict`."""
import json
import pathlib
import tempfile
import unittest

import numpy as np
import torch
from common import REFERENCE, ROOT, carl, data, rows

import carl_ids
import carl_loader

TABLES = {
    "nasbench201": "nasbench201.csv.gz",
    "transnas101-micro": "transnas101_micro.csv.gz",
    "nasbench101": "nasbench101_subset.csv.gz",
    "darts": "darts_swap.csv.gz",
    "nasbench-graph": "nasbench_graph.csv.gz",
    "nasbench-nlp": "nasbench_nlp_ptb.csv.gz",
    "nasbench-macro": "nasbench_macro.csv.gz",
}
SMALL = ["model.members=2", "model.hidden=16", "train.epochs=5", "split.train=50", "loss.distillation=0"]


def by_program(program, texts, space, form):
    found = []
    with torch.inference_mode():
        for k in range(0, len(texts), 2048):
            parts = carl_loader.load(texts[k : k + 2048], space, form)
            inputs = [torch.from_numpy(part) for part in parts]
            found.append(torch.stack(program(*inputs)[:2]))
    return torch.cat(found, 1).numpy()


class Loader(unittest.TestCase):
    def compare(self, checkpoint, space, *rows_of):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            carl("export", checkpoint, "--output", folder / "model.pt")
            carl("predict", checkpoint, *rows_of, "--output", folder / "scores.csv")
            program, known = torch.jit.load(folder / "model.pt"), rows(folder / "scores.csv")
        form = json.loads((pathlib.Path(checkpoint) / "metrics.json").read_text())["chosen"]["graph_form"]
        found = by_program(program, [row["arch"] for row in known], space, form)
        expected = np.array([[float(row[name]) for row in known] for name in ("score", "std")])
        difference = np.abs(found - expected).max()
        print(f"{space}: {len(known)} rows, difference {difference:.1e}")
        self.assertLess(difference, 1e-5)

    def test_reference(self):
        self.compare(REFERENCE, "nasbench201", "--all")

    def test_tables(self):
        for space, name in TABLES.items():
            table = data(name)
            if table is None:
                continue
            with self.subTest(space), tempfile.TemporaryDirectory() as folder:
                settings = [part for setting in SMALL for part in ("--set", setting)]
                config = ROOT / f"configs/{space}.yaml"
                carl("train", config, "--output", folder + "/c", "--set", f"data.table={table}", *settings)
                self.compare(folder + "/c", space, "--input", table)

    def test_cells_as_they_are_written(self):
        for space in ("nasbench201", "nasbench101", "darts"):
            table = data(TABLES[space])
            if table is None:
                continue
            with self.subTest(space), tempfile.TemporaryDirectory() as folder:
                settings = [part for setting in [*SMALL, "graph.form=written"] for part in ("--set", setting)]
                config = ROOT / f"configs/{space}.yaml"
                carl("train", config, "--output", folder + "/c", "--set", f"data.table={table}", *settings)
                self.compare(folder + "/c", space, "--input", table)


class Ids(unittest.TestCase):
    def test_order_of_the_space(self):
        for space in ("nasbench201",):
            with tempfile.TemporaryDirectory() as folder:
                carl("predict", REFERENCE, "--all", "--output", folder + "/all.csv")
                texts = [row["arch"] for row in rows(folder + "/all.csv")]
            self.assertEqual([carl_ids.decode(k, space) for k in range(carl_ids.size(space))], texts)

    def test_tensors_are_the_loader_s(self):
        random = np.random.default_rng(0)
        for space in carl_ids.BASES:
            total = carl_ids.size(space)
            ids = [0, total - 1, *(int(number) for number in random.integers(0, total, 500))]
            one_hot, adjacency, mask = carl_ids.tensors(ids, space)
            for row, number in enumerate(ids):
                nodes = int(mask[row].sum())
                self.assertEqual(mask[row, :nodes].sum(), nodes)
                operations = one_hot[row, :nodes].argmax(1).tolist()
                links = {(int(a), int(b)): int(adjacency[row, a, b]) for a, b in zip(*adjacency[row].nonzero())}
                graph = carl_loader.graph(carl_ids.decode(number, space), space)
                self.assertEqual(carl_loader.canonical(operations, links), graph, f"{space} {number}")


if __name__ == "__main__":
    unittest.main()
