#!/usr/bin/env bash
# Set-up, then all tests. Tests on real benchmark files run where a folder of CARL_DATA (default
# data:../shared/data) has them.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
cargo test --release --locked "$@"
