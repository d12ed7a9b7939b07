#!/usr/bin/env bash
# Proves the GPU path on a machine that has one: the same splits, cells and programs on the CPU and on the GPU, in a few minutes. Writes
# one JSON and prints one table. Exit code 1 where the two disagree.
#   scripts/gpu_check.sh [--cpu] [--small] [OUTPUT.json]
#     --cpu     no GPU: compares both engines on the CPU, the one that is written out and LibTorch's autograd
#     --small   few labels, members and epochs: seconds instead of minutes
# CARL=FILE takes a program that was built elsewhere (with LD_LIBRARY_PATH for its LibTorch); PYTHON one that has torch.
set -euo pipefail
cd "$(dirname "$0")/.."
device=cuda size=78,156 seeds=10 members=50 epochs=200 chosen=100 output=gpu_check.json tau_bound=
small=(); other=(--device cuda)
for word in "$@"; do
  case "$word" in
    --cpu) device=cpu; other=(--device cpu --engine autograd) ;;
    --small) size=40 seeds=2 tau_bound=0.01 members=4 epochs=60 chosen=20; small=(--set model.members=3 --set train.epochs=100) ;;
    -*) echo "gpu_check: unknown option $word; there are --cpu and --small" >&2; exit 2 ;;
    *) output=$word ;;
  esac
done
if [ -z "${CARL:-}" ]; then
  scripts/setup.sh
  cargo build --release --locked
fi
carl=$(realpath "${CARL:-target/release/carl}")
python=${PYTHON:-.venv/bin/python}
table=data/nasbench201_analog.csv.gz
[ -f "$table" ] || "$carl" prepare nasbench201 data/analog_nasbench-0.1.3-py3-none-any.whl --output "$table"
folder=$(mktemp -d)
watcher= holder=
trap 'kill $watcher $holder 2> /dev/null || true; rm -rf "$folder"' EXIT
if [ "$device" != cpu ] && command -v nvidia-smi > /dev/null; then
  nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits --loop-ms=200 > "$folder/memory" & watcher=$!
fi

config=(configs/quickstart.yaml --set "data.table=$table")
"$carl" doctor --json "${other[@]:0:2}" > "$folder/doctor.json"
echo "gpu_check: tau of $seeds splits on both" >&2
"$carl" benchmark "${config[@]}" "${small[@]}" --train-sizes "$size" --seeds "$seeds" --json --device cpu > "$folder/tau_cpu.json"
"$carl" benchmark "${config[@]}" "${small[@]}" --train-sizes "$size" --seeds "$seeds" --json "${other[@]}" > "$folder/tau_device.json"
echo "gpu_check: $members members on both" >&2
ensemble=(--set "model.members=$members" --set "train.epochs=$epochs" --json)
"$carl" train "${config[@]}" "${ensemble[@]}" --device cpu --output "$folder/cpu" > "$folder/train_cpu.json"
"$carl" train "${config[@]}" "${ensemble[@]}" "${other[@]}" --output "$folder/device" > "$folder/train_device.json"
echo "gpu_check: one checkpoint on both, and its exported program" >&2
"$carl" predict "$folder/device" --all --json --device cpu --output "$folder/scores_cpu.csv" > "$folder/predict_cpu.json"
"$carl" predict "$folder/device" --all --json "${other[@]}" --output "$folder/scores_device.csv" > "$folder/predict_device.json"
echo "gpu_check: cells chosen by coverage and a search on both" >&2
both() { # name, then a command of carl: its output and seconds on both
  local name=$1; shift
  local start=$EPOCHREALTIME
  "$carl" "$@" --device cpu > "$folder/${name}_cpu"
  local middle=$EPOCHREALTIME
  "$carl" "$@" "${other[@]}" > "$folder/${name}_device"
  echo "$start $middle $EPOCHREALTIME" > "$folder/${name}_times"
}
both chosen suggest "${config[@]}" --for ranking --count "$chosen" --output - 2> /dev/null
both search search "${config[@]}" --budget "$chosen" --runs 2 --json 2> /dev/null
[ -z "$watcher" ] || kill "$watcher"
program=skipped survived=skipped
if "$python" -c 'import torch' 2>/dev/null; then
  "$carl" export "$folder/device" --output "$folder/model.pt" 2> /dev/null
  # Both outputs of the program on the CPU and on the device, for random graphs.
  program=$("$python" - "$folder/model.pt" "$device" <<'P'
import sys, torch
torch.manual_seed(0)
program = torch.jit.load(sys.argv[1]).eval()

for operations in range(3, 64):
    x = torch.nn.functional.one_hot(torch.randint(operations, (64, 8)), operations).float()
    edges, mask = torch.triu((torch.rand(64, 8, 8) < 0.4).float(), 1), torch.ones(64, 8)
    try:
        here = program(x, edges, mask)[0]
        break
    except RuntimeError:
        continue
there = program.to(sys.argv[2])(*(part.to(sys.argv[2]) for part in (x, edges, mask)))[0].cpu()
print((here - there).abs().max().item())
P
  )
  if [ "$device" != cpu ]; then
    echo "gpu_check: the same scores where nearly all of the device's memory is taken" >&2
    "$python" - "$folder/held" <<'P' & holder=$!
