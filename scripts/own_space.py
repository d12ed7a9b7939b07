"""Repeats of tests/examples/own_space: is the best of 24 networks that carl suggests better than the best of 24 drawn ones?

  python scripts/own_space.py [FIRST SEED] [LAST SEED]      needs torch and scikit-learn; CARL names the program

Suggestions are made as the README there says, with --seed; as many networks are drawn by `carl suggest` from a table without a label.
"""
import csv
import os
import pathlib
import subprocess
import sys
import tempfile

EXAMPLE = pathlib.Path(__file__).parent.parent / "tests" / "examples" / "own_space"
sys.path.insert(0, str(EXAMPLE))
import family  # noqa: E402

CARL = os.environ.get("CARL", "target/release/carl")


def suggest(folder, count, seed, *options):
    output = folder / "next.csv"
    command = [CARL, "suggest", str(EXAMPLE / "family.yaml"), "--count", str(count), "--seed", str(seed), "--output", str(output)]
    subprocess.run([*command, *options], check=True, stderr=subprocess.DEVNULL)
    with open(output, newline="") as table:
        return [row["arch"] for row in csv.DictReader(table)]


def suggested(folder, seed):
    """The best accuracy of 12 networks that stand for all others and two times six suggestions."""
    known, trained = folder / "trained.csv", []
    for count in (12, 6, 6):
        options = ["--known", str(known)] if trained else ["--for", "ranking"]
        trained += [f"{arch},{family.accuracy(arch):.2f}" for arch in suggest(folder, count, seed, *options)]
        known.write_text("\n".join(["arch,accuracy", *trained, ""]))
    return max(float(row.rsplit(",", 1)[1]) for row in trained)


def main():
    family.torch.set_num_threads(1)
    first, last = map(int, sys.argv[1:3] or (0, 9))
    wins = 0
    print("| seed | suggested | drawn |\n|---|---|---|")
    for seed in range(first, last + 1):
        with tempfile.TemporaryDirectory() as name:
            own = suggested(pathlib.Path(name), seed)
            drawn = max(family.accuracy(arch) for arch in suggest(pathlib.Path(name), 24, 1000 + seed))
        wins += own > drawn + 0.005
        print(f"| {seed} | {own:.2f} | {drawn:.2f} |", flush=True)
    print(f"\nbetter in {wins} of {last - first + 1}")


if __name__ == "__main__":
    main()
