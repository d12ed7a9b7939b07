"""Seconds of scoring and training against cells, members and nodes, as Markdown.

  python scripts/cost_table.py [--carl target/release/carl] [--largest 1000000]

Cells are random graphs of the space `dag` with four operations, all different functions: what is measured is cost alone.
Every line is one run of the binary on otherwise equal settings: 8 nodes, 5 members of the default shape, 10,000 cells scored,
156 cells trained on for 20 epochs.
"""
import argparse
import json
import pathlib
import random
import subprocess
import tempfile

CONFIG = """space: dag
data: {table: train.csv, train_target: y}
split: {train: 156}
train: {epochs: 20}
"""


def cell(nodes, chance):
    """A chain through all nodes, so that none is dead, and on average two more edges per node."""
    middle = [chance.choice("abcd") for _ in range(nodes - 2)]
    more = min(1.0, 4 / nodes)
    edges = [f"{a}>{b}" for b in range(1, nodes) for a in range(b) if a == b - 1 or chance.random() < more]
    return " ".join(["input", *middle, "output"]), " ".join(edges)


def write(path, count, nodes, seed, label=False):
    chance = random.Random(seed)
    with open(path, "w") as file:
        file.write("ops,edges,y\n" if label else "ops,edges\n")
        for _ in range(count):
            operations, edges = cell(nodes, chance)
            file.write(f"{operations},{edges}" + (f",{chance.random()}\n" if label else "\n"))


class Bench:
    def __init__(self, carl, folder):
        self.carl, self.folder = str(pathlib.Path(carl).absolute()), folder
        (folder / "config.yaml").write_text(CONFIG)

    def run(self, *arguments):
        command = [self.carl, *map(str, arguments), "--json"]
        return json.loads(subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout)

    def train(self, nodes=8, members=5):
        """Seconds of training; the checkpoint stays."""
        write(self.folder / "train.csv", 156, nodes, 1, label=True)
        found = self.run("train", "config.yaml", "--output", "checkpoint", "--force", "--set", f"model.members={members}")
        return found["train_seconds"]

    def score(self, count=10_000, nodes=8):
        """Seconds from reading the table to the scores on disk."""
        write(self.folder / "cells.csv", count, nodes, 2)
        found = self.run("predict", "checkpoint", "--input", "cells.csv", "--output", "scores.csv")
        assert found["architectures"] == count
        return found["seconds"], found["functions"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--carl", default="target/release/carl")
    parser.add_argument("--largest", type=int, default=1_000_000, help="most cells")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments.carl, pathlib.Path(folder))
        print("| cells | scoring, s | unique graphs | microseconds per cell |\n|---|---|---|---|")
        bench.train()
        for count in (1_000, 10_000, 100_000, 1_000_000):
            if count <= arguments.largest:
                seconds, functions = bench.score(count)
                print(f"| {count:,} | {seconds:.2f} | {functions:,} | {seconds / count * 1e6:.0f} |", flush=True)
        print("\n| members | training, s | scoring, s |\n|---|---|---|")
        for members in (1, 2, 4, 8, 16, 32):
            trained = bench.train(members=members)
            print(f"| {members} | {trained:.2f} | {bench.score()[0]:.2f} |", flush=True)
        print("\n| nodes | training, s | scoring, s |\n|---|---|---|")
        for nodes in (4, 8, 12, 16, 20, 24):
            trained = bench.train(nodes=nodes)
            print(f"| {nodes} | {trained:.2f} | {bench.score(nodes=nodes)[0]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
