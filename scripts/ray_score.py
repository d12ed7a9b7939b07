"""Scores a search space by ranges of ids on Ray: an exported program (`carl export`), any number of machines.

  python ray_score.py MODEL.pt SPACE FOLDER [--start 0 --stop N --part 1000000 --workers 2 --top 100]

Every worker loads the program once, decodes ids itself and writes a range of them as one Parquet file (id, score, std),
under a temporary name until it is whole. At the end FOLDER/top.csv has the best (id, arch, score, std) and
FOLDER/histogram.csv the number of scores in each bin. Run again after any break: finished ranges are not scored again. On a
cluster (`--address auto` on its head) FOLDER is on a file system that all machines share; `--gpus 1` gives every worker a GPU.
Spaces: nasbench201, transnas101-micro, nasbench-macro, nasbench-graph, darts. DARTS has 1.1 x 10^18 ids: `--spread` takes
ids from all over the space instead of the first ones, each once. The program is of a checkpoint that reads what cells compute
(`graph.form: function`). Needs torch and ray[data].
"""
import argparse
import csv
import hashlib
import json
import math
import os
import pathlib

import numpy as np
import pyarrow
import pyarrow.parquet

import carl_ids

# Scores are standardised: below the first edge and above the last one there is nearly nothing.
EDGES = np.linspace(-10, 10, 401)


def spread(numbers, space):
    """Ids from all over the space, a different one for each number."""
    total = carl_ids.size(space)
    stride = round(total * (math.sqrt(5) - 1) / 2)
    while math.gcd(stride, total) > 1:
        stride += 1
    return np.array([number * stride % total for number in numbers], np.int64)


def part_path(folder, start, stop):
    return pathlib.Path(folder) / f"part-{start:020}-{stop:020}.parquet"


def summary(table, top):
    """What is kept of a part in memory: its best rows, and how many scores lie in each bin."""
    ids, scores, spreads = (table[name].to_numpy() for name in ("id", "score", "std"))
    bins = np.bincount(np.searchsorted(EDGES, scores, side="right"), minlength=len(EDGES) + 1)
    best = np.lexsort((ids, -scores))[:top]
    return {"rows": len(ids), "bins": bins, "ids": ids[best], "scores": scores[best], "stds": spreads[best]}


class Scorer:
    """A worker: the program and what it is asked for."""

    def __init__(self, job):
        import torch

        torch.set_num_threads(1)
        self.torch, self.job = torch, job
        self.device = "cuda" if job["gpus"] else "cpu"
        self.program = torch.jit.load(job["model"], map_location=self.device).eval()

    def score(self, ids):
        """Mean and standard deviation over members, [B] each."""
        torch = self.torch
        with torch.inference_mode():
            inputs = [torch.from_numpy(part) for part in carl_ids.tensors(ids, self.job["space"])]
            if self.device == "cuda":
                inputs = [part.pin_memory().to(self.device, non_blocking=True) for part in inputs]
            score, std, _, _ = self.program(*inputs)
            return torch.stack([score, std]).cpu().numpy()

    def part(self, start, stop):
        path = part_path(self.job["folder"], start, stop)
        if not path.exists():
            numbers = range(start, stop)
            ids = spread(numbers, self.job["space"]) if self.job["spread"] else np.array(numbers, np.int64)
            found = [self.score(ids[k : k + self.job["batch"]]) for k in range(0, len(ids), self.job["batch"])]
            score, std = np.concatenate(found, 1)
            table = pyarrow.table({"id": ids, "score": score, "std": std})
            partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
            pyarrow.parquet.write_table(table, partial)
            os.replace(partial, path)
        return summary(pyarrow.parquet.read_table(path), self.job["top"])

    def __call__(self, batch):
        parts = [self.part(int(start), int(stop)) for start, stop in zip(batch["start"], batch["stop"])]
        return {name: [part[name] for part in parts] for name in parts[0]}