import pathlib, sys, time, torch
free = torch.cuda.mem_get_info()[0]
# What is left is enough for the context of a second program and little more.
held = torch.empty(max(free - 1_500_000_000, 0), dtype=torch.uint8, device="cuda")
pathlib.Path(sys.argv[1]).touch()
time.sleep(120)
P
    for _ in $(seq 300); do [ -e "$folder/held" ] || sleep 0.1; done
    survived=no
    if "$carl" predict "$folder/device" --all --device cuda --output "$folder/scores_full.csv" 2> "$folder/full.log"; then
      survived=yes
    else
      cat "$folder/full.log" >&2
    fi
    kill "$holder"
  fi
fi
python3 - "$folder" "$device" "$program" "$output" "$tau_bound" "$survived" <<'P'
import csv, json, os, sys
folder, device, program, output, tau_bound, survived = sys.argv[1:]
read = lambda name: json.load(open(f"{folder}/{name}.json"))
tau = {name: {str(r["train_size"]): r["kendall_tau"]["mean"] for r in read(f"tau_{name}")["results"]} for name in ("cpu", "device")}
def scores(name):
    return [float(row["score"]) for row in csv.DictReader(open(f"{folder}/scores_{name}.csv"))]
def difference(one, other):
    return max(abs(a - b) for a, b in zip(scores(one), scores(other)))
trains = {name: read(f"train_{name}") for name in ("cpu", "device")}
def times(name):
    start, middle, end = map(float, open(f"{folder}/{name}_times").read().split())
    return {"cpu": middle - start, "device": end - middle}
chosen = [[line.split(",")[0] for line in open(f"{folder}/chosen_{name}")][1:] for name in ("cpu", "device")]
regret = [json.load(open(f"{folder}/search_{name}"))["mean_test"] for name in ("cpu", "device")]
products, gradients = read("doctor")["products"], read("doctor")["gradients"]
memory = f"{folder}/memory"
used = [int(line) for line in open(memory) if line.strip().isdigit()] if os.path.exists(memory) else []
result = {
    "device": device, "doctor": read("doctor"), "kendall_tau": tau,
    "tau_difference": max(abs(tau["cpu"][n] - tau["device"][n]) for n in tau["cpu"]),
    "train_seconds": {name: run["train_seconds"] for name, run in trains.items()},
    "tau_of_all_members": {name: run["kendall_tau"] for name, run in trains.items()},
    "score_seconds": {name: read(f"predict_{name}")["seconds"] for name in ("cpu", "device")},
    "coverage_seconds": times("chosen"), "search_seconds": times("search"),
    "chosen_elsewhere": len(set(chosen[0]) ^ set(chosen[1])) / 2 / len(chosen[0]), "search_difference": abs(regret[0] - regret[1]),
    "product_error": products["error"], "product_error_of_ten_bits": products["tf32_error"],
    "gradient_error": gradients["error"], "peak_device_megabytes": max(used, default=None),
    "full_memory": {"skipped": "not run", "yes": "survived", "no": "failed"}[survived],
    "full_memory_difference": difference("device", "full") if survived == "yes" else None,
    "largest_score_difference": difference("cpu", "device"), "program_difference": None if program == "skipped" else float(program),
}
# Floats on the CPU agree to rounding; a GPU rounds factors of products to ten bits.
bounds = {"tau_difference": float(tau_bound or (0.003 if device == "cpu" else 0.005)), "largest_score_difference": 1e-3 if device == "cpu" else 0.05,
          "program_difference": 1e-4 if device == "cpu" else 0.05, "chosen_elsewhere": 0.0 if device == "cpu" else 0.1,
          "gradient_error": 1e-4 if device == "cpu" else 0.05, "full_memory_difference": 0.05,
          "search_difference": 0.0 if device == "cpu" else 0.2}
result["failed"] = [name for name, bound in bounds.items() if result[name] is not None and not result[name] <= bound]
result["failed"] += [f"{name}_error" for name in ("product", "gradient") if read("doctor")[f"{name}s"]["error"] is None]
result["failed"] += ["full_memory"] if survived == "no" else []
json.dump(result, open(output, "w"), indent=2)
print(f"{'':28}{'cpu':>12}{device if device != 'cpu' else 'autograd':>12}")
for size in tau["cpu"]:
    print(f"{'tau, ' + size + ' cells':28}{tau['cpu'][size]:12.4f}{tau['device'][size]:12.4f}")
for name in ("train_seconds", "score_seconds", "coverage_seconds", "search_seconds"):
    print(f"{name.replace('_', ' '):28}{result[name]['cpu']:12.2f}{result[name]['device']:12.2f}")
for name, bound in bounds.items():
    value = "not run" if result[name] is None else f"{result[name]:.2e}"
    print(f"{name.replace('_', ' '):28}{value:>12}{'at most ' + str(bound):>16}")
print(f"{'peak device memory':28}" + (f"{max(used):>9} MB" if used else f"{'not run':>12}"))
if products["error"] is None:
    print(f"{'error of products':28}{'not computed':>12}: {products['reason']}")
else:
    print(f"{'error of products':28}{products['error']:>12.1e}{products['tf32_error']:>12.1e} with factors of ten bits")
print("failed: " + ", ".join(result["failed"]) if result["failed"] else f"both agree; {output}")
sys.exit(bool(result["failed"]))
P
