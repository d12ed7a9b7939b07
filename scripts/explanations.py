"""Explanations against the truth on many splits, as a Markdown table.

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
    "attention of the masks": lambda figures: truth(figures, "attention"),
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


def measure(arguments, seed):
    with tempfile.TemporaryDirectory() as folder:
        train = [arguments.carl, "train", str(arguments.config), "--output", folder, "--json"]
        for item in [f"split.seed={seed}", *arguments.set]:
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
    parser.add_argument("--log", type=pathlib.Path, help="file of JSON Lines to write and to go on from")
    parser.add_argument("--carl", default="target/release/carl")
    arguments = parser.parse_args()
    known = {}
    if arguments.log and arguments.log.exists():
        for line in arguments.log.read_text().splitlines():
            entry = json.loads(line)
            known[entry["seed"]] = entry["figures"]
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    for seed in seeds:
        if seed not in known:
            known[seed] = measure(arguments, seed)
            if arguments.log:
                with arguments.log.open("a") as log:
                    log.write(json.dumps({"seed": seed, "figures": known[seed]}) + "\n")
    print("| figure | mean and standard deviation |")
    print("|---|---|")
    for name, figure in FIGURES.items():
        values = [figure(known[seed]) for seed in seeds]
        deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        print(f"| {name} | {statistics.mean(values):.4f}{deviation} |")


if __name__ == "__main__":
    main()
