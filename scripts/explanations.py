"""Judges explanations by the accuracy truly lost: the tables and the picture of configs/RESULTS.md, section Explanations.

  python scripts/explanations.py FOLDER --seeds 10 [--tables c10,macro:5] [--controls] [--picture configs/pictures/explanations.svg]

`macro:5`: of this table five seeds.
Trains a checkpoint of every table and seed (split and weights have the same seed), judges it, and keeps both in FOLDER: what is there
already is not done again. `--controls` judges weights as they are drawn and weights trained on permuted labels too. Needs no package.
"""
import argparse
import csv
import functools
import gzip
import json
import pathlib
import random
import statistics
import subprocess

TABLES = {
    "c10": ("NAS-Bench-201, CIFAR-10", "nasbench201", []),
    "c100": ("NAS-Bench-201, CIFAR-100", "nasbench201", ["data.train_target=c100_val", "data.test_target=c100_test"]),
    "in16": ("NAS-Bench-201, ImageNet16-120", "nasbench201", ["data.train_target=in16_val", "data.test_target=in16_test"]),
    "trans": ("TransNAS-Bench-101 micro", "transnas101-micro", []),
    "macro": ("NAS-Bench-Macro", "nasbench-macro", []),
    "graph": ("NAS-Bench-Graph", "nasbench-graph", []),
}
METHODS = {
    "critical": "critical mass",
    "occlusion": "occlusion",
    "attention": "attention of the masks",
    "gradient": "gradient x input",
    "random": "random",
}
# Heading, columns, and the path of each in the output of `carl evaluate --explanations --json`.
SECTIONS = {
    "Agreement": {name: f"truth_agreement.{method}" for method, name in METHODS.items()},
    "Losses found by the critical mass": {
        "largest loss": "truth.critical.top_1",
        "two largest": "truth.critical.top_2",
        "sign": "truth.critical.sign",
        "of random numbers: largest": "truth.random.top_1",
        "two": "truth.random.top_2",
        "sign of all positive": "truth.random.sign",
    },
    "Deletion": {
        "as stated": "orders.stated.deletion",
        "by mass": "orders.heaviest_first.critical.deletion",
        "by attention": "orders.heaviest_first.attention.deletion",
        "by gradient": "orders.heaviest_first.gradient.deletion",
        "by true single losses": "orders.true_loss.deletion",
    },
    "Insertion": {
        "as stated": "orders.stated.insertion",
        "by mass": "orders.heaviest_first.critical.insertion",
        "by attention": "orders.heaviest_first.attention.insertion",
        "by gradient": "orders.heaviest_first.gradient.insertion",
        "by true single losses": "orders.true_loss.insertion",
    },
    "Critical substructures": {
        "size": "parts.size",
        "kept alone": "parts.critical_substructure.kept",
        "lost without": "parts.critical_substructure.lost",
        "characterization": "parts.critical_substructure.characterization",
        "as many of the heaviest": "parts.as_many_by_mass.characterization",
        "as many random ones": "parts.as_many_random.characterization",
    },
    "Characterization of the heavier half": {
        name: f"truth.{method}.half.characterization" for method, name in METHODS.items()
    },
    "By the predictor itself": {
        "critical substructure": "fidelity_keep",
        "cell without it": "fidelity_remove",
        "as many of the heaviest": "fidelity_keep_by_mass",
        "cell without these": "fidelity_remove_by_mass",
        "masses of two members": "stability",
        "cells": "cells_with_truth",
        "with all subsets": "cells_with_subsets",
    },
}
# The two panels of the picture: title, and name, colour and path of each mark.
PANELS = [
    ("Agreement with the accuracy truly lost", [
        ("critical mass", 0, "truth_agreement.critical"),
        ("occlusion", 1, "truth_agreement.occlusion"),
        ("attention", 2, "truth_agreement.attention"),
        ("gradient x input", 3, "truth_agreement.gradient"),
    ]),
    ("Area under the true accuracy, deletion", [
        ("order as stated", 0, "orders.stated.deletion"),
        ("heaviest mass first", 1, "orders.heaviest_first.critical.deletion"),
        ("attention", 2, "orders.heaviest_first.attention.deletion"),
        ("gradient", 3, "orders.heaviest_first.gradient.deletion"),
    ]),
]


