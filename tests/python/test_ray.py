"""A whole space on a local Ray with two workers, one of which is killed on the way; and searches by Ray Tune."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet
import ray
from common import REFERENCE, Case, carl, measure, rows
from ray import tune

import carl_nas
from carl_nas.ray import CarlSearcher

# Ray's workers are polite by default, and would wait for whatever else the machine does.
os.environ |= {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AIR_NEW_OUTPUT": "0"}


def workers(root):
    """Processes of Ray's actors below process `root`."""
    found = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    table = [line.split(None, 2) for line in found.splitlines()]
    parents = {pid: parent for pid, parent, _ in table}

    def below(pid):
        return pid == str(root) or (pid in parents and below(parents[pid]))

    return [int(pid) for pid, _, name in table if name.startswith("ray::") and "Map" in name and below(pid)]


class Scoring(Case):
    def start(self, folder, *arguments):
        command = [sys.executable, "-m", "carl_nas.ray", REFERENCE, folder, "--part", 200, "--top", 20, *arguments]
        return subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finish(self, process):
        output, _ = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0, output)
        return output

    def test_every_id_once_with_the_scores_of_predict_though_a_worker_dies(self):
        folder, whole = self.folder / "killed", self.folder / "whole"
        folder.mkdir()
        left = folder / ".part-00000000000000000000-00000000000000000200.parquet.1.partial"
        left.write_bytes(b"a worker died here")
        process = self.start(folder)
        killed = None
        while killed is None and process.poll() is None:
            time.sleep(0.02)
            if len(list(folder.glob("part-*.parquet"))) >= 5 and (found := workers(process.pid)):
                killed = found[0]
                os.kill(killed, signal.SIGKILL)
        self.assertIsNotNone(killed, "no worker was there to kill")
        self.assertIn("15625 architectures", self.finish(process))
        carl("predict", REFERENCE, "--all", "--output", self.folder / "all.csv")
        known = rows(self.folder / "all.csv")
        table = pyarrow.parquet.read_table(sorted(folder.glob("part-*.parquet"))).to_pydict()
        self.assertEqual(table["id"], list(range(15625)))
        for column in ("score", "std"):
            self.assertEqual(table[column], [float(row[column]) for row in known])
        best = rows(folder / "top.csv")
        order = np.lexsort((table["id"], -np.array(table["score"])))[:20]
        self.assertEqual([int(row["id"]) for row in best], order.tolist())
        self.assertEqual([known[int(row["id"])]["arch"] for row in best], [row["arch"] for row in best])
        self.assertEqual(sum(int(row["scores"]) for row in rows(folder / "histogram.csv")), 15625)

        # The same again from nothing, without a death: the same files.
        self.finish(self.start(whole))
        names = sorted(path.name for path in whole.iterdir())
        self.assertEqual(names, sorted(path.name for path in folder.iterdir()))
        for name in names:
            self.assertEqual((whole / name).read_bytes(), (folder / name).read_bytes(), name)

        # Again after two parts were lost: only these are made.
        parts = sorted(whole.glob("part-*.parquet"))
        stamps = {path: path.stat().st_mtime_ns for path in parts}
        [path.unlink() for path in parts[3:5]]
        self.finish(self.start(whole))
        for path in parts:
            self.assertEqual(stamps[path] == path.stat().st_mtime_ns, path not in parts[3:5])
        self.assertEqual((whole / "top.csv").read_bytes(), (folder / "top.csv").read_bytes())
        other = self.start(whole, "--stop", "1000")
        output, _ = other.communicate(timeout=300)
        self.assertNotEqual(other.returncode, 0)
        self.assertIn("holds another job", output)


def train(config):
    if config["arch"].startswith("|none~0|"):
        raise RuntimeError("no gradient")
    tune.report({"accuracy": measure(config["arch"])})


class Tuning(Case):
    def test_trials_are_cells_and_a_restored_experiment_repeats_none(self):
        path = {"env_vars": {"PYTHONPATH": str(pathlib.Path(__file__).parent)}}
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=path)
        try:
            searcher = CarlSearcher(carl_nas.Search("nasbench201", maximize="accuracy", seed=3))
            settings = tune.TuneConfig(search_alg=searcher, num_samples=20, max_concurrent_trials=4)
            run = tune.RunConfig(storage_path=str(self.folder), name="cells", verbose=0)
            results = tune.Tuner(train, tune_config=settings, run_config=run).fit()
        finally:
            ray.shutdown()
        again = CarlSearcher(carl_nas.Search("nasbench201", maximize="accuracy"))
        again.restore_from_dir(str(self.folder / "cells"))
        cells = [result.config["arch"] for result in results]
        self.assertEqual(len(set(cells)), 20)
        history = dict(again.search.history())
        self.assertEqual(set(history), set(cells))
        self.assertEqual(again.trials, {})
        for result in results:
            value = None if result.error else [result.metrics["accuracy"]]
            self.assertEqual(history[result.config["arch"]], value)
        self.assertGreater(results.num_errors, 0)
        self.assertGreater(again.search.best()[1], 80)
        self.assertNotIn(again.suggest("next")["arch"], cells)
        again.on_trial_complete("next", {"accuracy": float("nan")})
        self.assertIsNone(again.search.history()[-1][1])
