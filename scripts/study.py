"""What each part of the method adds, as Markdown tables for configs/RESULTS.md.

  python scripts/study.py ablation --train-sizes 78,156 --seeds 10 [--set model.hidden=32 ...]
  python scripts/study.py claim --config configs/nasbench201-paper.yaml --train-sizes 78,156 --seeds 10
  python scripts/study.py shifts --train-sizes 156 --seeds 10
  python scripts/study.py targets --train-sizes 78,156 --seeds 10
  python scripts/study.py choices --train-sizes 20,39,78,156 --seeds 10
  python scripts/study.py columns --train-sizes 20,78 --seeds 10
  python scripts/study.py sources --train-sizes 20,78 --seeds 10
  python scripts/study.py search --seeds 30      (scripts/setup.sh --full installs scipy with scikit-learn)
"""
import statistics
import tempfile

from common import carl, header, options, row

NO_DISTILLATION = ["loss.distillation=0"]
NO_INTERVENTION = ["loss.intervention=0", "loss.redundant=0"]
NO_MASK = ["model.mask=none", *NO_INTERVENTION]


def target(data):
    return [f"data.train_target={data}_val", f"data.test_target={data}_test"]


# Studies that compare settings: what varies, and the settings of each variant.
STUDIES = {
    "ablation": ("variant", {
        "as configured": [],
        "without distillation (all below too)": NO_DISTILLATION,
        "cells as they are written": [*NO_DISTILLATION, "graph.form=written"],
        "no mask": [*NO_DISTILLATION, *NO_MASK],
        "no intervention": [*NO_DISTILLATION, *NO_INTERVENTION],
        "1 partner": [*NO_DISTILLATION, "loss.partners=1"],
        "all partners": [*NO_DISTILLATION, "loss.partners=all"],
        "regression": [*NO_DISTILLATION, "loss.ranking=0", "loss.regression=1"],
        "ranking and regression": [*NO_DISTILLATION, "loss.regression=0.3"],
        **{f"{count} member{'s' * (count > 1)}": [*NO_DISTILLATION, f"model.members={count}"] for count in (1, 5, 10)},
    }),
    "targets": ("target", {"CIFAR-10": target("c10"), "CIFAR-100": target("c100"), "ImageNet16-120": target("in16")}),
    "choices": ("training cells", {"drawn": ["split.choose=random"], "chosen": ["split.choose=coverage"]}),
    "columns": ("known columns", {
        "the cell alone": ["data.columns=[]"],
        "parameters, FLOPs": ["data.columns=[params_m_c10, flops_m_c100]"],
        "Zen score": ["data.columns=[zen_c10]"],
        "accuracy after 12 epochs": ["data.columns=[c10_val_e12]"],
    }),
}
SHIFTS = ["small:params_m_c10", "low", "few:nor_conv_3x3", "without:nor_conv_3x3"]
SHIFTED = {
    "with mask and intervention": NO_DISTILLATION,
    "strong: redundant loss, all partners": [*NO_DISTILLATION, "loss.redundant=1", "loss.partners=all"],
    "without intervention": [*NO_DISTILLATION, *NO_INTERVENTION],
    "without mask": [*NO_DISTILLATION, *NO_MASK],
    "with distillation": ["loss.distillation=1"],
}
# The paper's claim: each variant of its form gets the best of the same settings, by tau on splits that are not reported.
CLAIM = {"neither": NO_MASK, "mask": NO_INTERVENTION, "mask and intervention": []}
TUNED = [[f"train.learning_rate={rate}", f"model.dropout={dropout}"] for rate in (0.001, 0.003, 0.006) for dropout in (0.1, 0.3)]
TUNING_SEEDS = {"seed": 1000, "seeds": 3}
# Its split is none of those that are reported.
SOURCE = [*target("c10"), "split.train=156", "split.seed=900"]
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


def benchmark(arguments, settings, *more, **seeds):
    """Tau of every size, and the number of cells that it is over."""
    words = ["benchmark", arguments.config, "--train-sizes", arguments.train_sizes, *more]
    for name in ("seed", "seeds"):
        words += [f"--{name}", seeds.get(name, getattr(arguments, name))]
    report = carl(arguments, *words, settings=settings)
    return [result["kendall_tau"] for result in report["results"]], report["tested"]


def cells(taus):
    return [f"{tau['mean']:.4f} ± {tau['std']:.4f}" for tau in taus]


def shifts(arguments, sizes):
    header("shift", "tested", "variant", *sizes)
    for shift in SHIFTS:
        for name, settings in SHIFTED.items():
            taus, tested = benchmark(arguments, settings, "--shift", shift)
            row(shift, tested, name, *cells(taus))


def claim(arguments, sizes):
    """Mask and intervention in the paper's form, with every variant tuned alike."""
    header("variant", "settings chosen", *sizes)
    for name, variant in CLAIM.items():
        taus = lambda settings, **seeds: benchmark(arguments, [*variant, *settings], **seeds)[0]
        best = max(TUNED, key=lambda settings: statistics.mean(tau["mean"] for tau in taus(settings, **TUNING_SEEDS)))
        row(name, ", ".join(best), *cells(taus(best)))


def sources(arguments, sizes):
    header("target", "source", *sizes)
    with tempfile.TemporaryDirectory() as source:
        carl(arguments, "train", arguments.config, "--output", source, "--force", settings=SOURCE)
        for name in ("CIFAR-100", "ImageNet16-120"):
            for source_name, more in {"none": [], "CIFAR-10": [f"data.sources=[{source}]"]}.items():
                row(name, source_name, *cells(benchmark(arguments, [*STUDIES["targets"][1][name], *more])[0]))


def search(arguments, _):
    """Regret of the best measurement, and p of the signed rank test that the cell recommended is worse than a baseline's."""
    from scipy.stats import wilcoxon

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


def main():
    parser = options(__doc__)
    others = {"claim": claim, "shifts": shifts, "sources": sources, "search": search}
    parser.add_argument("study", choices=[*STUDIES, *others])
    parser.add_argument("--config", default="configs/nasbench201.yaml")
    parser.add_argument("--train-sizes", default="78,156")
    arguments = parser.parse_args()
    sizes = arguments.train_sizes.split(",")
    if arguments.study in others:
        return others[arguments.study](arguments, sizes)
    name, variants = STUDIES[arguments.study]
    header(name, *sizes)
    for variant, settings in variants.items():
        row(variant, *cells(benchmark(arguments, settings)[0]))


if __name__ == "__main__":
    main()
