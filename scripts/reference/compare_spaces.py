"""Tau, regret and precision of the ten best unseen cells of carl, a plain GCN, a Gaussian process and XGBoost, as Markdown.

  python scripts/reference/compare_spaces.py CONFIG.yaml ... --train-sizes 100,400 --seeds 10

Needs carl_nas, scikit-learn, scipy and xgboost.

carl: the configuration as it is. GCN: the same program without what the method adds (raw graph, squared error, no mask, no
intervention, no distillation, one member). GP-WL: Gaussian process with an RBF kernel on Weisfeiler-Lehman features (two rounds) of
carl's canonical graphs. XGBoost: one-hot operations by position in the architecture's text. The last two learn rank labels;
their splits are drawn with numpy, so they have the same sizes as carl's but not the same rows.
"""
import collections
import pathlib
import re
import warnings

import carl_nas
import numpy as np
import xgboost
from scipy.stats import kendalltau, rankdata
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from common import carl, header, options, read, row

PLAIN = ["graph.form=written", "model.mask=none", "model.members=1", "loss.ranking=0", "loss.regression=1", "loss.intervention=0",
         "loss.redundant=0", "loss.distillation=0"]
COLUMNS = ["arch", "normal", "reduce", "topo", "op1", "op2", "op3", "op4", "ops", "adj_upper", "recipe"]
FIGURES = {
    "kendall_tau": "tau",
    "regret_at_10_unseen": "regret of the ten best",
    "precision_at_10_unseen": "precision of the ten best",
}


def benchmark(arguments, config, settings=()):
    words = ["benchmark", config, "--train-sizes", arguments.train_sizes, "--seeds", arguments.seeds, "--seed", arguments.seed]
    return carl(arguments, *words, settings=settings)


def features(rows):
    """One-hot tokens by position; counts of names where the texts are recipes."""
    texts = [" ".join(row[name] for name in COLUMNS if row.get(name)) for row in rows]
    if "recipe" in rows[0]:
        tokens = [[(0, name) for name in re.findall(r'"op":"(\w+)"', text)] for text in texts]
    elif all(re.fullmatch(r"[\dA-Z_ -]+", text) for text in texts):
        tokens = [list(enumerate(text)) for text in texts]
    else:
        tokens = [list(enumerate(re.findall(r"\w+", text))) for text in texts]
    return CountVectorizer(analyzer=lambda row: row).fit_transform(tokens).toarray().astype(np.float32)


def text(row, space):
    """The architecture of a row as its space writes it."""
    if space == "nasbench101" and "adj_upper" in row:
        return f"{row['ops']}:{row['adj_upper']}"
    if space == "darts":
        return f"normal:{row['normal']};reduce:{row['reduce']}"
    if space == "nasbench-graph":
        return f"{row['topo']}:{' '.join(row[f'op{k}'] for k in range(1, 5))}"
    return row["recipe"] if "recipe" in row else row["arch"]


def neighbourhoods(operations, adjacency, mask, rounds=2):
    """Weisfeiler-Lehman labels of the nodes of a graph, after 0 to `rounds` rounds, with their numbers."""
    labels = [str(operation) for operation in operations.argmax(1)[mask > 0]]
    counts = collections.Counter(labels)
    for _ in range(rounds):
        around = [([], []) for _ in labels]
        for a, b in zip(*adjacency.nonzero()):
            around[b][0].append(f"{labels[a]}*{int(adjacency[a, b])}")
            around[a][1].append(f"{labels[b]}*{int(adjacency[a, b])}")
        labels = [f"({own}<{sorted(before)}>{sorted(after)})" for own, (before, after) in zip(labels, around)]
        counts.update(labels)
    return counts


def wl_features(rows, space):
    arrays = carl_nas.Space(space).encode([text(row, space) for row in rows])
    # A label of a single row says nothing of others.
    labels = CountVectorizer(analyzer=lambda cell: neighbourhoods(*cell).elements(), min_df=2)
    return labels.fit_transform(list(zip(*arrays))).toarray().astype(np.float32)


def gaussian_process():
    kernel = ConstantKernel() * RBF(1.0, (0.05, 100)) + WhiteKernel(0.1, (1e-4, 1))
    return GaussianProcessRegressor(kernel, normalize_y=True)


def forest():
    return xgboost.XGBRegressor(n_estimators=300, max_depth=6, learning_rate=0.1, subsample=0.8, n_jobs=2)


def others(config, report, arguments):
    """Results of the Gaussian process and of the trees."""
    about = config.read_text()
    sign = -1 if "higher_is_better: false" in about else 1
    rows = read(re.search(r"table: ([^,}\s]+)", about).group(1))
    number = lambda row, name: float(row[name]) if row[name] else np.nan
    train = sign * np.array([number(row, report["train_target"]) for row in rows])
    test = sign * np.array([number(row, report["test_target"]) for row in rows])
    usable = np.flatnonzero(~np.isnan(train) | ~np.isnan(test))
    rows, train, test = [rows[k] for k in usable], train[usable], test[usable]
    labelled, judged = np.flatnonzero(~np.isnan(train)), np.flatnonzero(~np.isnan(test))
    wl = wl_features(rows, report["space"])
    wl = wl / np.sqrt((wl.std(0) ** 2).sum())
    peers = [(wl, gaussian_process), (features(rows), forest)]
    return [judge(x, make, train, test, labelled, judged, arguments) for x, make in peers]


def judge(x, make, train, test, labelled, judged, arguments):
    results = []
    for size in map(int, arguments.train_sizes.split(",")):
        figures = {name: [] for name in FIGURES}
        for seed in range(arguments.seed, arguments.seed + arguments.seeds):
            chosen = np.random.RandomState(seed).permutation(labelled)[:size]
            model = make().fit(x[chosen], rankdata(train[chosen]) / size)
            scores = model.predict(x)
            unseen = np.setdiff1d(judged, chosen)
            top = unseen[np.argsort(-scores[unseen], kind="stable")[:10]]
            figures["kendall_tau"].append(kendalltau(scores[judged], test[judged])[0])
            figures["regret_at_10_unseen"].append(test[unseen].max() - test[top].max())
            figures["precision_at_10_unseen"].append(np.mean(test[top] >= np.sort(test[unseen])[-10]))
        results.append({name: {"mean": np.mean(values), "std": np.std(values, ddof=1)} for name, values in figures.items()})
    return results


def main():
    parser = options(__doc__)
    parser.add_argument("configs", nargs="+", type=pathlib.Path)
    parser.add_argument("--train-sizes", default="100,400")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    header("configuration", "target", "cells", "figure", "carl", "plain GCN", "GP-WL", "XGBoost")
    for config in arguments.configs:
        report = benchmark(arguments, config)
        columns = [report["results"], benchmark(arguments, config, PLAIN)["results"], *others(config, report, arguments)]
        for k, size in enumerate(arguments.train_sizes.split(",")):
            for name, title in FIGURES.items():
                values = [column[k][name] for column in columns]
                cells = (f"{value['mean']:.4g} ± {value['std']:.2g}" for value in values)
                row(config.stem, report["test_target"], size, title, *cells)


if __name__ == "__main__":
    main()
