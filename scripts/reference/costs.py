"""Processor seconds and memory of training and scoring, as Markdown; seconds do not depend on what else runs.

  python scripts/reference/costs.py [--cells 1000,10000,100000,1000000]     against cells, members and nodes of small networks
  python scripts/reference/costs.py --large 500,1000,2000,4000              networks of many nodes

Networks are chains, so that no node is dead, with random operations of four kinds and further edges: two per node of small
networks, one per node of large ones. Unless stated a small one has 8 nodes, and 5 members of the default shape are trained on
156 cells for 20 epochs and score 10,000 cells. On large ones 5 members are trained on 32 cells for 10 epochs and score 40. The
time that the program needs to score a single cell is no part of scoring.
"""
import os
import pathlib
import random
import subprocess
import tempfile

from common import header, options, row


def run(*words):
    """Processor seconds and peak memory in MB of the program."""
    program = subprocess.Popen([*map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(program.pid, 0)
    assert status == 0, words
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def network(nodes, chance):
    """Operations, edges and a number to rank by."""
    names, edges = [chance.choice("abcd") for _ in range(nodes - 2)], {(b - 1, b) for b in range(1, nodes)}
    if nodes < 100:
        edges |= {(a, b) for b in range(1, nodes) for a in range(b) if chance.random() < 4 / nodes}
    else:
        edges |= {(a, a + chance.randrange(2, 20)) for a in range(nodes - 21)}
    return f"input {' '.join(names)} output,{' '.join(f'{a}>{b}' for a, b in sorted(edges))},{names.count('a') / nodes}"


def measure(carl, nodes=8, cells=10_000, members=5, trained=156, epochs=20):
    """Seconds and memory of training, seconds and memory of scoring, and edges per network."""
    chance = random.Random(1)
    lines = ["ops,edges,accuracy", *(network(nodes, chance) for _ in range(max(cells, trained * 5 // 4)))]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for table, count in {"trained": trained * 5 // 4, "one": 1, "scored": cells}.items():
            (folder / f"{table}.csv").write_text("\n".join(lines[: count + 1]))
        config = f"space: dag\ndata: {{table: {folder}/trained.csv, train_target: accuracy}}\nsplit: {{train: {trained}}}\n"
        (folder / "n.yaml").write_text(f"{config}model: {{members: {members}}}\ntrain: {{epochs: {epochs}}}\n")
        training, most = run(carl, "train", folder / "n.yaml", "--output", folder / "c")
        score = lambda table: run(carl, "predict", folder / "c", "--input", folder / f"{table}.csv", "--output", folder / "out.csv")
        (idle, _), (scoring, peak) = score("one"), score("scored")
    return training, most, scoring - idle, peak, sum(line.count(">") for line in lines) / (len(lines) - 1)


def main():
    parser = options(__doc__)
    parser.add_argument("--cells", default="1000,10000,100000,1000000")
    parser.add_argument("--large", default="")
    arguments = parser.parse_args()
    if arguments.large:
        header("nodes", "edges", "training, s per cell and epoch", "peak, MB", "scoring, ms per cell", "peak, MB")
        for nodes in map(int, arguments.large.split(",")):
            training, most, scoring, peak, edges = measure(arguments.carl, nodes, 40, trained=32, epochs=10)
            row(nodes, f"{edges:.0f}", f"{training / 320:.3f}", f"{most:.0f}", f"{scoring / 39e-3:.1f}", f"{peak:.0f}")
        return
    header("cells", "scoring, s", "microseconds per cell")
    for cells in map(int, arguments.cells.split(",")):
        scoring = measure(arguments.carl, cells=cells)[2]
        row(f"{cells:,}", f"{scoring:.2f}", f"{scoring / cells * 1e6:.0f}")
    for name, values in {"members": (1, 2, 4, 8, 16, 32), "nodes": (4, 8, 12, 16, 20, 24)}.items():
        print()
        header(name, "training, s", "scoring, s")
        for value in values:
            training, _, scoring, *_ = measure(arguments.carl, **{name: value})
            row(value, f"{training:.2f}", f"{scoring:.2f}")


if __name__ == "__main__":
    main()
