"""Repeats of tests/examples/own_space: is the best of 24 networks that carl suggests better than the best of 24 drawn ones?

  python scripts/reference/own_space.py [--seed FIRST] [--seeds 10]      needs torch and scikit-learn

Suggestions are made as the README there says, with --seed; as many networks are drawn by `carl suggest` from a table without a
label.
"""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "tests/examples/own_space"
sys.path.append(str(EXAMPLE))
import family  # noqa: E402
from common import header, options, read, row  # noqa: E402


def suggest(arguments, folder, count, seed, *more):
    words = ["suggest", EXAMPLE / "family.yaml", "--count", count, "--seed", seed, "--output", folder / "next.csv", *more]
    subprocess.run([arguments.carl, *map(str, words)], check=True, stderr=subprocess.DEVNULL)
    return [one["arch"] for one in read(folder / "next.csv")]


def suggested(arguments, folder, seed):
    """The best accuracy of 12 networks that stand for all others and two times six suggestions."""
    known, trained = folder / "trained.csv", []
    for count in (12, 6, 6):
        more = ["--known", known] if trained else ["--for", "ranking"]
        trained += [f"{arch},{family.accuracy(arch):.2f}" for arch in suggest(arguments, folder, count, seed, *more)]
        known.write_text("\n".join(["arch,accuracy", *trained, ""]))
    return max(float(row.rsplit(",", 1)[1]) for row in trained)


def main():
    arguments = options(__doc__).parse_args()
    family.torch.set_num_threads(1)
    wins = 0
    header("seed", "suggested", "drawn")
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        with tempfile.TemporaryDirectory() as name:
            own = suggested(arguments, pathlib.Path(name), seed)
            drawn = max(family.accuracy(arch) for arch in suggest(arguments, pathlib.Path(name), 24, 1000 + seed))
        wins += own > drawn + 0.005
        row(seed, f"{own:.2f}", f"{drawn:.2f}")
    print(f"\nbetter in {wins} of {arguments.seeds}")


if __name__ == "__main__":
    main()
