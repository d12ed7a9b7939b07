"""Searches and scores on Ray.

`CarlSearcher` is a search algorithm of Ray Tune. The program in this file scores a whole space by ranges of ids:

  python -m carl_nas.ray CHECKPOINT FOLDER [--start 0 --stop N --part 1000000 --workers 2 --top 100]

Every worker loads the checkpoint once, and writes the scores of a range as one Parquet file (id, score, std), under a temporary
name until it is whole. At the end FOLDER/top.csv has the best (id, arch, score, std) and FOLDER/histogram.csv the number of scores
in each bin. Run again after any break: finished ranges are not scored again. On a cluster (`--address auto` on its head) CHECKPOINT
and FOLDER are on a file system that all machines share, and all have this package; `--gpus 1` gives every worker a GPU. DARTS has
1.1 x 10^18 ids: `--spread` takes ids from all over the space instead of the first ones, each once.
"""
from __future__ import annotations

import argparse
import csv
import hashlib
import itertools
import json
import math
import os
import pathlib
import pickle
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import ray
from ray.tune.search import Searcher

from . import Predictor, Search, Space
from ._results import Cell, StrPath, keep, kept, kept_in, remember, whole

__all__ = ["CarlSearcher", "remember"]

# Scores are standardised: below the first edge and above the last one there is nearly nothing.
EDGES = np.linspace(-10, 10, 401)
LOADED: list[Predictor] = []  # that of a worker


class CarlSearcher(Searcher):  # type: ignore[misc]
    """Ray Tune's view of a search: every trial gets a configuration with the key `arch` (and `fidelity`, if the search has any),
    and returns or reports a metric for each objective by its name. Trials without one, or with NaN, have failed.

        searcher = CarlSearcher(search, folder="/shared/results")
        tune.Tuner(remember(train, "/shared/results"), tune_config=tune.TuneConfig(search_alg=searcher, num_samples=60))

    Ray writes the state of an experiment every ten seconds or more, and a restored one does not know what ended since. `folder`, of
    this experiment alone, keeps every result: none is lost, and what `remember` wraps trains none again.
    """

    def __init__(self, search: Search, folder: StrPath | None = None) -> None:
        first = search.objectives[0]
        super().__init__(metric=first.removeprefix("-"), mode="min" if first.startswith("-") else "max")
        self.search = search
        self.folder = None if folder is None else pathlib.Path(folder).absolute()
        self.trials: dict[str, Cell] = {}
        self.unknown: list[Cell] = []  # cells whose results were kept, but not the trials

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The configuration of a new trial; None while others have to end first."""
        cells = self.unknown or self.search.ask(1)
        if not cells:
            return None if self.trials else str(Searcher.FINISHED)
        self.trials[trial_id] = cell = cells.pop(0)
        return cell.config

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tells the search what the trial has reported last."""
        cell = self.trials.pop(trial_id, None)
        if cell is None:
            return
        names = [name.removeprefix("-") for name in self.search.objectives][: 1 if cell.fidelity else None]
        values = [float((result or {}).get(name, math.nan)) for name in names]
        if error or not all(map(math.isfinite, values)):
            self.search.tell_failed(cell, "the trial failed" if error else f"no finite value of {', '.join(names)}")
        else:
            self.search.tell(cell, values)
            if self.folder and not kept(self.folder, cell):
                keep(self.folder, cell, dict(zip(names, values)))

    def save(self, checkpoint_path: str) -> None:
        """Writes the search and its trials under way."""
        with whole(pathlib.Path(checkpoint_path)) as partial:
            partial.write_bytes(pickle.dumps((self.search, self.trials, self.unknown)))

    def restore(self, checkpoint_path: str) -> None:
        """Goes on from what was saved, and from what `folder` has beside that."""
        self.search, self.trials, self.unknown = pickle.loads(pathlib.Path(checkpoint_path).read_bytes())
        known = [cell.config for cell in [*self.search.pending(), *(cell for cell, _ in self.search.history())]]
        for cell in kept_in(self.folder) if self.folder else ():
            if cell.config not in known:
                self.unknown.append(cell)
                self.search.tell_pending(cell)


def spread(numbers: range, total: int) -> list[int]:
    """Ids from all over a space of `total` cells, a different one for each number."""
    stride = next(step for step in itertools.count(round(total * (math.sqrt(5) - 1) / 2)) if math.gcd(step, total) == 1)
    return [number * stride % total for number in numbers]


