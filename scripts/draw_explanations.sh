#!/usr/bin/env bash
# Pictures of explained cells: trains a small checkpoint of each space and draws the best cell of its table.
#   scripts/draw_explanations.sh [FOLDER]      default configs/pictures
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-configs/pictures}
carl=${CARL:-target/release/carl}
[ -x "$carl" ] || cargo build --release --locked
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"
for space in nasbench201 nasbench101 darts nasbench-nlp; do
  "$carl" train "configs/$space.yaml" --output "$work/$space" --json \
    --set model.members=2 --set model.hidden=32 --set train.epochs=100 > "$work/$space.json"
  arch=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["best"][0]["arch"])' "$work/$space.json")
  "$carl" explain "$work/$space" --arch "$arch" --output "$folder/$space.svg"
done
