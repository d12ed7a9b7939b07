"""Seconds of scoring and training against cells, members and nodes, as Markdown.

  python scripts/cost_table.py [LARGEST]      needs the package carl_nas; most cells, 1000000 by default

Cells are random graphs of the space `dag` with four operations, all different functions: what is measured is cost alone. Every line is
one call on otherwise equal settings: 8 nodes, 5 members of the default shape, 10,000 cells scored, 156 trained on for 20 epochs.
"""
import random
import sys
import time

import carl_nas


def cells(count, nodes, chance):
    """Chains through all nodes, so that none is dead, and on average two more edges per node."""
    more = min(1.0, 4 / nodes)
    for _ in range(count):
        middle = [chance.choice("abcd") for _ in range(nodes - 2)]
        edges = [f"{a}>{b}" for b in range(1, nodes) for a in range(b) if a == b - 1 or chance.random() < more]
        yield " ".join(["input", *middle, "output;"]) + " ".join(edges)


def seconds(call):
    started = time.perf_counter()
    return call(), time.perf_counter() - started


def measure(count=10_000, nodes=8, members=5):
    """Seconds of training and of scoring."""
    chance = random.Random(1)
    predictor = carl_nas.Predictor("dag", options={"train.epochs": 20, "model.members": members}, device="cpu")
    trained, labels = list(cells(156, nodes, chance)), [chance.random() for _ in range(156)]
    scored = list(cells(count, nodes, chance))
    return seconds(lambda: predictor.fit(trained, labels))[1], seconds(lambda: predictor.predict(scored))[1]


def main():
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print("| cells | scoring, s | microseconds per cell |\n|---|---|---|")
    for count in (1_000, 10_000, 100_000, 1_000_000):
        if count <= largest:
            scored = measure(count)[1]
            print(f"| {count:,} | {scored:.2f} | {scored / count * 1e6:.0f} |", flush=True)
    for name, values in {"members": (1, 2, 4, 8, 16, 32), "nodes": (4, 8, 12, 16, 20, 24)}.items():
        print(f"\n| {name} | training, s | scoring, s |\n|---|---|---|")
        for value in values:
            print("| {} | {:.2f} | {:.2f} |".format(value, *measure(**{name: value})), flush=True)


if __name__ == "__main__":
    main()