def carl(arguments, *words):
    command = [arguments.carl, *map(str, words), "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def judged(arguments, name, config, settings, *more):
    """Figures of the explanations of the checkpoint `name`, which is trained where it is not there yet; with its tau."""
    checkpoint, known = arguments.folder / name, arguments.folder / f"{name}.json"
    if not known.exists():
        if not (checkpoint / "model.safetensors").exists():
            words = ["train", f"configs/{config}.yaml", "--output", checkpoint, *more]
            for item in [*settings, *arguments.set]:
                words += ["--set", item]
            subprocess.run([arguments.carl, *map(str, words)], check=True, stdout=subprocess.DEVNULL)
        report = carl(arguments, "evaluate", checkpoint, "--explanations")
        known.write_text(json.dumps(report))
    report = json.loads(known.read_text())
    return {"kendall_tau": report["kendall_tau"], **report["explanations"]}


def permuted(arguments, seed):
    """The table of NAS-Bench-201 with the labels that are trained on in another order, in FOLDER."""
    path = arguments.folder / f"permuted-{seed}.csv"
    if not path.exists():
        with gzip.open(arguments.data / "nasbench201.csv.gz", "rt", newline="") as file:
            rows = list(csv.DictReader(file))
        labels = [row["c10_val"] for row in rows]
        random.Random(seed).shuffle(labels)
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["arch", "c10_val", "c10_test"])
            writer.writerows([row["arch"], label, row["c10_test"]] for row, label in zip(rows, labels))
    return path


def controls(arguments):
    """Agreement that must not be there."""
    print("\n| control | agreement of the mass | attention | gradient | single seeds of the mass |\n|---|---|---|---|---|")
    size = ["split.train=156"]
    kinds = {
        "weights as they are drawn": lambda seed: judged(
            arguments, f"drawn-{seed}", "nasbench201", [*size, f"split.seed={seed}"], "--stop-after", 0),
        "the same, one member": lambda seed: judged(
            arguments, f"single-{seed}", "nasbench201", [*size, f"split.seed={seed}", "model.members=1"], "--stop-after", 0),
        "permuted labels": lambda seed: judged(
            arguments, f"permuted-{seed}", "nasbench201",
            [*size, f"split.seed={seed}", f"data.table={permuted(arguments, seed).resolve()}"]),
    }
    for name, judge in kinds.items():
        reports = [judge(seed) for seed in arguments.seeds]
        values = figure(reports, "truth_agreement.critical")
        cells = [text(figure(reports, f"truth_agreement.{method}")) for method in ("critical", "attention", "gradient")]
        print(f"| {name} | " + " | ".join(cells) + " | " + ", ".join(f"{value:.3f}" for value in values) + " |", flush=True)


def figure(reports, path):
    """The values of a figure, one per report that has it."""
    values = [functools.reduce(lambda part, key: (part or {}).get(key), path.split("."), report) for report in reports]
    return [value for value in values if value is not None]


def text(values):
    if not values:
        return ""
    deviation = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{deviation}"


