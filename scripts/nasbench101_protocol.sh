#!/bin/sh
# The published protocol of NAS-Bench-101 from the official file: trained on the validation accuracy of one run at 108 epochs,
# judged by the mean test accuracy of three, over all 423,624 cells.
#   scripts/nasbench101_protocol.sh nasbench_only108.tfrecord [--seeds 10 ...]
set -e
file=${1:?"usage: scripts/nasbench101_protocol.sh FILE.tfrecord [options of carl benchmark]"}
file=$(realpath "$file")
shift
cd "$(dirname "$0")/.."
table=${NASBENCH101_TABLE:-data/nasbench101.csv.gz}
[ -e "$table" ] || target/release/carl prepare nasbench101 "$file" --output "$table"
target/release/carl benchmark configs/nasbench101.yaml --set data.table="$table" --set data.train_target=val_108_run0 \
    --set data.test_target=test_108 --train-sizes "${TRAIN_SIZES:-100,172,424,4236}" "$@"
