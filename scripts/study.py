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
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

NO_MASK = ["model.mask=none", "loss.intervention=0", "loss.redundant=0"]
NO_INTERVENTION = ["loss.intervention=0", "loss.redundant=0"]

NO_DISTILLATION = ["loss.distillation=0"]

ABLATION = {
    "as configured": [],
    "without distillation (all below too)": NO_DISTILLATION,
    "cells as they are written": [*NO_DISTILLATION, "graph.form=written"],
    "no mask": [*NO_DISTILLATION, *NO_MASK],
    "no intervention": [*NO_DISTILLATION, *NO_INTERVENTION],
    "1 partner": [*NO_DISTILLATION, "loss.partners=1"],
    "all partners": [*NO_DISTILLATION, "loss.partners=all"],
    "regression": [*NO_DISTILLATION, "loss.ranking=0", "loss.regression=1"],
    "ranking and regression": [*NO_DISTILLATION, "loss.regression=0.3"],
    "1 member": [*NO_DISTILLATION, "model.members=1"],
    "5 members": [*NO_DISTILLATION, "model.members=5"],
    "10 members": [*NO_DISTILLATION, "model.members=10"],
}

SHIFTS = ["small:params_m_c10", "low", "few:nor_conv_3x3", "without:nor_conv_3x3"]

VARIANTS = {
    "with mask and intervention": NO_DISTILLATION,
    "strong: redundant loss, all partners": [*NO_DISTILLATION, "loss.redundant=1", "loss.partners=all"],
    "without intervention": [*NO_DISTILLATION, *NO_INTERVENTION],
    "without mask": [*NO_DISTILLATION, *NO_MASK],
    "with distillation": ["loss.distillation=1"],
}

# The paper's claim: each variant of its form gets the best of the same settings, by tau on splits that are not reported.
CLAIM = {"neither": NO_MASK, "mask": NO_INTERVENTION, "mask and intervention": []}
TUNED = [[f"train.learning_rate={rate}", f"model.dropout={dropout}"] for rate in (0.001, 0.003, 0.006) for dropout in (0.1, 0.3)]
TUNING_SEEDS = ["--seed", 1000, "--seeds", 3]

TARGETS = {"CIFAR-10": "c10", "CIFAR-100": "c100", "ImageNet16-120": "in16"}

COLUMNS = {
    "the cell alone": "[]",
    "parameters, FLOPs": "[params_m_c10, flops_m_c100]",
    "Zen score": "[zen_c10]",
    "accuracy after 12 epochs": "[c10_val_e12]",
}

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

# Its split is none of those that are reported.
SOURCE = ["data.train_target=c10_val", "data.test_target=c10_test", "split.train=156", "split.seed=900"]


def run(arguments, command, settings, *more):
    words = [arguments.carl, command, *map(str, more), "--json"]
    for item in settings:
        words += ["--set", item]
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)


def benchmark(arguments, settings, *more):
    sizes = ["--train-sizes", arguments.train_sizes, "--seeds", arguments.seeds, "--seed", arguments.seed]
    return run(arguments, "benchmark", [*arguments.set, *settings], arguments.config, *sizes, *more)


def cells(report):
    taus = [result["kendall_tau"] for result in report["results"]]
    return " | ".join(f"{tau['mean']:.4f} ± {tau['std']:.4f}" for tau in taus)


def header(arguments, *names):
    columns = [*names, *arguments.train_sizes.split(",")]
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns), flush=True)


def ablation(arguments):
    header(arguments, "variant")
    for name, settings in ABLATION.items():
        print(f"| {name} | {cells(benchmark(arguments, settings))} |", flush=True)


def shifts(arguments):
    header(arguments, "shift", "tested", "variant")
    for shift in SHIFTS:
        for name, settings in VARIANTS.items():
            report = benchmark(arguments, settings, "--shift", shift)
            print(f"| {shift} | {report['tested']} | {name} | {cells(report)} |", flush=True)