def claim(folder, job):
    """Makes the folder, or checks that it belongs to the same job."""
    folder.mkdir(parents=True, exist_ok=True)
    identity = {key: job[key] for key in ("space", "start", "stop", "part", "spread", "batch")}
    identity["model"] = hashlib.sha256(pathlib.Path(job["model"]).read_bytes()).hexdigest()
    path = folder / "job.json"
    if path.exists() and json.loads(path.read_text()) != identity:
        raise SystemExit(f"ray_score: {folder} holds another job: {path.read_text()}; take another folder")
    partial = folder / f".job.{os.getpid()}.partial"
    partial.write_text(json.dumps(identity))
    os.replace(partial, path)


def write_csv(path, header, rows):
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with open(partial, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    os.replace(partial, path)


def run(job):
    """Scores all ranges that are not there; returns the number of rows."""
    import ray

    ray.data.DataContext.get_current().enable_progress_bars = False
    ranges = range(job["start"], job["stop"], job["part"])
    items = [{"start": start, "stop": min(start + job["part"], job["stop"])} for start in ranges]
    dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        Scorer,
        fn_constructor_args=[job],
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=job["workers"]),
        num_cpus=1,
        num_gpus=job["gpus"] or None,
    )
    bins, rows, best = np.zeros(len(EDGES) + 1, np.int64), 0, []
    for part in dataset.iter_rows():
        rows += int(part["rows"])
        bins += part["bins"]
        # By falling score, then by id: the order does not depend on which part came first.
        best += [(-score, number, std) for number, score, std in zip(part["ids"], part["scores"], part["stds"])]
        best = sorted(best)[: job["top"]]
    folder = pathlib.Path(job["folder"])
    for left in folder.glob(".part-*.partial"):
        left.unlink()  # of workers that died while they wrote
    lines = [(int(i), carl_ids.decode(int(i), job["space"]), float(-s), float(d)) for s, i, d in best]
    write_csv(folder / "top.csv", ["id", "arch", "score", "std"], lines)
    lower = ["", *EDGES.round(6).tolist()]
    upper = [*EDGES.round(6).tolist(), ""]
    write_csv(folder / "histogram.csv", ["from", "to", "scores"], zip(lower, upper, bins.tolist()))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("space", choices=sorted(carl_ids.BASES))
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--stop", type=int, help="default: the end of the space")
    parser.add_argument("--part", type=int, default=1_000_000, help="ids a file")
    parser.add_argument("--batch", type=int, help="ids a pass; default: 256, on GPUs 8192")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--gpus", type=float, default=0, help="GPUs a worker, may be a fraction")
    parser.add_argument("--top", type=int, default=100)
    parser.add_argument("--spread", action="store_true", help="ids from all over the space")
    parser.add_argument("--address", default="local", help="auto: the cluster of this machine")
    job = vars(parser.parse_args())
    total = carl_ids.size(job["space"])
    job["stop"] = total if job["stop"] is None else job["stop"]
    job["batch"] = (8192 if job["gpus"] else 256) if job["batch"] is None else job["batch"]
    if not 0 <= job["start"] < job["stop"] <= total or min(job["part"], job["batch"], job["workers"]) < 1:
        parser.error(f"ids go from 0 to {total}, part, batch and workers from 1")
    folder, address = job["folder"].absolute(), job.pop("address")
    job.update(folder=str(folder), model=str(pathlib.Path(job["model"]).absolute()))
    import ray
    import torch

    claim(folder, job)

    if address == "local":
        ray.init(address="local", num_cpus=job["workers"], include_dashboard=False, log_to_driver=False)
    else:
        # The folder of this program goes to every machine.
        ray.init(address=address, runtime_env={"working_dir": str(pathlib.Path(__file__).parent)}, log_to_driver=False)
    rows = run(job)
    print(f"{rows} architectures, {folder}/top.csv")


if __name__ == "__main__":
    main()
