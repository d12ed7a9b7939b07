#!/usr/bin/env bash
# Packs the crate, and builds the program and all tests from the package alone.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
cargo package --locked --no-verify --allow-dirty
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tar -xzf target/package/carl-*.crate -C "$folder" --strip-components 1
export LIBTORCH=${LIBTORCH:-$root/.venv/torch} CARGO_TARGET_DIR=$root/target
cd "$folder"
cargo test --release --locked --features internals --no-run
