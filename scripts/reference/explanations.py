"""Judges explanations by the accuracy truly lost: the tables and the picture of configs/RESULTS.md, section Explanations.

  python scripts/reference/explanations.py FOLDER --seeds 10 [--tables c10,macro:5] [--controls] [--picture FILE.svg]

`macro:5`: of this table five seeds.
Trains a checkpoint of every table and seed (split and weights have the same seed), judges it, and keeps both in FOLDER: what is
there already is not done again. `--controls` judges weights as they are drawn and weights trained on permuted labels too.
"""
import csv
import json
import pathlib
import random
import statistics

from common import carl, figure, header, options, read, row, spread, target

TABLES = {
    "c10": ("NAS-Bench-201, CIFAR-10", "nasbench201", []),
    "c100": ("NAS-Bench-201, CIFAR-100", "nasbench201", target("c100")),
    "in16": ("NAS-Bench-201, ImageNet16-120", "nasbench201", target("in16")),
    "trans": ("TransNAS-Bench-101 micro", "transnas101-micro", []),
    "macro": ("NAS-Bench-Macro", "nasbench-macro", []),
    "graph": ("NAS-Bench-Graph", "nasbench-graph", []),
}
METHODS = {
    "critical mass": "critical",
    "occlusion": "occlusion",
    "attention": "attention",
    "gradient x input": "gradient",
    "random": "random",
}
ORDERS = {
    "as stated": "stated",
    "by mass": "heaviest_first.critical",
    "by attention": "heaviest_first.attention",
    "by gradient": "heaviest_first.gradient",
    "by true single losses": "true_loss",
}
# Heading, columns, and the path of each in the output of `carl evaluate --explanations --json`.
SECTIONS = {
    "Kendall's tau": {"tau": "kendall_tau"},
    "Agreement": {name: f"truth_agreement.{method}" for name, method in METHODS.items()},
    "Losses found by the critical mass": {
        "largest loss": "truth.critical.top_1",
        "two largest": "truth.critical.top_2",
        "sign": "truth.critical.sign",
        "of random numbers: largest": "truth.random.top_1",
        "two": "truth.random.top_2",
        "sign of all positive": "truth.random.sign",
    },
    "Deletion": {name: f"orders.{order}.deletion" for name, order in ORDERS.items()},
    "Insertion": {name: f"orders.{order}.insertion" for name, order in ORDERS.items()},
    "Critical substructures": {
        "size": "parts.size",
        "kept alone": "parts.critical_substructure.kept",
        "lost without": "parts.critical_substructure.lost",
        "characterization": "parts.critical_substructure.characterization",
        "as many of the heaviest": "parts.as_many_by_mass.characterization",
        "as many random ones": "parts.as_many_random.characterization",
    },
    "Characterization of the heavier half": {name: f"truth.{method}.half.characterization" for name, method in METHODS.items()},
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
# The two panels of the picture have the first columns of these sections.
PANELS = {"Agreement": "Agreement with the accuracy truly lost", "Deletion": "Area under the true accuracy, deletion"}


def judged(arguments, name, config, seed, settings, *more):
    """Figures of the explanations of the checkpoint `name`-`seed`, which is trained where it is not there yet; with its tau."""
    checkpoint = arguments.folder / f"{name}-{seed}"
    known = checkpoint.with_suffix(".json")
    if not known.exists():
        if not (checkpoint / "model.safetensors").exists():
            split = ["split.train=156", f"split.seed={seed}"]
            carl(arguments, "train", f"configs/{config}.yaml", "--output", checkpoint, *more, settings=[*split, *settings])
        known.write_text(json.dumps(carl(arguments, "evaluate", checkpoint, "--explanations")))
    report = json.loads(known.read_text())
    return {"kendall_tau": report["kendall_tau"], **report["explanations"]}


def permuted(arguments, seed):
    """The table of NAS-Bench-201 with the labels that are trained on in another order, in FOLDER."""
    path = arguments.folder / f"permuted-{seed}.csv"
    if not path.exists():
        rows = read("nasbench201.csv.gz")
        labels = [row["c10_val"] for row in rows]
        random.Random(seed).shuffle(labels)
        with path.open("w", newline="") as file:
            lines = [[row["arch"], label, row["c10_test"]] for row, label in zip(rows, labels)]
            csv.writer(file).writerows([["arch", "c10_val", "c10_test"], *lines])
    return path.resolve()


def controls(arguments):
    """Agreement that must not be there."""
    print()
    header("control", "agreement of the mass", "attention", "gradient", "single seeds of the mass")
    judge = lambda name, seed, *settings, more=("--stop-after", 0): judged(arguments, name, "nasbench201", seed, settings, *more)
    for name, of_seed in {
        "weights as they are drawn": lambda seed: judge("drawn", seed),
        "the same, one member": lambda seed: judge("single", seed, "model.members=1"),
        "permuted labels": lambda seed: judge("permuted", seed, f"data.table={permuted(arguments, seed)}", more=()),
    }.items():
        reports = [of_seed(seed) for seed in arguments.seeds]
        agreements = [figure(reports, f"truth_agreement.{method}") for method in ("critical", "attention", "gradient")]
        row(name, *map(spread, agreements), ", ".join(f"{value:.3f}" for value in agreements[0]))


def picture(reports):
    """Both panels as a drawing that follows the reader's light or dark mode."""
    left, width, gap, line, top = 225, 400, 56, 30, 66
    bottom, total = top + line * len(reports), left + len(PANELS) * (width + gap)
    colours = [("#0b5cad", "#6cb0f5"), ("#c2410c", "#ff9a62"), ("#17794a", "#5ccb95"), ("#7a3ea8", "#c59bec")]
    shapes = ["M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0", "M-4.5-4.5h9v9h-9z", "M0-6L5.5 4h-11z", "M0-6L6 0L0 6L-6 0z"]
    marks = lambda mode: "".join(f".m{mark}{{fill:{pair[mode]};stroke:{pair[mode]}}}" for mark, pair in enumerate(colours))
    light = ".paper{fill:#fff}text{fill:#1c2126}.muted{fill:#5b6670}.grid{stroke:#d5dbe1}" + marks(0)
    dark = ".paper{fill:#15191d}text{fill:#e4e8eb}.muted{fill:#9ba6b0}.grid{stroke:#3a434b}" + marks(1)
    write = lambda x, y, words, more="": f'<text x="{x:.1f}" y="{y}"{more}>{words}</text>'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {bottom + 30}" width="{total}" height="{bottom + 30}" '
        f'role="img" font-family="system-ui,sans-serif" font-size="12"><title>Explanations judged by the truth</title>'
        f"<style>{light}@media(prefers-color-scheme:dark){{{dark}}}</style>"
        '<rect class="paper" width="100%" height="100%"/>'
    ]
    parts += [write(left - 20, top + line * k + 19, name, ' text-anchor="end"') for k, name in enumerate(reports)]
    for panel, (section, title) in enumerate(PANELS.items()):
        start = left + panel * (width + gap)
        place = lambda value: start + width * (min(max(value, -0.5), 1.0) + 0.5) / 1.5
        parts.append(write(start, 16, title, ' font-weight="600"'))
        for tick, words in ((-0.5, "-0.5"), (0, "0 (random)"), (0.5, "0.5"), (1, "1 (best order)" if panel else "1")):
            parts.append(f'<path class="grid" d="M{place(tick):.1f} {top}V{bottom}"/>')
            parts.append(write(place(tick), bottom + 18, words, ' class="muted" text-anchor="middle"'))
        x = start
        for mark, (name, path) in enumerate(list(SECTIONS[section].items())[: len(shapes)]):
            drawn = lambda x, y, more="": f'<path class="m{mark}"{more} transform="translate({x:.1f} {y})" d="{shapes[mark]}"/>'
            parts += [drawn(x + 6, 38), write(x + 16, 42, name)]
            x += 28 + 6 * len(name)
            for index, (table, of_table) in enumerate(reports.items()):
                values, y = figure(of_table, path), top + line * index + 15
                mean, deviation = statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0
                low, high, shape = place(mean - deviation), place(mean + deviation), drawn(place(mean), y, ' fill-opacity=".85"')
                parts.append(f'<g><title>{table}, {name}: {spread(values)}</title>{shape}'
                             f'<path class="m{mark}" stroke-width="2" d="M{low:.1f} {y}H{high:.1f}"/></g>')
    return "".join(parts) + "</svg>\n"


def main():
    parser = options(__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--controls", action="store_true")
    parser.add_argument("--picture", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    arguments.seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    reports = {}
    for table in filter(None, arguments.tables.split(",")):
        key, _, count = table.partition(":")
        name, config, settings = TABLES[key]
        seeds = arguments.seeds[: int(count)] if count else arguments.seeds
        reports[name] = [judged(arguments, key, config, seed, settings) for seed in seeds]
    for heading, columns in SECTIONS.items() if reports else ():
        print(f"\n{heading}\n")
        header("table", *columns)
        for name, of_table in reports.items():
            row(name, *(spread(figure(of_table, path)) for path in columns.values()))
    if arguments.controls:
        controls(arguments)
    if arguments.picture:
        arguments.picture.write_text(picture(reports))


if __name__ == "__main__":
    main()
