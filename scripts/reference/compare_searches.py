"""The search of carl and its baselines on fourteen columns, as Markdown: regret of the best measurement, and p of the signed rank
test that the recommended cell is worse than a baseline's.

  python scripts/reference/compare_searches.py --seeds 30      (scripts/setup.sh --full installs scipy with scikit-learn)
"""
from common import carl, header, options, row
from scipy.stats import wilcoxon

# Configuration, column that is searched, column that judges.
SEARCHES = [
    *(("nasbench201", f"{data}_val", f"{data}_test") for data in ("c10", "c100", "in16")),
    ("nasbench201", "c10_val_e12", "c10_val_e12"),
    *(("transnas101-micro", column, column)
      for column in ("class_scene_final", "class_object_final", "normal_final", "autoencoder_final")),
    *(("nasbench-graph", f"{data}_val", f"{data}_test") for data in ("cora", "pubmed", "arxiv")),
    ("nasbench-macro", "test_acc_s0", "mean_test_acc"),
    ("nasbench-nlp", "val_loss_best", "test_loss_at_best_val"),
    ("nasbench101", "c10_acc_gennas", "c10_acc_gennas"),
]
BASELINES = ["random", "evolution", "local-search"]


def main():
    arguments = options(__doc__).parse_args()
    header("table", "column", "optimum found", "carl", *(title for name in BASELINES for title in (name, "p")))
    runs = ["--budget", 100, "--runs", arguments.seeds, "--seed", arguments.seed, "--baselines", ",".join(BASELINES)]
    for table, train, test in SEARCHES:
        settings = [f"data.train_target={train}", f"data.test_target={test}"]
        report = carl(arguments, "search", f"configs/{table}.yaml", *runs, settings=settings)
        sign = 1 if report["objectives"][0]["higher_is_better"] else -1
        of_runs = lambda part: [sign * one["test_of_best"] for one in part["runs"]]
        regret = lambda part: f"{part['mean_regret']:.4g} ± {part['std_regret'] / arguments.seeds ** 0.5:.1g}"
        found = [table, train, f"{report['optimum_found']} of {arguments.seeds}", regret(report)]
        for other in (report["baselines"][name] for name in BASELINES):
            differences = [mine - theirs for mine, theirs in zip(of_runs(report), of_runs(other))]
            p = wilcoxon(differences, alternative="less").pvalue if any(differences) else 1.0
            found += [regret(other), f"{p:.3f}"]
        row(*found)


if __name__ == "__main__":
    main()
