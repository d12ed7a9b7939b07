"""The Python package at work, beside what does the same: figures for configs/RESULTS.md.

  python scripts/reference/package_at_work.py memory      resident memory over 1,000 fits
  python scripts/reference/package_at_work.py threads     fits of two threads at once and one after the other
  python scripts/reference/package_at_work.py tune        Ray Tune on two nodes, 8 trials at once, and the search one by one
  python scripts/reference/package_at_work.py restore     Ray Tune whose driver is killed and restored, or a trial's process
     --forget                                                    without `remember`
  python scripts/reference/package_at_work.py optuna      CarlSampler, TPE and random on choices of NAS-Bench-MR
  python scripts/reference/package_at_work.py darts       ids of DARTS on Ray, a worker of which is killed, and the program
     --checkpoint CHECKPOINT --ids 10000000 --part 1000000

--seeds takes more or fewer runs, --data the folder of the tables. Needs the package carl_nas with ray, optuna and scikit-learn.
"""
import argparse
import csv
import functools
import os
import pathlib
import random
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
from common import read

import carl_nas

SMALL = {"model.members": 1, "model.hidden": 8, "train.epochs": 3, "loss.distillation": 0, "graph.form": "function"}
NASBENCH_MR = pathlib.Path(__file__).parents[2] / "configs/nasbench-mr.yaml"


def mean(values):
    error = f" ± {statistics.stdev(values) / len(values) ** 0.5:.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{error}"


def cells(count=20):
    found = carl_nas.Space("nasbench201").sample(count, seed=1)
    return found, [60.0 + 5 * cell.count("3x3") - cell.count("none") for cell in found]


def memory(arguments):
    known = cells()
    for count in range(1, 1001):
        carl_nas.Predictor(seed=count, options=SMALL, threads=1).fit(*known).predict(known[0])
        if count in (1, 10, 100, 300, 1000):
            [resident] = re.findall(r"VmRSS:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())
            print(f"{count} fits: {int(resident) / 1024:.1f} MB", flush=True)


def threads(arguments):
    known, found = cells(), {}

    def fit(seed):
        predictor = carl_nas.Predictor(seed=seed, options=SMALL | {"model.members": 3, "model.hidden": 32, "train.epochs": 60})
        found.setdefault(seed, []).append(predictor.fit(*known).predict(range(1000)))

    for seed in range(2 * arguments.seeds):
        fit(seed)
    for seed in range(0, 2 * arguments.seeds, 2):
        pair = [threading.Thread(target=fit, args=[seed + k]) for k in (0, 1)]
        [thread.start() for thread in pair]
        [thread.join() for thread in pair]
    equal = sum(np.array_equal(alone, together) for alone, together in found.values())
    print(f"{equal} of {len(found)} fits beside another one have the scores of the fit alone, to the bit")


def look_up(config, table, log):
    """A training: its accuracy is known, and the time that it takes differs."""
    note(log, "began", config)
    time.sleep(random.Random(config["arch"]).uniform(0.1, 1.0))
    note(log, "ended", config)
    return {"accuracy": table[config["arch"]]}


def note(log, what, config):
    with open(log, "a") as file:
        file.write(f"{what},{config['arch']},{os.getpid()}\n")


def labels(arguments):
    return {row["arch"]: float(row["c10_val"]) for row in read(arguments.data / "nasbench201.csv.gz")}


def trainable(table, folder, forget=False):
    import ray
    from ray import tune

    from carl_nas.ray import remember

    function = functools.partial(call, reference=ray.put(table), log=folder / "trained.csv")
    return tune.with_resources(function if forget else remember(function, folder / "results"), {"cpu": 1})


def call(config, reference, log):
    import ray

    return look_up(config, ray.get(reference), log)


def tuner(folder, table, seed, failures=0, samples=60, forget=False):
    from ray import tune

    from carl_nas.ray import CarlSearcher

    search = carl_nas.Search("nasbench201", maximize="accuracy", seed=seed)
    searcher = CarlSearcher(search, folder=None if forget else folder / "results")
    return tune.Tuner(
        trainable(table, folder, forget),
        tune_config=tune.TuneConfig(search_alg=searcher, num_samples=samples, max_concurrent_trials=8, reuse_actors=True),
        run_config=tune.RunConfig(
            storage_path=str(folder), name="cells", verbose=0, failure_config=tune.FailureConfig(max_failures=failures)
        ),
    )


def cluster():
    """A local Ray of two nodes, with room for eight trials."""
    import ray
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 4, "include_dashboard": False})
    found.add_node(num_cpus=4)
    ray.init(address=found.address, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}})
    return found


def ask_and_tell(table, seed):
    search = carl_nas.Search("nasbench201", maximize="accuracy", seed=seed)
    for _ in range(60):
        [cell] = search.ask()
        search.tell(cell, table[cell])
    return search.best()[1]