def claim(arguments):
    """Mask and intervention in the paper's form, with every variant tuned alike."""
    header(arguments, "variant", "settings chosen")
    for name, variant in CLAIM.items():
        def tuned(settings):
            report = run(arguments, "benchmark", [*arguments.set, *variant, *settings], arguments.config,
                         "--train-sizes", arguments.train_sizes, *TUNING_SEEDS)
            return statistics.mean(result["kendall_tau"]["mean"] for result in report["results"])
        best = max(TUNED, key=tuned)
        print(f"| {name} | {', '.join(best)} | {cells(benchmark(arguments, [*variant, *best]))} |", flush=True)


def targets(arguments):
    header(arguments, "target")
    for name, column in TARGETS.items():
        settings = [f"data.train_target={column}_val", f"data.test_target={column}_test"]
        print(f"| {name} | {cells(benchmark(arguments, settings))} |", flush=True)


def choices(arguments):
    header(arguments, "training cells")
    for name, choice in {"drawn": "random", "chosen": "coverage"}.items():
        print(f"| {name} | {cells(benchmark(arguments, [f'split.choose={choice}']))} |", flush=True)


def columns(arguments):
    header(arguments, "known columns")
    for name, known in COLUMNS.items():
        print(f"| {name} | {cells(benchmark(arguments, [f'data.columns={known}']))} |", flush=True)


def sources(arguments):
    header(arguments, "target", "source")
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "source"
        run(arguments, "train", [*arguments.set, *SOURCE], arguments.config, "--output", source)
        for name in ("CIFAR-100", "ImageNet16-120"):
            settings = [f"data.train_target={TARGETS[name]}_val", f"data.test_target={TARGETS[name]}_test"]
            print(f"| {name} | none | {cells(benchmark(arguments, settings))} |", flush=True)
            with_source = cells(benchmark(arguments, [*settings, f"data.sources=[{source}]"]))
            print(f"| {name} | CIFAR-10 | {with_source} |", flush=True)


def search(arguments):
    """Regret of the best measurement, and p of the signed rank test that the cell recommended is worse than a baseline's."""
    from scipy.stats import wilcoxon

    print("| table | column | optimum found | carl | " + " | ".join(f"{name} | p" for name in BASELINES) + " |")
    print("|" + "---|" * (4 + 2 * len(BASELINES)), flush=True)
    for table, train, test in SEARCHES:
        settings = [*arguments.set, f"data.train_target={train}", f"data.test_target={test}"]
        runs = ["--runs", arguments.seeds, "--seed", arguments.seed, "--baselines", ",".join(BASELINES)]
        report = run(arguments, "search", settings, f"configs/{table}.yaml", "--budget", 100, *runs)
        sign = 1 if report["objectives"][0]["higher_is_better"] else -1
        of_runs = lambda part: [sign * one["test_of_best"] for one in part["runs"]]
        regret = lambda part: f"{part['mean_regret']:.4g} ± {part['std_regret'] / arguments.seeds ** 0.5:.1g}"
        row = [table, train, f"{report['optimum_found']} of {arguments.seeds}", regret(report)]
        for name in BASELINES:
            other = report["baselines"][name]
            differences = [mine - theirs for mine, theirs in zip(of_runs(report), of_runs(other))]
            p = wilcoxon(differences, alternative="less").pvalue if any(differences) else 1.0
            row += [regret(other), f"{p:.3f}"]
        print("| " + " | ".join(row) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=["ablation", "claim", "shifts", "targets", "choices", "columns", "sources", "search"])
    parser.add_argument("--config", type=pathlib.Path, default="configs/nasbench201.yaml")
    parser.add_argument("--train-sizes", default="78,156")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--carl", default="target/release/carl")
    arguments = parser.parse_args()
    globals()[arguments.study](arguments)


if __name__ == "__main__":
    main()
