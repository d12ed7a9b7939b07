"""Kendall's tau of carl, a Gaussian process and XGBoost on a table of choices that are all numbers, as Markdown.

  python scripts/compare_choices.py configs/nasbench-mr.yaml --targets seg_miou,gflops --train-sizes 50,100 --seeds 10

Needs numpy, scipy, scikit-learn and xgboost. The two peers read the standardised numbers. Gaussian process: the sum of a Matern-3/2 and a
linear kernel, their scales fitted by marginal likelihood. XGBoost: 400 trees of depth 4. Each learns labels and ranks of labels, and the
better of the two, over all splits, is printed. Splits of the peers are drawn with numpy: of the same sizes as carl's, not the same rows.
In brackets: tau over the rows that were not trained on.
"""
import argparse
import csv
import gzip
import json
import pathlib
import re
import subprocess
import warnings

import numpy as np
import xgboost
from scipy.stats import kendalltau, rankdata
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel


def carl(config, target, arguments):
    """Taus over all rows and over unseen rows, for every size."""
    command = [arguments.carl, "benchmark", str(config), "--json", "--train-sizes", arguments.train_sizes, "--seeds", str(arguments.seeds)]
    for item in [f"data.train_target={target}", *arguments.set]:
        command += ["--set", item]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return [(result["kendall_tau"]["values"], result["kendall_tau_unseen"]["values"]) for result in report["results"]]


def gaussian_process():
    smooth = ConstantKernel(1, (1e-3, 1e3)) * Matern(8, (0.5, 200), nu=1.5)
    linear = ConstantKernel(0.1, (1e-6, 1e3)) * DotProduct(1, (1e-3, 1e3))
    return GaussianProcessRegressor(smooth + linear + WhiteKernel(0.3, (1e-4, 3)), normalize_y=True)


def trees():
    return xgboost.XGBRegressor(n_estimators=400, max_depth=4, learning_rate=0.05, subsample=0.8, n_jobs=1)


def judge(make, x, labels, size, seeds):
    """Taus over all rows and over unseen rows of the better of two readings of the labels."""
    readings = []
    for read in (lambda labels: (labels - labels.mean()) / labels.std(), lambda labels: rankdata(labels) / len(labels)):
        taus = []
        for seed in range(seeds):
            order = np.random.RandomState(seed).permutation(len(labels))
            chosen, others = order[:size], order[size:]
            scores = make().fit(x[chosen], read(labels[chosen])).predict(x)
            taus.append([kendalltau(scores, labels)[0], kendalltau(scores[others], labels[others])[0]])
        readings.append(np.transpose(taus))
    return max(readings, key=lambda taus: taus[0].mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=pathlib.Path)
    parser.add_argument("--targets", required=True)
    parser.add_argument("--train-sizes", default="50,100,400")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--carl", default="target/release/carl", help="empty for the peers alone")
    parser.add_argument("--set", action="append", default=[], help="for carl")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    text = arguments.config.read_text()
    names = re.findall(r"^  ([\w.]+): ", text.split("choices:\n", 1)[1].split("\ndata:", 1)[0], re.M)
    table = pathlib.Path(re.search(r"table: ([^,}\s]+)", text).group(1))
    table = next(path for path in (table, pathlib.Path("../shared/data") / table.name) if path.exists())
    with (gzip.open if table.suffix == ".gz" else open)(table, "rt", newline="") as lines:
        rows = list(csv.DictReader(lines))
    print("| target | rows | carl | Gaussian process | XGBoost |\n|---|---|---|---|---|", flush=True)
    for target in arguments.targets.split(","):
        known = [row for row in rows if row[target]]
        x = np.array([[float(row[name]) for name in names] for row in known])
        x, labels = (x - x.mean(0)) / x.std(0), np.array([float(row[target]) for row in known])
        own = carl(arguments.config, target, arguments) if arguments.carl else None
        for index, size in enumerate(arguments.train_sizes.split(",")):
            columns = [judge(make, x, labels, int(size), arguments.seeds) for make in (gaussian_process, trees)]
            columns = ([own[index]] if own else [[[np.nan, np.nan]] * 2]) + columns
            cells = (f"{np.mean(all_rows):.3f} ± {np.std(all_rows, ddof=1):.3f} ({np.mean(unseen):.3f})" for all_rows, unseen in columns)
            print(f"| {target} | {size} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