def tune(arguments):
    import ray

    table, nodes = labels(arguments), cluster()
    best, alone, at_once = max(table.values()), [], []
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            results = tuner(pathlib.Path(folder), table, seed).fit()
        found = {result.config["arch"]: result.metrics["accuracy"] for result in results}
        at_once.append(best - max(found.values()))
        alone.append(best - ask_and_tell(table, seed))
        print(f"seed {seed}: {len(found)} cells of {len(results)} trials, {results.num_errors} failed, regret {at_once[-1]:.4f}, "
              f"one by one {alone[-1]:.4f}", flush=True)
    print(f"regret of 60 trials, 8 at once: {mean(at_once)}; one by one: {mean(alone)}")
    ray.shutdown()
    nodes.shutdown()


def drive(folder, arguments, seed, failures=0, again=False):
    """Starts the driver of an experiment as a process of its own."""
    options = {"--folder": folder, "--data": arguments.data, "--seed": seed, "--failures": failures, "--trials": 30}
    command = [sys.executable, __file__, "drive", *(word for option in options.items() for word in option)]
    flags = {"--again": again, "--forget": arguments.forget}
    return subprocess.Popen([*map(str, command), *(name for name, given in flags.items() if given)])


def driver(arguments):
    from ray import tune

    import ray

    table = labels(arguments)
    path = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}}
    ray.init(address="local", num_cpus=8, include_dashboard=False, log_to_driver=False, runtime_env=path)
    if arguments.again:
        function = trainable(table, arguments.folder, arguments.forget)
        made = tune.Tuner.restore(str(arguments.folder / "cells"), function, resume_unfinished=True)
    else:
        made = tuner(arguments.folder, table, arguments.seed, arguments.failures, arguments.trials, arguments.forget)
    results = made.fit()
    right = [result.config["arch"] for result in results if result.metrics.get("accuracy") == table[result.config["arch"]]]
    (arguments.folder / "found.txt").write_text("\n".join(right))
    print(f"{len(results)} trials, {results.num_errors} failed, {len(set(right))} cells with their accuracy", flush=True)


def noted(folder, what):
    """Cells and processes of the trainings that began or ended."""
    path = folder / "trained.csv"
    lines = [line.split(",") for line in path.read_text().splitlines()] if path.exists() else []
    return [(arch, int(process)) for kind, arch, process in lines if kind == what]


def wait(process, folder, count):
    while len(noted(folder, "ended")) < count:
        assert process.poll() is None, "the driver has ended"
        time.sleep(0.05)


def restore(arguments):
    def judge(title):
        began, ended = ([arch for arch, _ in noted(folder, what)] for what in ("began", "ended"))
        lost = set(ended) - set((folder / "found.txt").read_text().split("\n"))
        print(f"seed {seed}, {title}: {len(ended)} trainings ended, {len(ended) - len(set(ended))} of them repeated, "
              f"{len(lost)} cells lost, {len(began) - len(ended)} trainings broken off", flush=True)

    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        for how in (signal.SIGKILL, signal.SIGINT):
            with tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                process = drive(folder, arguments, seed)
                wait(process, folder, 15)
                process.send_signal(how)
                process.wait()
                before = len(noted(folder, "ended"))
                drive(folder, arguments, seed, again=True).wait()
                judge(f"driver got {how.name} after {before}")
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            process = drive(folder, arguments, seed, failures=3)
            wait(process, folder, 10)
            while not (under_way := set(noted(folder, "began")) - set(noted(folder, "ended"))):
                time.sleep(0.01)
            os.kill(under_way.pop()[1], signal.SIGKILL)
            process.wait()
            judge("a trial's process got SIGKILL")


def surrogate(arguments, target):
    """Trees over all rows of NAS-Bench-MR, and the choices."""
    from sklearn.ensemble import GradientBoostingRegressor

    text = NASBENCH_MR.read_text().split("choices:\n", 1)[1].split("\ndata:", 1)[0]
    names = re.findall(r"^  ([\w.]+): ", text, re.M)
    few, width = list(range(1, 5)), list(range(8, 129, 8))
    choices = {name: width if "width" in name else few for name in names}
    known = [row for row in read(arguments.data / "nasbench_mr_choices.csv.gz") if row[target]]
    x = np.array([[float(row[name]) for name in names] for row in known])
    y = np.array([float(row[target]) for row in known])
    trees = GradientBoostingRegressor(n_estimators=400, max_depth=4, learning_rate=0.05, subsample=0.8, random_state=0)
    return trees.fit(x, y), choices