def part(job: dict[str, Any], start: int) -> dict[str, Any]:
    """What is kept of a range in memory: its best rows, and how many scores lie in each bin. Scores it unless its file is there."""
    stop = min(start + job["part"], job["stop"])
    path = pathlib.Path(job["folder"]) / f"part-{start:020}-{stop:020}.parquet"
    if not path.exists():
        if not LOADED:
            os.environ["RAYON_NUM_THREADS"] = "1"  # workers share the cores out
            LOADED.append(Predictor.load(job["checkpoint"], device="cuda" if job["gpus"] else "cpu", threads=1))
        numbers, batch = range(start, stop), job["batch"]
        ids = spread(numbers, job["size"]) if job["spread"] else list(numbers)
        score, std = np.concatenate([LOADED[0].predict(ids[k : k + batch], return_std=True) for k in range(0, len(ids), batch)], 1)
        with whole(path) as partial:
            pyarrow.parquet.write_table(pyarrow.table({"id": ids, "score": score, "std": std}), partial)
    id, score, std = (column.to_numpy() for column in pyarrow.parquet.read_table(path).columns)
    bins = np.bincount(np.searchsorted(EDGES, score, side="right"), minlength=len(EDGES) + 1)
    # By falling score, then by id: the order does not depend on which part came first.
    best = np.lexsort((id, -score))[: job["top"]]
    return {"bins": bins, "best": [(-score[row], int(id[row]), std[row]) for row in best]}


def claim(folder: pathlib.Path, job: dict[str, Any]) -> None:
    """Makes the folder, or checks that it belongs to the same job."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = hashlib.sha256((pathlib.Path(job["checkpoint"]) / "model.safetensors").read_bytes()).hexdigest()
    identity = {**{key: job[key] for key in ("start", "stop", "part", "spread")}, "weights": weights}
    path = folder / "job.json"
    if path.exists() and json.loads(path.read_text()) != identity:
        raise SystemExit(f"carl_nas.ray: {folder} holds another job: {path.read_text()}; take another folder")
    with whole(path) as partial:
        partial.write_text(json.dumps(identity))


def run(folder: pathlib.Path, job: dict[str, Any], space: Space) -> int:
    """Scores all ranges that are not there; returns the number of rows."""
    # A task whose worker died is given to another one.
    task = ray.remote(num_cpus=1, num_gpus=job["gpus"], max_retries=-1)(part)
    starts = iter(range(job["start"], job["stop"], job["part"]))
    running = [task.remote(job, start) for start in itertools.islice(starts, job["workers"])]
    bins, best = np.zeros(len(EDGES) + 1, np.int64), list[tuple[float, int, float]]()
    while running:
        [ended], running = ray.wait(running)
        running += [task.remote(job, start) for start in itertools.islice(starts, 1)]
        found = ray.get(ended)
        bins += found["bins"]
        best = sorted(best + found["best"])[: job["top"]]
    for left in folder.glob(".part-*.partial"):
        left.unlink()  # of workers that died while they wrote
    cells, edges = space.decode([number for _, number, _ in best]), EDGES.round(6).tolist()
    top = [(number, cell, float(-score), float(std)) for cell, (score, number, std) in zip(cells, best)]
    histogram = zip(["", *edges], [*edges, ""], bins.tolist())
    for name, header, lines in [("top", "id arch score std", top), ("histogram", "from to scores", histogram)]:
        with whole(folder / f"{name}.csv") as partial, open(partial, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header.split(), *lines])
    return int(bins.sum())


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--stop", type=int, help="default: the end of the space")
    parser.add_argument("--part", type=int, default=1_000_000, help="ids a file")
    parser.add_argument("--batch", type=int, default=65_536, help="ids a pass")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--gpus", type=float, default=0, help="GPUs a worker, may be a fraction")
    parser.add_argument("--top", type=int, default=100)
    parser.add_argument("--spread", action="store_true", help="ids from all over the space")
    parser.add_argument("--address", default="local", help="auto: the cluster of this machine")
    job = vars(parser.parse_args())
    space = Space(Predictor.load(job["checkpoint"], device="cpu").card["schema"]["space"])
    if space.size is None:
        parser.error("the cells of this space have no ids")
    job["size"], job["stop"] = space.size, space.size if job["stop"] is None else job["stop"]
    if not 0 <= job["start"] < job["stop"] <= space.size or min(job["part"], job["batch"], job["workers"]) < 1:
        parser.error(f"ids go from 0 to {space.size}, part, batch and workers from 1")
    folder, address = job["folder"].absolute(), job.pop("address")
    job.update(folder=str(folder), checkpoint=str(job["checkpoint"].absolute()))
    claim(folder, job)
    local = {"num_cpus": job["workers"], "include_dashboard": False} if address == "local" else {}
    ray.init(address=address, log_to_driver=False, **local)
    print(f"{run(folder, job, space)} architectures, {folder}/top.csv")


if __name__ == "__main__":
    main()
