#!/usr/bin/env bash
# Seconds to train 5 members on 156 NAS-Bench-201 cells and to score all 15,625 with them: carl against the plain PyTorch
# program of scripts/reference (which has no teacher, so carl has none here), in turn, and the ratio of each pair. Needs scripts/setup.sh --full and a quiet machine.
#   scripts/bench.sh TABLE.csv.gz [ROUNDS]      TABLE has the columns arch and c10_val
set -euo pipefail
cd "$(dirname "$0")/.."
table=${1:?usage: scripts/bench.sh TABLE.csv.gz [ROUNDS]}
python=${PYTHON:-.venv/bin/python}
"$python" -c 'import torch' || { echo "bench: Python's torch is missing: run scripts/setup.sh --full" >&2; exit 2; }
cargo build --release --locked
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for round in $(seq "${2:-3}"); do
  target/release/carl train configs/nasbench201.yaml --set data.table="$table" --set loss.distillation=0 --output "$folder/c" --json > "$folder/carl.json"
  "$python" scripts/reference/carl_reference.py time "$table" > "$folder/reference.json"
  python3 - "$folder" "$round" <<'P'
import json, sys
a, b = (json.load(open(f"{sys.argv[1]}/{name}.json")) for name in ("carl", "reference"))
for what in ("train_seconds", "score_seconds"):
    print(f"round {sys.argv[2]} {what}: carl {a[what]:.2f}, reference {b[what]:.2f}, ratio {a[what] / b[what]:.3f}")
P
done
