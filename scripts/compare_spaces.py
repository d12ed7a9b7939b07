"""Kendall's tau of carl, a plain GCN and XGBoost on every search space, as a Markdown table.

  python scripts/compare_spaces.py CONFIG.yaml ... --train-sizes 100,400 --seeds 10        (needs numpy, scipy, xgboost)

carl: the configuration as it is. GCN: the same program without what the method adds (raw graph, squared error, no mask, no
intervention, one member). XGBoost: one-hot operations by place in the architecture's text, rank labels; its splits are
drawn with numpy, so they have the same sizes as carl's but not the same rows.
"""
import argparse
import csv
import gzip
import json
import pathlib
import re
import subprocess

import numpy as np
import xgboost
from scipy.stats import kendalltau, rankdata

PLAIN = {
    "graph.prune": "false",
    "graph.contract": "false",
    "model.mask": "none",
    "model.members": "1",
    "loss.ranking": "0",
    "loss.regression": "1",
    "loss.intervention": "0",
    "loss.redundant": "0",
    "loss.distillation": "0",
}
COLUMNS = ["arch", "normal", "reduce", "topo", "op1", "op2", "op3", "op4", "ops", "adj_upper", "recipe"]
PLACES = ["data", "../shared/data"]


def carl(config, arguments, settings=()):
    command = [arguments.carl, "benchmark", str(config), "--json", "--train-sizes", arguments.train_sizes]
    command += ["--seeds", str(arguments.seeds)]
    for key, value in dict(settings).items():
        command += ["--set", f"{key}={value}"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def find(name):
    return next(path for path in [pathlib.Path(name)] + [pathlib.Path(p) / pathlib.Path(name).name for p in PLACES] if path.exists())


def features(rows):
    """One-hot tokens by place; counts of names where the texts are recipes."""
    texts = [" ".join(row[name] for name in COLUMNS if row.get(name)) for row in rows]
    if "recipe" in rows[0]:
        tokens = [[(0, name) for name in re.findall(r'"op":"(\w+)"', text)] for text in texts]
    elif all(re.fullmatch(r"[\dA-Z_ -]+", text) for text in texts):
        tokens = [list(enumerate(text)) for text in texts]
    else:
        tokens = [list(enumerate(re.findall(r"\w+", text))) for text in texts]
    places = {token: k for k, token in enumerate(sorted({token for row in tokens for token in row}))}
    x = np.zeros((len(rows), len(places)), np.float32)
    for k, row in enumerate(tokens):
        for token in row:
            x[k, places[token]] += 1
    return x


def trees(config, report, arguments):
    text = config.read_text()
    table = find(re.search(r"table: ([^,}\s]+)", text).group(1))
    sign = -1 if "higher_is_better: false" in text else 1
    opener = gzip.open if table.suffix == ".gz" else open
    rows = list(csv.DictReader(opener(table, "rt")))
    number = lambda row, name: float(row[name]) if row[name] else np.nan
    train = sign * np.array([number(row, report["train_target"]) for row in rows])
    test = sign * np.array([number(row, report["test_target"]) for row in rows])
    x, labelled, judged = features(rows), np.flatnonzero(~np.isnan(train)), ~np.isnan(test)
    results = []
    for size in map(int, arguments.train_sizes.split(",")):
        taus = []
        for seed in range(arguments.seeds):
            chosen = np.random.RandomState(seed).permutation(labelled)[:size]
            model = xgboost.XGBRegressor(n_estimators=300, max_depth=6, learning_rate=0.1, subsample=0.8, n_jobs=2)
            model.fit(x[chosen], rankdata(train[chosen]) / size)
            taus.append(kendalltau(model.predict(x[judged]), test[judged])[0])
        results.append({"kendall_tau": {"mean": np.mean(taus), "std": np.std(taus, ddof=1)}})
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", type=pathlib.Path)
    parser.add_argument("--train-sizes", default="100,400")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--carl", default="target/release/carl")
    arguments = parser.parse_args()
    print("| configuration | target | cells | carl | plain GCN | XGBoost |\n|---|---|---|---|---|---|", flush=True)
    for config in arguments.configs:
        report = carl(config, arguments)
        columns = [report["results"], carl(config, arguments, PLAIN)["results"], trees(config, report, arguments)]
        for k, size in enumerate(arguments.train_sizes.split(",")):
            values = [column[k]["kendall_tau"] for column in columns]
            cells = " | ".join(f"{value['mean']:.3f} ± {value['std']:.3f}" for value in values)
            print(f"| {config.stem} | {report['test_target']} | {size} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