def picture(reports):
    """Both panels as a drawing that follows the reader's light or dark mode."""
    left, width, gap, row, top = 225, 400, 56, 30, 66
    bottom, total = top + row * len(reports), left + len(PANELS) * (width + gap)
    colours = [("#0b5cad", "#6cb0f5"), ("#c2410c", "#ff9a62"), ("#17794a", "#5ccb95"), ("#7a3ea8", "#c59bec")]
    marks = lambda mode: "".join(f".m{index}{{fill:{pair[mode]};stroke:{pair[mode]}}}" for index, pair in enumerate(colours))
    light = ".paper{fill:#fff}text{fill:#1c2126}.muted{fill:#5b6670}.grid{stroke:#d5dbe1}" + marks(0)
    dark = ".paper{fill:#15191d}text{fill:#e4e8eb}.muted{fill:#9ba6b0}.grid{stroke:#3a434b}" + marks(1)
    shapes = ["M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0", "M-4.5-4.5h9v9h-9z", "M0-6L5.5 4h-11z", "M0-6L6 0L0 6L-6 0z"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {bottom + 30}" width="{total}" height="{bottom + 30}" role="img" '
        f'font-family="system-ui,sans-serif" font-size="12"><title>Explanations judged by the truth</title>'
        f"<style>{light}@media(prefers-color-scheme:dark){{{dark}}}</style>"
        '<rect class="paper" width="100%" height="100%"/>'
    ]
    for index, name in enumerate(reports):
        parts.append(f'<text x="{left - 20}" y="{top + row * index + 19}" text-anchor="end">{TABLES[name][0]}</text>')
    for panel, (title, series) in enumerate(PANELS):
        start = left + panel * (width + gap)
        place = lambda value: start + width * (min(max(value, -0.5), 1.0) + 0.5) / 1.5
        parts.append(f'<text x="{start}" y="16" font-weight="600">{title}</text>')
        for tick, word in ((-0.5, "-0.5"), (0, "0 (random)"), (0.5, "0.5"), (1, "1 (best order)" if panel else "1")):
            parts.append(f'<path class="grid" d="M{place(tick):.1f} {top}V{bottom}"/><text class="muted" x="{place(tick):.1f}" '
                         f'y="{bottom + 18}" text-anchor="middle">{word}</text>')
        x = start
        for name, mark, _ in series:
            parts.append(f'<path class="m{mark}" transform="translate({x + 6} 38)" d="{shapes[mark]}"/>'
                         f'<text x="{x + 16}" y="42">{name}</text>')
            x += 28 + 6 * len(name)
        for index, (table, of_table) in enumerate(reports.items()):
            y = top + row * index + 15
            for name, mark, path in series:
                values = figure(of_table, path)
                mean, spread = statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0
                parts.append(
                    f'<g class="m{mark}"><title>{TABLES[table][0]}, {name}: {text(values)}</title><path stroke-width="2" '
                    f'd="M{place(mean - spread):.1f} {y}H{place(mean + spread):.1f}"/><path fill-opacity=".85" '
                    f'transform="translate({place(mean):.1f} {y})" d="{shapes[mark]}"/></g>')
    return "".join(parts) + "</svg>\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--controls", action="store_true")
    parser.add_argument("--picture", type=pathlib.Path)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--data", type=pathlib.Path, default="data")
    parser.add_argument("--carl", default="target/release/carl")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    arguments.seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    reports = {}
    for table in filter(None, arguments.tables.split(",")):
        name, _, count = table.partition(":")
        seeds = arguments.seeds[: int(count)] if count else arguments.seeds
        _, config, settings = TABLES[name]
        of_seed = lambda seed: judged(arguments, f"{name}-{seed}", config, ["split.train=156", f"split.seed={seed}", *settings])
        reports[name] = [of_seed(seed) for seed in seeds]
    sections = {"Kendall's tau": {"tau": "kendall_tau"}, **SECTIONS}
    for heading, columns in sections.items() if reports else ():
        print(f"\n{heading}\n\n| table | " + " | ".join(columns) + " |\n|" + "---|" * (1 + len(columns)))
        for name, of_table in reports.items():
            print(f"| {TABLES[name][0]} | " + " | ".join(text(figure(of_table, path)) for path in columns.values()) + " |")
    if arguments.controls:
        controls(arguments)
    if arguments.picture:
        arguments.picture.write_text(picture(reports))


if __name__ == "__main__":
    main()