def optuna(arguments):
    import optuna as library

    from carl_nas.optuna import CarlSampler

    library.logging.set_verbosity(library.logging.ERROR)
    for target in arguments.targets.split(","):
        trees, choices = surrogate(arguments, target)
        samplers = {
            "carl": (False, lambda seed: CarlSampler(choices, seed=seed)),
            "TPE": (False, lambda seed: library.samplers.TPESampler(seed=seed)),
            "TPE, numbers": (True, lambda seed: library.samplers.TPESampler(seed=seed, multivariate=True)),
            "random": (False, lambda seed: library.samplers.RandomSampler(seed=seed)),
        }
        found = {name: [] for name in samplers}
        for seed in range(arguments.seed, arguments.seed + arguments.seeds):
            for name, (numbers, make) in samplers.items():
                def value(trial):
                    row = [
                        trial.suggest_int(key, values[0], values[-1], step=values[1] - values[0])
                        if numbers else trial.suggest_categorical(key, values)
                        for key, values in choices.items()
                    ]
                    return float(trees.predict([row])[0])

                study = library.create_study(direction="maximize", sampler=make(seed))
                started = time.perf_counter()
                study.optimize(value, n_trials=arguments.trials)
                found[name].append(study.best_value)
                print(f"{target}, seed {seed}, {name}: {study.best_value:.4f}, {time.perf_counter() - started:.0f} s", flush=True)
        for name, values in found.items():
            print(f"{target}, {name}: best of {arguments.trials} trials {mean(values)} over {len(values)} runs", flush=True)


def spent(root):
    """Processor seconds of the workers below process `root` that score, by process."""
    table = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields, command = (folder / "stat").read_text().rsplit(")", 1)[1].split(), (folder / "cmdline").read_bytes()
            table[int(folder.name)] = (int(fields[1]), command, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
        except OSError:
            continue

    def below(process):
        return process == root or (process in table and below(table[process][0]))

    return {process: used for process, (_, command, used) in table.items() if command.startswith(b"ray::part") and below(process)}


def darts(arguments):
    import pyarrow.parquet

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        words = ["--spread", "--stop", arguments.ids, "--part", arguments.part, "--workers", 2]
        command = [sys.executable, "-m", "carl_nas.ray", arguments.checkpoint, folder / "scores", *words]
        process, started, workers, killed = subprocess.Popen([*map(str, command)]), time.perf_counter(), {}, None
        while process.poll() is None:
            time.sleep(0.2)
            workers |= spent(process.pid)
            if killed is None and len(list(folder.glob("scores/part-*.parquet"))) >= 3:
                killed = min(spent(process.pid))
                os.kill(killed, signal.SIGKILL)
        seconds = time.perf_counter() - started
        table = pyarrow.parquet.read_table(sorted(folder.glob("scores/part-*.parquet")))
        ids, scores = table["id"].to_numpy(), table["score"].to_numpy()
        print(f"{len(ids)} ids, {len(np.unique(ids))} different; exit code {process.returncode}; worker {killed} was killed")
        total = sum(workers.values())
        print(f"{seconds:.0f} s; processor time of all workers {total:.0f} s, {total / len(ids) * 1e6:.0f} microseconds per id, "
              "with their start and what the killed one did in vain", flush=True)
        sample = np.random.default_rng(0).choice(len(ids), min(len(ids), 50_000), replace=False)
        texts = carl_nas.Space("darts").decode(ids[sample])
        used = []
        for count in (1, len(texts)):
            with open(folder / "cells.csv", "w", newline="") as file:
                csv.writer(file).writerows([["arch"], *([text] for text in texts[:count])])
            files = ["--input", folder / "cells.csv", "--output", folder / "out.csv"]
            command = [arguments.carl, "predict", arguments.checkpoint, *files, "--threads", 1]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*map(str, command)], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        with open(folder / "out.csv", newline="") as file:
            expected = np.array([float(row["score"]) for row in csv.DictReader(file)])
        per_cell = (used[1] - used[0]) / (len(texts) - 1) * 1e6
        print(f"{(scores[sample] == expected).sum()} of {len(sample)} scores are those of carl predict, to the bit; "
              f"its processor time {per_cell:.0f} microseconds per cell")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["memory", "threads", "tune", "restore", "optuna", "darts", "drive"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--targets", default="seg_miou")
    parser.add_argument("--data", type=pathlib.Path, default=os.environ.get("CARL_DATA", "data"))
    parser.add_argument("--checkpoint", type=pathlib.Path)
    parser.add_argument("--ids", type=int, default=10_000_000)
    parser.add_argument("--part", type=int, default=1_000_000)
    parser.add_argument("--carl", default="target/release/carl")
    parser.add_argument("--folder", type=pathlib.Path, help="for `drive`, which `restore` starts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--failures", type=int, default=0)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--forget", action="store_true", help="`restore` without `remember`")
    arguments = parser.parse_args()
    if arguments.what == "drive":
        return driver(arguments)
    return globals()[arguments.what](arguments)


if __name__ == "__main__":
    main()
