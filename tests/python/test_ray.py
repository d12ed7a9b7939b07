"""A whole space on a local Ray with two workers, one of which is killed on the way; and a search by Ray Tune, whose driver is."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet
import ray
from common import REFERENCE, Case, carl, measure, python, rows
from ray import tune

import carl_nas
from carl_nas.ray import CarlSearcher, remember

# Ray's workers are polite by default, and would wait for whatever else the machine does.
os.environ |= {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AIR_NEW_OUTPUT": "0"}
PYTHONPATH = os.pathsep.join([str(pathlib.Path(__file__).parent), *sys.path])


class Scoring(Case):
    def test_every_id_once_with_the_scores_of_predict_though_a_worker_dies(self):
        folder, whole = self.folder / "killed", self.folder / "whole"
        folder.mkdir()
        (folder / ".part-00000000000000000000-00000000000000000200.parquet.old.partial").write_bytes(b"a worker died here")
        command = lambda folder: ["-m", "carl_nas.ray", str(REFERENCE), str(folder), "--part", "200", "--top", "20"]
        process = subprocess.Popen([sys.executable, *command(folder)], stdout=subprocess.PIPE, text=True)
        while len(list(folder.glob("part-*.parquet"))) < 5 and process.poll() is None:
            time.sleep(0.02)
        killed = []
        while not killed and process.poll() is None:
            # A file that is being written has the worker's number in its name.
            killed = [int(path.name.split(".")[-2]) for path in folder.glob(".part-*.parquet.[0-9]*.partial")]
        self.assertTrue(killed, "no worker was there to kill")
        os.kill(killed[0], signal.SIGKILL)
        output, _ = process.communicate(timeout=300)
        self.assertEqual((process.returncode, "15625 architectures" in output), (0, True), output)
        carl("predict", REFERENCE, "--all", "--output", self.folder / "all.csv")
        known = rows(self.folder / "all.csv")
        table = pyarrow.parquet.read_table(sorted(folder.glob("part-*.parquet"))).to_pydict()
        self.assertEqual(table["id"], list(range(15625)))
        for column in ("score", "std"):
            self.assertEqual(table[column], [float(row[column]) for row in known])
        best = np.lexsort((table["id"], -np.array(table["score"])))[:20]
        self.assertEqual([(row["id"], row["arch"]) for row in rows(folder / "top.csv")], [(str(k), known[k]["arch"]) for k in best])
        self.assertEqual(sum(int(row["scores"]) for row in rows(folder / "histogram.csv")), 15625)

        # The same again from nothing, without a death: the same files.
        python(*command(whole))
        contents = lambda folder: {path.name: path.read_bytes() for path in folder.iterdir()}
        self.assertEqual(contents(whole), contents(folder))

        # Again after two parts were lost: only these are made.
        parts = sorted(whole.glob("part-*.parquet"))
        stamps = {path: path.stat().st_mtime_ns for path in parts}
        [path.unlink() for path in parts[3:5]]
        python(*command(whole))
        for path in parts:
            self.assertEqual(stamps[path] == path.stat().st_mtime_ns, path not in parts[3:5])
        self.assertEqual(contents(whole), contents(folder))
        self.assertIn("holds another job", python(*command(whole), "--stop", "1000", code=1))


def experiment(folder, again=False):
    """Begins it, or goes on with it."""
    def train(config):  # Ray's workers get it as it is, and need not load what this file does
        if config["arch"].startswith("|none~0|"):
            raise RuntimeError("no gradient")
        with open(folder / "trained.txt", "a") as file:
            print(config["arch"], file=file)
        return {"accuracy": measure(config["arch"])}

    path = {"env_vars": {"PYTHONPATH": PYTHONPATH}}
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=path)
    trial = remember(train, folder / "results")
    if again:
        return tune.Tuner.restore(str(folder / "cells"), trial).fit()
    searcher = CarlSearcher(carl_nas.Search("nasbench201", maximize="accuracy", seed=3), folder / "results")
    settings = tune.TuneConfig(search_alg=searcher, num_samples=20, max_concurrent_trials=4, reuse_actors=True)
    run = tune.RunConfig(storage_path=str(folder), name="cells", verbose=0)
    return tune.Tuner(trial, tune_config=settings, run_config=run).fit()


class Tuning(Case):
    def test_trials_are_cells_and_a_restored_experiment_loses_and_repeats_none(self):
        # Ray writes the state of the experiment at its start, and not again before the driver is killed.
        code = f"import pathlib, test_ray; test_ray.experiment(pathlib.Path({str(self.folder)!r}))"
        environment = os.environ | {"PYTHONPATH": PYTHONPATH, "TUNE_GLOBAL_CHECKPOINT_S": "1000"}
        driver = subprocess.Popen([sys.executable, "-c", code], env=environment)
        while len(list(self.folder.glob("results/*.json"))) < 8:
            self.assertIsNone(driver.poll(), "the driver has ended")
            time.sleep(0.02)
        driver.kill()
        driver.wait()
        results = experiment(self.folder, again=True)
        ray.shutdown()
        cells = [result.config["arch"] for result in results]
        self.assertEqual((len(cells), len(set(cells))), (20, 20))
        trained = (self.folder / "trained.txt").read_text().splitlines()
        self.assertEqual(sorted(trained), sorted(result.config["arch"] for result in results if not result.error))
        self.assertGreater(results.num_errors, 0)
        again = CarlSearcher(carl_nas.Search("nasbench201", maximize="accuracy"), self.folder / "told")
        again.restore_from_dir(str(self.folder / "cells"))
        known = {result.config["arch"]: None if result.error else [result.metrics["accuracy"]] for result in results}
        self.assertEqual((dict(again.search.history()), again.trials), (known, {}))
        self.assertGreater(again.search.best()[1], 80)
        self.assertNotIn(again.suggest("next")["arch"], cells)
        again.on_trial_complete("next", {"accuracy": float("nan")})
        self.assertIsNone(again.search.history()[-1][1])
        # What a training reports without returning it is kept once the searcher has heard it.
        config = again.suggest("told")
        again.on_trial_complete("told", {"accuracy": 70.0})
        self.assertEqual(remember(self.fail, self.folder / "told")(config), {"accuracy": 70.0})
