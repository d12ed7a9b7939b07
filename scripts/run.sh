#!/usr/bin/env bash
# From a benchmark file to a ranked search space: set-up, build, prepare, train, score all 15,625 NAS-Bench-201 cells.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
cargo build --release --locked
carl=target/release/carl
table=data/nasbench201_analog.csv.gz
if [ ! -f "$table" ]; then
  "$carl" prepare nasbench201 data/analog_nasbench-0.1.3-py3-none-any.whl --output "$table"
fi
"$carl" train configs/quickstart.yaml --output checkpoints/quickstart --force "$@"
echo "report     checkpoints/quickstart/report.html"
