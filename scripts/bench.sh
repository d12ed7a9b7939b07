#!/usr/bin/env bash
# carl against the plain PyTorch program of scripts/reference on NAS-Bench-201, in turn: seconds to train MEMBERS members on
# 156 cells and to score all 15,625 with them, and the ratio of each pair (the reference has no distillation, so carl has
# none here). Then the rate of scoring next to the machine's rate of matrix products, and with PARTS=1 the times of
# the parts of both.
# Needs scripts/setup.sh --full and a quiet machine.
#   scripts/bench.sh TABLE.csv.gz [ROUNDS [MEMBERS]]      TABLE has the columns arch and c10_val
set -euo pipefail
cd "$(dirname "$0")/.."
table=${1:?usage: scripts/bench.sh TABLE.csv.gz [ROUNDS [MEMBERS]]}
rounds=${2:-3}
members=${3:-10}
python=${PYTHON:-.venv/bin/python}
"$python" -c 'import torch' || { echo "bench: Python's torch is missing: run scripts/setup.sh --full" >&2; exit 2; }
cargo build --release --locked --features internals --bin carl --benches
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for round in $(seq "$rounds"); do
  target/release/carl train configs/nasbench201.yaml --set data.table="$table" --set loss.distillation=0 \
    --set model.members="$members" --threads 2 --output "$folder/c" --force --json > "$folder/carl.json"
  "$python" scripts/reference/carl_reference.py time "$table" --members "$members" > "$folder/reference.json"
  python3 - "$folder" "$round" "$members" <<'P'
import json, sys
folder, round_, members = sys.argv[1], sys.argv[2], int(sys.argv[3])
a, b = (json.load(open(f"{folder}/{name}.json")) for name in ("carl", "reference"))
# 200 epochs of two steps; every cell by every member.
units = {"train_seconds": (400 * members, "step and member"), "score_seconds": (15_625 * members, "cell and member")}
for what, (count, unit) in units.items():
    mine, theirs = (x[what] / count * 1e6 for x in (a, b))
    print(f"round {round_} {what}: carl {a[what]:.2f}, reference {b[what]:.2f}, ratio {a[what] / b[what]:.3f}; "
          f"microseconds per {unit}: carl {mine:.1f}, reference {theirs:.1f}")
P
done
cargo bench --locked --quiet --features internals --bench rate | python3 -m json.tool
if [ "${PARTS:-0}" = 1 ]; then
  "$python" scripts/reference/carl_reference.py parts "$table"
  cargo bench --locked --features internals --bench parts
fi
