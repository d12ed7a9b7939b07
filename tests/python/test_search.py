"""Search by ask and tell, the tutorial, and the types of the package."""
import json
import math
import pickle

import numpy as np
import optuna
from common import Case, carl, go_on, measure, python
from optuna.distributions import IntDistribution

import carl_nas
from carl_nas.optuna import CarlSampler

CELLS = carl_nas.Space("nasbench201").sample(400, seed=7)


class Asking(Case):
    def test_the_same_queries_as_the_program_which_goes_on_with_the_log(self):
        search = carl_nas.Search("nasbench201", maximize="accuracy", seed=4)
        asked = [cell for cell, _ in go_on(search, 20)]
        search.save(self.folder / "python.jsonl")
        (self.folder / "c.yaml").write_text(search.config)
        oracle = "sed 's/|/\\n/g' | awk '{ v += 5 * /3x3/ + 2 * /1x1/ - 4 * /none/ } END { print 60 + v }'"
        arguments = [self.folder / "c.yaml", "--oracle", oracle, "--json", "--device", "cpu"]
        carl("search", *arguments, "--budget", 20, "--log", self.folder / "program.jsonl")
        lines = [json.loads(line) for line in (self.folder / "program.jsonl").read_text().splitlines()[1:]]
        self.assertEqual([line["arch"] for line in lines if "asked" in line], asked)
        # The program goes on with what Python has begun, and Python with the program's log.
        result = json.loads(carl("search", *arguments, "--budget", 25, "--resume", self.folder / "python.jsonl"))
        self.assertEqual(result["runs"][0]["queries"], 25)
        back = carl_nas.Search.load(self.folder / "python.jsonl")
        self.assertEqual(back.history()[:20], search.history())
        self.assertEqual(back.history()[20:], go_on(search, 5))

    def test_finds_the_best_of_a_list(self):
        search = carl_nas.Search("nasbench201", minimize="error", seed=1, candidates=CELLS)
        go_on(search, 40, lambda cell: -measure(cell))
        self.assertEqual(search.best()[1], -max(map(measure, CELLS)))
        rest = search.ask(1000)
        self.assertGreater(len(rest), 200)
        self.assertEqual(len({*rest} - {cell for cell, _ in search.history()}), len(rest))

    def test_saved_and_pickled_searches_go_on_alike(self):
        path = self.folder / "run.jsonl"
        search = carl_nas.Search("darts", maximize="accuracy", seed=2)
        go_on(search, 12)
        failed, open_ = search.ask(2)
        search.tell_failed(failed, "out of memory")
        search.save(path)
        others = [carl_nas.Search.load(path), pickle.loads(pickle.dumps(search))]
        expected = search.ask(2)
        for other in others:
            self.assertEqual(other.history(), search.history())
            self.assertEqual(other.pending()[:1], [open_])
            self.assertEqual(other.ask(2), expected)
        wrong = carl_nas.Space("darts").sample(20)
        self.assertRaisesRegex(carl_nas.InputError, "cells of the log", carl_nas.Search.load, path, candidates=wrong)

    def test_known_and_pending_cells_are_not_asked_for(self):
        known = {cell: measure(cell) for cell in CELLS[:50]}
        search = carl_nas.Search("nasbench201", maximize="a", known=known, pending=CELLS[50:52], candidates=CELLS)
        self.assertEqual((len(search.history()), search.pending()), (50, CELLS[50:52]))
        asked = search.ask(20)
        self.assertFalse({*known, *CELLS[50:52]} & {*asked})
        # Fifty known cells are enough to begin with good ones.
        self.assertGreater(np.mean([measure(cell) for cell in asked]), np.mean([*known.values()]) + 5)
        ranking = search.ask(5, "ranking")
        self.assertEqual(len({*ranking} - {*known}), 5)
        search.tell_pending(rest := next(cell for cell in CELLS if cell not in {*known, *search.pending()}))
        self.assertEqual(pickle.loads(pickle.dumps(search)).pending(), [*CELLS[50:52], *asked, *ranking, rest])

    def test_several_objectives_and_bounds(self):
        size = [float(cell.count("conv")) for cell in CELLS]
        search = carl_nas.Search(
            "nasbench201", maximize="accuracy", minimize="latency", candidates=CELLS, columns={"size": size},
            at_most={"size": 4}, at_least={"size": 1}, options={"search.initial": 6},
        )
        for _ in range(15):
            for cell in search.ask(2):
                self.assertTrue(1 <= cell.count("conv") <= 4)
                search.tell(cell, {"accuracy": measure(cell), "latency": float(cell.count("avg"))})
        values = [value for _, value in search.front()]
        self.assertGreater(len(values), 1)
        self.assertFalse(any(a[0] >= b[0] and a[1] <= b[1] for a in values for b in values if a != b))
        self.assertRaisesRegex(carl_nas.InputError, "latency", search.tell, search.ask()[0], {"accuracy": 1.0})
        other = pickle.loads(pickle.dumps(search))
        self.assertEqual(repr(other), "Search('nasbench201', ['accuracy', '-latency'], 30 answers)")
        self.assertEqual(other.ask(3), search.ask(3))

    def test_cheaper_measurements(self):
        search = carl_nas.Search("nasbench201", maximize="accuracy", fidelities={"epoch1": 0.1}, candidates=CELLS)
        kinds = [cell.fidelity for cell, _ in go_on(search, 60, lambda cell: measure(cell) - (20 if cell.fidelity else 0))]
        self.assertEqual(kinds[:10], ["epoch1"] * 10)
        self.assertIn(None, kinds)
        self.assertGreater(search.best()[1], np.quantile([measure(cell) for cell in CELLS], 0.9))

    def test_wrong_answers_are_refused_and_change_nothing(self):
        search = carl_nas.Search("nasbench201", maximize="accuracy")
        self.assertRaisesRegex(carl_nas.InputError, "no cell has a value", search.best)
        [cell] = search.ask()
        for value in (math.nan, math.inf, [1.0, 2.0], []):
            self.assertRaises(ValueError, search.tell, cell, value)
        self.assertRaisesRegex(KeyError, "not being measured", search.tell_failed, CELLS[0])
        self.assertRaisesRegex(carl_nas.InputError, "NAS-Bench-201", search.tell, "no cell", 1.0)
        self.assertEqual((search.history(), search.pending()), ([], [cell]))
        search.tell_failed(cell)
        search.tell(cell, 3.0)  # it was repaired
        self.assertEqual(search.history(), [(cell, [3.0])])
        self.assertRaisesRegex(ValueError, "has a value", search.tell, cell, 3.0)
        for wrong in ({"space": "nasbench202"}, {"options": {"search.initial": 0}}, {"columns": {"a": [1.0]}}, {"device": "tpu"}):
            self.assertRaises(carl_nas.InputError, carl_nas.Search, **{"space": "nasbench201", "maximize": "a", **wrong})
        self.assertRaises(FileNotFoundError, carl_nas.Search.load, "nowhere.jsonl")
        self.assertRaises(TypeError, carl_nas.Search, "nasbench201", maximise="a")


