"""What the programs here share: their options, calls of carl, and tables in Markdown."""
import argparse
import csv
import functools
import gzip
import json
import os
import pathlib
import statistics
import subprocess


def options(description):
    """Options that most programs have; `--set` is for carl."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--set", action="append", default=[], help="a key of the configuration, for carl")
    parser.add_argument("--carl", default=os.environ.get("CARL", "target/release/carl"), help="the program")
    return parser


def carl(arguments, *words, settings=()):
    """What the program prints as JSON."""
    command = [arguments.carl, *words, "--json"]
    for item in [*arguments.set, *settings]:
        command += ["--set", item]
    return json.loads(subprocess.run([*map(str, command)], check=True, stdout=subprocess.PIPE, text=True).stdout)


def target(data):
    """Settings that train on the validation accuracy of a data set of NAS-Bench-201 and judge by its test accuracy."""
    return [f"data.train_target={data}_val", f"data.test_target={data}_test"]


def read(name):
    """The rows of a table by its path, or by its name in data/ or the folder of CARL_DATA."""
    path = pathlib.Path(name)
    folders = [pathlib.Path("data"), pathlib.Path(os.environ.get("CARL_DATA", "../shared/data"))]
    path = next(path for path in [path, *(folder / path.name for folder in folders)] if path.exists())
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


def row(*cells):
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def header(*names):
    row(*names)
    print("|" + "---|" * len(names), flush=True)


def spread(values, digits=3):
    """Mean and standard deviation of values, as text."""
    if not values:
        return ""
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{deviation}"


def figure(reports, path):
    """The values of a figure such as "kendall_tau.mean", one per report that has it."""
    values = [functools.reduce(lambda part, key: (part or {}).get(key), path.split("."), report) for report in reports]
    return [value for value in values if value is not None]
