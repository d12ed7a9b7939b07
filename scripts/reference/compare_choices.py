"""Kendall's tau of carl, a Gaussian process and XGBoost on a table of choices that are all numbers, as Markdown.

  python scripts/reference/compare_choices.py configs/nasbench-mr.yaml --targets seg_miou,gflops --train-sizes 50,100 --seeds 10

Needs numpy, scipy, scikit-learn and xgboost. The two peers read the standardised numbers. Gaussian process: the sum of a Matern-3/2
and a linear kernel, their scales fitted by marginal likelihood. XGBoost: 400 trees of depth 4. Each learns labels and ranks of
labels, and the better of the two, over all splits, is printed. Splits of the peers are drawn with numpy: of the same sizes as
carl's, not the same rows. In brackets: tau over the rows that were not trained on.
"""
import pathlib
import re
import warnings

import numpy as np
import xgboost
from scipy.stats import kendalltau, rankdata
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel

from common import carl, header, options, read, row, spread


def own(arguments, target):
    """Taus of carl over all rows and over unseen rows, for every size."""
    words = ["benchmark", arguments.config, "--train-sizes", arguments.train_sizes]
    words += ["--seeds", arguments.seeds, "--seed", arguments.seed]
    report = carl(arguments, *words, settings=[f"data.train_target={target}"])
    return [(result["kendall_tau"]["values"], result["kendall_tau_unseen"]["values"]) for result in report["results"]]


def gaussian_process():
    smooth = ConstantKernel(1, (1e-3, 1e3)) * Matern(8, (0.5, 200), nu=1.5)
    linear = ConstantKernel(0.1, (1e-6, 1e3)) * DotProduct(1, (1e-3, 1e3))
    return GaussianProcessRegressor(smooth + linear + WhiteKernel(0.3, (1e-4, 3)), normalize_y=True)


def trees():
    return xgboost.XGBRegressor(n_estimators=400, max_depth=4, learning_rate=0.05, subsample=0.8, n_jobs=1)


def judge(make, x, labels, size, arguments):
    """Taus over all rows and over unseen rows of the better of two readings of the labels."""
    readings = []
    for read in (lambda labels: (labels - labels.mean()) / labels.std(), lambda labels: rankdata(labels) / len(labels)):
        taus = []
        for seed in range(arguments.seed, arguments.seed + arguments.seeds):
            order = np.random.RandomState(seed).permutation(len(labels))
            chosen, others = order[:size], order[size:]
            scores = make().fit(x[chosen], read(labels[chosen])).predict(x)
            taus.append([kendalltau(scores, labels)[0], kendalltau(scores[others], labels[others])[0]])
        readings.append(np.transpose(taus))
    return max(readings, key=lambda taus: taus[0].mean())


def main():
    parser = options(__doc__)
    parser.add_argument("config", type=pathlib.Path)
    parser.add_argument("--targets", required=True)
    parser.add_argument("--train-sizes", default="50,100,400")
    parser.add_argument("--peers", action="store_true", help="without carl")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    text = arguments.config.read_text()
    names = re.findall(r"^  ([\w.]+): ", text.split("choices:\n", 1)[1].split("\ndata:", 1)[0], re.M)
    rows = read(re.search(r"table: ([^,}\s]+)", text).group(1))
    header("target", "rows", *([] if arguments.peers else ["carl"]), "Gaussian process", "XGBoost")
    for target in arguments.targets.split(","):
        known = [one for one in rows if one[target]]
        x = np.array([[float(one[name]) for name in names] for one in known])
        x, labels = (x - x.mean(0)) / x.std(0), np.array([float(one[target]) for one in known])
        of_carl = [] if arguments.peers else own(arguments, target)
        for index, size in enumerate(arguments.train_sizes.split(",")):
            of_peers = [judge(make, x, labels, int(size), arguments) for make in (gaussian_process, trees)]
            columns = [*of_carl[index : index + 1], *of_peers]
            row(target, size, *(f"{spread(list(everywhere))} ({np.mean(unseen):.3f})" for everywhere, unseen in columns))


if __name__ == "__main__":
    main()
