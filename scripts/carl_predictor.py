"""A predictor in NASLib's shape, fit and query, over the binary `carl` and the program that it exports.

    predictor = CarlPredictor("configs/nasbench201.yaml")
    predictor.fit(train_archs, train_accuracies)        # seconds: `carl train`, then `carl export`
    scores = predictor.query(test_archs)                # in the unit of the accuracies, from the exported program

Architectures are the space's strings; `encode` turns objects of another library into them. `unlabelled` architectures
help where `loss.distillation` is on: a Gaussian process ranks them for the network. Needs numpy and torch.
"""
import csv
import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np
import torch

import carl_loader


class CarlPredictor:
    def __init__(self, config, settings=(), carl=None, encode=str, device="cpu", seed=0, batch=1024):
        """`settings` are pairs (key, value) as for `carl train --set`; `carl` is the path of the binary."""
        self.config, self.settings, self.encode = pathlib.Path(config), dict(settings), encode
        self.carl = carl or os.environ.get("CARL", "carl")
        self.device, self.seed, self.batch = device, seed, batch
        self.unlabelled, self.program, self.form = [], None, None
        with open(self.config) as file:
            self.space = next(line.split(":", 1)[1].split("#")[0].strip() for line in file if line.startswith("space:"))

    def set_pre_computations(self, unlabeled=None, **_):
        """NASLib's hook: architectures without a label."""
        self.unlabelled = list(unlabeled or [])

    def get_data_reqs(self):
        """NASLib's question what else is needed: nothing."""
        return {"requires_partial_lc": False, "metric": None, "requires_hyperparameters": False, "hyperparams": None,
                "unlabeled": False, "unlabeled_factor": 0}

    def fit(self, xtrain, ytrain, train_info=None):
        """Trains on architectures and their labels, higher is better; returns the labels' root mean square error."""
        labels = np.asarray(ytrain, np.float64)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            with open(folder / "table.csv", "w", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(["arch", "label"])
                writer.writerows((self.encode(arch), repr(float(label))) for arch, label in zip(xtrain, labels))
                writer.writerows((self.encode(arch), "") for arch in self.unlabelled)
            settings = {
                "data.table": folder / "table.csv",
                "data.train_target": "label",
                "data.test_target": "label",
                "data.higher_is_better": "true",
                "split.train": len(labels),
                "split.validation": 0,
                "split.seed": self.seed,
                **self.settings,
            }
            pairs = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
            figures = json.loads(self._carl("train", self.config, "--output", folder / "checkpoint", "--json", *pairs))
            self.form = figures["chosen"]["graph_form"]
            self._carl("export", folder / "checkpoint", "--output", folder / "model.pt")
            self.program = torch.jit.load(folder / "model.pt", map_location=self.device).eval()
        # Scores estimate standardised labels.
        self.mean, self.deviation = labels.mean(), labels.std()
        return float(np.sqrt(np.mean((self.query(xtrain) - labels) ** 2)))

    def query(self, xtest, info=None):
        """Predicted labels [B]."""
        return self.mean + self.deviation * self.scores(xtest)[0]

    def scores(self, architectures):
        """Standardised score and its standard deviation over members, [B] each."""
        texts, found = [self.encode(arch) for arch in architectures], []
        with torch.inference_mode():
            for k in range(0, len(texts), self.batch):
                inputs = carl_loader.load(texts[k : k + self.batch], self.space, self.form)
                outputs = self.program(*(torch.from_numpy(part).to(self.device) for part in inputs))
                found.append(torch.stack(outputs[:2]).cpu().numpy())
        return np.concatenate(found, 1) if found else np.zeros((2, 0), np.float32)

    def _carl(self, *arguments):
        result = subprocess.run([self.carl, *map(str, arguments)], capture_output=True, text=True)
        if result.returncode:
            raise RuntimeError(f"carl {arguments[0]}: {result.stderr.strip()}")
        return result.stdout
