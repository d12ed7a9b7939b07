"""Mask and intervention in the form of the paper, with every variant tuned alike, as Markdown: each gets the best of the same
settings, by tau on splits that are not reported.

  python scripts/reference/paper_claim.py --train-sizes 78,156 --seeds 10
"""
import statistics

from common import carl, header, options, row

VARIANTS = {
    "neither": ["model.mask=none", "loss.intervention=0", "loss.redundant=0"],
    "mask": ["loss.intervention=0", "loss.redundant=0"],
    "mask and intervention": [],
}
TUNED = [[f"train.learning_rate={rate}", f"model.dropout={dropout}"] for rate in (0.001, 0.003, 0.006) for dropout in (0.1, 0.3)]


def taus(arguments, settings, seed, seeds):
    """Tau of every size."""
    words = ["benchmark", arguments.config, "--train-sizes", arguments.train_sizes, "--seed", seed, "--seeds", seeds]
    return [result["kendall_tau"] for result in carl(arguments, *words, settings=settings)["results"]]


def main():
    parser = options(__doc__)
    parser.add_argument("--config", default="configs/nasbench201-paper.yaml")
    parser.add_argument("--train-sizes", default="78,156")
    arguments = parser.parse_args()
    header("variant", "settings chosen", *arguments.train_sizes.split(","))
    for name, variant in VARIANTS.items():
        tuning = lambda settings: statistics.mean(tau["mean"] for tau in taus(arguments, [*variant, *settings], 1000, 3))
        best = max(TUNED, key=tuning)
        found = taus(arguments, [*variant, *best], arguments.seed, arguments.seeds)
        row(name, ", ".join(best), *(f"{tau['mean']:.4f} ± {tau['std']:.4f}" for tau in found))


if __name__ == "__main__":
    main()