class Sampling(Case):
    def test_optuna_gets_new_networks_that_become_better(self):
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        width = IntDistribution(16, 64, step=16)
        sampler = CarlSampler({"depth": [1, 2, 3, 4], "width": width, "act": ["relu", "silu"], "kernel": [3, 5, 7]}, seed=1)

        def loss(trial):
            depth = trial.suggest_categorical("depth", [1, 2, 3, 4])
            width, act = trial.suggest_int("width", 16, 64, step=16), trial.suggest_categorical("act", ["relu", "silu"])
            kernel, rate = trial.suggest_categorical("kernel", [3, 5, 7]), trial.suggest_float("rate", 0.1, 0.2)
            if trial.number == 3:
                raise optuna.TrialPruned
            return abs(depth - 3) + abs(width - 48) / 16 + (act == "relu") + (kernel == 7) + rate / 100

        study = optuna.create_study(direction="minimize", sampler=sampler)
        study.optimize(loss, n_trials=40, n_jobs=2)
        networks = [tuple(value for name, value in trial.params.items() if name != "rate") for trial in study.trials]
        self.assertEqual(len(set(networks)), 40)
        self.assertLess(study.best_value, 0.01)
        values = [trial.value for trial in study.trials if trial.value is not None]
        self.assertLess(np.mean(values[-20:-10]), np.mean(values[:10]))
        rate = {"rate": optuna.distributions.FloatDistribution(0, 1)}
        self.assertRaisesRegex(carl_nas.InputError, "list of choices", CarlSampler, rate)


class Tutorial(Case):
    def test_it_runs_and_finds_the_best_cell(self):
        found = python("scripts/tutorial.py", self.folder)
        self.assertIn("76 trained, the best one has 88.0: |nor_conv_3x3~0|", found)
        self.assertEqual({path.name for path in self.folder.iterdir()}, {"best.svg", "checkpoint", "model.pt", "run.jsonl"})

    def test_types(self):
        python("-m", "mypy")
