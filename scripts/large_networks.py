"""Time and memory of training and scoring networks of many nodes, as Markdown; processor seconds do not depend on what else runs.

  python scripts/large_networks.py [NODES,...]      CARL names the program, target/release/carl by default

Networks are chains with a further edge per node, random operations of four kinds. 40 are scored, 32 of them trained on, defaults with
5 members but 10 epochs.
"""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile


def run(*arguments):
    """Processor seconds and peak memory in MB of the program, and what it printed."""
    program = subprocess.Popen([os.environ.get("CARL", "target/release/carl"), *arguments, "--json"], stdout=subprocess.PIPE)
    text = program.stdout.read()
    _, status, usage = os.wait4(program.pid, 0)
    assert status == 0, arguments
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, json.loads(text)


def network(nodes, chance):
    """Operations and edges, and a number to rank by."""
    names = [chance.choice("abcd") for _ in range(nodes - 2)]
    edges = {(b - 1, b) for b in range(1, nodes)} | {(a, a + chance.randrange(2, 20)) for a in range(nodes - 21)}
    text = " ".join(f"{a}>{b}" for a, b in sorted(edges))
    return f"input {' '.join(names)} output,{text},{names.count('a') / nodes}", len(edges)


def main():
    print("| nodes | edges | training, s per cell and epoch | peak, MB | scoring, ms per cell | peak, MB |\n|---|---|---|---|---|---|")
    for nodes in map(int, (sys.argv[1] if len(sys.argv) > 1 else "500,1000,2000,4000").split(",")):
        with tempfile.TemporaryDirectory() as name:
            folder, chance = pathlib.Path(name), random.Random(1)
            rows = [network(nodes, chance) for _ in range(40)]
            (folder / "n.csv").write_text("\n".join(["ops,edges,accuracy", *(row for row, _ in rows)]))
            (folder / "one.csv").write_text("\n".join(["ops,edges", rows[0][0].rsplit(",", 1)[0]]))
            (folder / "n.yaml").write_text("space: dag\ndata: {table: n.csv, train_target: accuracy}\nsplit: {train: 32}\ntrain: {epochs: 10}\n")
            table, model, out = str(folder / "n.csv"), str(folder / "model"), str(folder / "out.csv")
            training, most, _ = run("train", str(folder / "n.yaml"), "--set", f"data.table={table}", "--output", model)
            idle = run("predict", model, "--input", str(folder / "one.csv"), "--output", out)[0]
            scoring, peak, _ = run("predict", model, "--input", table, "--output", out)
            edges = sum(count for _, count in rows) / len(rows)
            print(f"| {nodes} | {edges:.0f} | {training / 320:.3f} | {most:.0f} | {(scoring - idle) / 39e-3:.1f} | {peak:.0f} |", flush=True)


if __name__ == "__main__":
    main()
