"""Explanations against the truth on many splits, with and without the refinement of masks, as a Markdown table.

  python scripts/explanations.py configs/nasbench201.yaml --seeds 10 [--seed 0] [--set model.members=3 ...]

One split is one run of `carl train` and `carl evaluate --explanations`; each figure is the mean and the standard deviation
over splits, with the values in a file of JSON Lines (--log), from which an interrupted run goes on.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

FIGURES = {
    "Kendall's tau": lambda figures: figures["kendall_tau"],
    "agreement with the truth: critical mass": lambda figures: truth(figures, "critical"),
    "occlusion of the predictor": lambda figures: truth(figures, "occlusion"),
    "gradient x input": lambda figures: truth(figures, "gradient"),
    "random": lambda figures: truth(figures, "random"),
    "critical half kept": lambda figures: figures["explanations"]["fidelity_keep"],
    "the rest kept": lambda figures: figures["explanations"]["fidelity_remove"],
    "heavier half by mass kept": lambda figures: figures["explanations"]["fidelity_keep_by_mass"],
    "lighter half by mass kept": lambda figures: figures["explanations"]["fidelity_remove_by_mass"],
    "members agree": lambda figures: figures["explanations"]["stability"],
}


def truth(figures, name):
    agreement = figures["explanations"]["truth_agreement"]
    return agreement[name] if agreement else float("nan")


def measure(arguments, seed, weight):
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"split.seed={seed}", f"loss.counterfactual={weight}", *arguments.set]
        train = [arguments.carl, "train", str(arguments.config), "--output", folder, "--json"]
        for item in settings:
            train += ["--set", item]
        subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
        evaluate = [arguments.carl, "evaluate", folder, "--explanations", "--json"]
        return json.loads(subprocess.run(evaluate, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--weights", default="0,1", help="loss.counterfactual, a column each")
    parser.add_argument("--log", type=pathlib.Path, help="file of JSON Lines to write and to go on from")
    parser.add_argument("--carl", default="target/release/carl")
    arguments = parser.parse_args()
    known = {}
    if arguments.log and arguments.log.exists():
        for line in arguments.log.read_text().splitlines():
            entry = json.loads(line)
            known[entry["seed"], entry["weight"]] = entry["figures"]
    weights = [float(weight) for weight in arguments.weights.split(",")]
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    for key in [(seed, weight) for seed in seeds for weight in weights]:
        if key not in known:
            known[key] = measure(arguments, *key)
            if arguments.log:
                with arguments.log.open("a") as log:
                    log.write(json.dumps({"seed": key[0], "weight": key[1], "figures": known[key]}) + "\n")
    print("| figure | " + " | ".join(f"loss.counterfactual {weight:g}" for weight in weights) + " |")
    print("|---|" + "---|" * len(weights))
    for name, figure in FIGURES.items():
        cells = []
        for weight in weights:
            values = [figure(known[seed, weight]) for seed in seeds]
            spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.4f}{spread}")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
