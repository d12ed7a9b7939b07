"""Predictors, explanations and spaces of the Python package."""
import csv
import pickle
from concurrent.futures import ThreadPoolExecutor

import networkx
import numpy as np
import torch
from common import REFERENCE, ROOT, SMALL, Case, carl, go_on, measure, python, rows
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils import estimator_checks

import carl_nas

# What applies to cells instead of rows of numbers. All other checks of scikit-learn fit to random arrays.
CHECKS = ["estimator_cloneable", "estimator_repr", "estimator_tags_renamed", "get_params_invariance", "no_attributes_set_in_init",
          "parameters_default_constructible", "set_params", "valid_tag_types"]

SPACES = ["nasbench101", "nasbench201", "transnas101-micro", "darts", "nasbench-graph", "nasbench-macro", "nats-size", "nds-nasnet",
          "nasbench-nlp", "dag"]

# A shell that starts a job in the background makes it ignore the signal.
INTERRUPTED = """
import carl_nas, _thread, signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
cells = carl_nas.Space('nasbench201').sample(200)
threading.Timer(2.0, _thread.interrupt_main).start()
try:
    carl_nas.Predictor(options={'train.epochs': 1000000}).fit(cells, range(200))
except KeyboardInterrupt:
    print('stopped')
"""
# It is told what to do instead of hanging.
FORKED = """
import carl_nas, os
space = carl_nas.Space('nasbench201')
space.keys(range(2))
if os.fork() == 0:
    try:
        space.keys(range(2))
    except carl_nas.CarlError as error:
        os._exit(40 + ('spawn' in str(error)))
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def cells(name, count=60, seed=0):
    """Different cells of a space, and made-up labels that differ."""
    if name == "dag":
        texts = list(chains(count))
    elif name == "nasbench-nlp":
        texts = [row["recipe"] for row in rows(ROOT / "tests/fixtures/tables/nasbench_nlp.csv")]
    else:
        texts = carl_nas.Space(name).sample(count, seed=seed)
    texts = list(dict.fromkeys(texts))
    return texts, np.array([float(sum(map(ord, text)) % 97) for text in texts])


def chains(count):
    """Chains of operations with skips over them."""
    random = np.random.default_rng(4)
    for _ in range(count):
        inner = random.choice(["conv", "pool", "norm"], random.integers(1, 5))
        edges = [f"{k}>{k + 1}" for k in range(len(inner) + 1)] + [f"0>{k + 2}" for k in range(len(inner)) if random.random() < 0.3]
        yield f"input {' '.join(inner)} output;{' '.join(edges)}"


def graph(text):
    """A cell of the space dag as networkx has it."""
    operations, edges = text.split(";")
    made = networkx.DiGraph([[f"n{k}" for k in edge.split(">")] for edge in edges.split()])
    networkx.set_node_attributes(made, {f"n{k}": op for k, op in enumerate(operations.split())}, "op")
    return made


class Predictors(Case):
    def test_ten_lines_from_labels_to_a_ranking_a_suggestion_and_an_explanation(self):
        space = carl_nas.Space("nasbench201")
        trained, others = space.sample(100, seed=1), space.sample(200, seed=2)
        predictor = carl_nas.Predictor("nasbench201", options=SMALL | {"train.epochs": 60})
        predictor.fit(trained, [*map(measure, trained)])
        truth = [*map(measure, others)]
        score, std = predictor.predict(others, return_std=True)
        self.assertEqual((score.shape, std.shape, score.dtype), ((200,), (200,), np.float64))
        self.assertGreater(predictor.score(others, truth), 0.6)
        labels, low, high = predictor.predict_labels(others)
        self.assertTrue((low <= labels).all() and (labels <= high).all())
        self.assertGreater(np.corrcoef(labels, truth)[0, 1], 0.7)
        explanations = predictor.explain(others[:3])
        self.assertEqual([(e.arch, e.score, len(e.critical)) for e in explanations],
                         [(arch, value, 6) for arch, value in zip(others[:3], score)])
        best = predictor.explain(others[int(score.argmax())])
        self.assertEqual((best.score, best.dict()["arch"]), (score.max(), best.arch))
        self.assertTrue(best.svg().startswith("<svg") and "<html" in best.html())
        self.assertIn("expected Kendall tau", predictor._repr_html_())

    def test_the_same_numbers_as_the_program_and_its_export_on_every_space_and_a_whole_one(self):
        for name in SPACES:
            with self.subTest(name):
                texts, labels = cells(name)
                predictor = carl_nas.Predictor(name, seed=3, options=SMALL).fit(texts, labels)
                predictor.save(self.folder / name)
                self.compare(predictor, self.folder / name, texts)
        texts, predictor = list(carl_nas.Space("nasbench201").enumerate()), carl_nas.Predictor.load(REFERENCE)
        self.compare(predictor, REFERENCE, texts)
        np.testing.assert_array_equal(predictor.predict(range(15625)), predictor.predict(texts))

    def compare(self, predictor, checkpoint, texts):
        with open(self.folder / "cells.csv", "w", newline="") as file:
            csv.writer(file).writerows([["arch"], *([text] for text in texts)])
        carl("predict", checkpoint, "--input", self.folder / "cells.csv", "--output", self.folder / "scores.csv")
        table = rows(self.folder / "scores.csv")
        *expected, labels = [np.array([float(row[column]) for row in table]) for column in ("score", "std", "predicted")]
        found = [*predictor.predict(texts, return_std=True), predictor.predict_labels(texts)[0]]
        np.testing.assert_array_equal(found, [*expected, labels])
        predictor.export(self.folder / "model.pt")
        program = torch.jit.load(str(self.folder / "model.pt"))
        operations = [name for name, _ in predictor.card["schema"]["vocabulary"]]
        space = carl_nas.Space(predictor.space, operations if predictor.space == "dag" else None)
        for start in range(0, len(texts), 2048):
            part = slice(start, start + 2048)
            arrays = space.encode(texts[part], form=predictor.card["choice"]["graph_form"])
            with torch.inference_mode():
                found = program(*map(torch.from_numpy, arrays))[:2]
            self.assertLess(max(np.abs(a.numpy() - b[part]).max() for a, b in zip(found, expected)), 1e-5)

    def test_columns_unlabelled_cells_and_networkx_graphs(self):
        texts, labels = cells("dag", 80)
        labels[40:] = np.nan
        helped = carl_nas.Predictor("dag", options=SMALL).fit(texts, labels)
        graphs = carl_nas.Predictor("dag", options=SMALL).fit(map(graph, texts), labels)
        np.testing.assert_array_equal(helped.predict(texts), graphs.predict([graph(text) for text in texts]))
        self.assertRaisesRegex(ValueError, "`op`", helped.predict, [networkx.DiGraph([(0, 1)])])
        trained, others = cells("nasbench201", 60)[0], cells("nasbench201", 300, 9)[0]
        column = {"proxy": [measure(cell) for cell in others]}
        y = [measure(cell) for cell in trained]
        known = carl_nas.Predictor(options=SMALL).fit(trained, y, columns=column, columns_archs=others)
        self.assertEqual(list(known.card["choice"]["columns"]), ["proxy"])
        self.assertRaisesRegex(ValueError, "1 values for", known.fit, trained, y, {"proxy": [1.0]}, others)

    def test_errors_say_what_is_wrong(self):
        texts, labels = cells("nasbench201", 30)
        small = carl_nas.Predictor(options=SMALL)
        for call, text in [
            (lambda: small.predict(texts), "not fitted"),
            (lambda: small.fit([*texts, "no cell"], [*labels, 1.0]), "record 30: .*hint"),
            (lambda: small.fit(texts, labels[1:]), "30 architectures, but 29 labels"),
            (lambda: small.fit(texts, np.ones(len(texts))), "all 30 training labels"),
            (lambda: carl_nas.Predictor(options={"model.membres": 2}).fit(texts, labels), "did you mean `members`"),
            (lambda: carl_nas.Predictor("nasbench202").fit(texts, labels), "did you mean `nasbench201`"),
            (lambda: carl_nas.Predictor.load("nowhere"), "nowhere"),
            (lambda: carl_nas.Predictor(device="gpu").fit(texts, labels), "unknown device"),
            (lambda: carl_nas.Space("darts").decode([2**62]), "there is no cell"),
            (lambda: carl_nas.Space("darts").enumerate(), "enumerated"),
        ]:
            with self.subTest(text), self.assertRaisesRegex(carl_nas.InputError, "(?s)" + text):
                call()
        self.assertTrue(issubclass(carl_nas.InputError, ValueError) and issubclass(carl_nas.InputError, carl_nas.CarlError))
        self.assertRaises(ValueError, small.fit, texts, np.zeros((30, 2)))
        self.assertRaises(AttributeError, getattr, carl_nas, "Predicter")
        for wrong in ("one text", [3.5], None):
            self.assertRaises(TypeError, small.fit, wrong, labels)

    def test_a_list_of_choices(self):
        when = {"kernel": {"depth": [2, 3, 4]}}
        space = carl_nas.Space("choices", choices={"depth": [1, 2, 3, 4], "kernel": [3, 5, 7], "act": ["relu", "silu"]}, when=when)
        self.assertEqual((space.size, len(networks := list(space.enumerate()))), (20, 20))
        self.assertEqual(space.parse("depth=2 kernel=5 act=silu"), "depth=2 kernel=5 act=silu")
        self.assertRaisesRegex(ValueError, "kernel", space.parse, "depth=1 kernel=5 act=silu")
        self.assertEqual(list(pickle.loads(pickle.dumps(space)).enumerate()), networks)
        value = lambda network: network.count("silu") + int(network.split("depth=")[1][0])
        values = [*map(value, networks)]
        predictor = carl_nas.Predictor(space, options={"model.members": 2, "train.epochs": 40}).fit(networks[::2], values[::2])
        self.assertGreater(predictor.score(networks, values), 0.6)
        search = carl_nas.Search(space, maximize="value", seed=1)
        go_on(search, 12, value)
        self.assertEqual(search.best()[1], 5)

    def test_pickles_and_fits_of_two_threads_have_the_same_scores_and_torch_its_threads(self):
        before = torch.get_num_threads()
        texts, labels = cells("nasbench201", 40)
        fit = lambda seed: carl_nas.Predictor(seed=seed, options=SMALL).fit(texts, labels)
        alone = [fit(0), fit(1)]
        with ThreadPoolExecutor(2) as threads:
            together = list(threads.map(fit, (0, 1)))
        self.assertEqual(torch.get_num_threads(), before)
        for one, *others in zip(alone, together, pickle.loads(pickle.dumps(alone))):
            for other in others:
                np.testing.assert_array_equal(other.predict(texts), one.predict(texts))
                self.assertEqual(other.get_params(), one.get_params())

    def test_interrupts_forks_and_the_order_of_imports(self):
        work = "print(len(carl_nas.Predictor.load('checkpoints/reference').predict(range(3))) + int(torch.ones(2).sum()))"
        for code, printed in [
            (INTERRUPTED, "stopped"), (FORKED, "41"),
            (f"import torch, carl_nas; {work}", "5"), (f"import carl_nas; carl_nas.Space; import torch; {work}", "5"),
            # A worker that unpickles begins with the module of a class; one that keeps results needs no LibTorch.
            *((f"import sys; from {module} import {name}; print('torch' in sys.modules)", str(name != "Cell"))
              for module, name in (("carl_nas._predictor", "Predictor"), ("carl_nas", "Search"), ("carl_nas._results", "Cell"))),
        ]:
            self.assertEqual(python("-c", code), printed + "\n")
        self.assertEqual(python("-m", "carl_nas", "spaces", "--json"), carl("spaces", "--json"))
        python("-m", "carl_nas", "predict", code=2)

    def test_it_is_an_estimator_of_scikit_learn(self):
        texts, _ = cells("nasbench201", 90)
        labels = np.array([*map(measure, texts)])
        predictor = carl_nas.Predictor(options=SMALL | {"train.epochs": 40}, threads=1)
        copy = clone(predictor)
        self.assertEqual(copy.get_params(), predictor.get_params())
        self.assertEqual(copy.set_params(seed=5).seed, 5)
        self.assertRaises(ValueError, copy.set_params, seeds=5)
        self.assertGreater(cross_val_score(predictor, texts, labels, cv=3, n_jobs=2).min(), 0.4)
        grid = GridSearchCV(predictor, {"seed": [0, 1]}, cv=2).fit(texts, labels)
        self.assertEqual(grid.predict(texts[:3]).shape, (3,))
        for check in CHECKS:
            with self.subTest(check):
                getattr(estimator_checks, f"check_{check}")("Predictor", predictor)


class Spaces(Case):
    def test_ids_are_those_of_the_list_and_cells_are_what_they_print(self):
        for name in ("nasbench201", "transnas101-micro", "nasbench-macro", "nasbench-graph", "nats-size"):
            space = carl_nas.Space(name)
            listed = list(space.enumerate())
            self.assertEqual(space.decode(range(space.size)), listed)
            self.assertEqual(len(set(listed)), space.size)
        darts = pickle.loads(pickle.dumps(carl_nas.Space("darts")))
        drawn = [int(n) for n in np.random.default_rng(0).integers(0, darts.size, 1000)]
        texts = darts.decode([0, darts.size - 1, *drawn])
        self.assertEqual(len(set(texts)), 1002)
        self.assertEqual([darts.parse(text) for text in texts], texts)
        self.assertNotIn("none", "".join(texts))

    def test_cells_change_one_at_a_time_and_keys_tell_what_they_compute(self):
        space = carl_nas.Space("nasbench201")
        [cell] = space.sample(1, seed=5)
        mutant = space.mutate(cell, seed=1)
        self.assertEqual(sum(a != b for a, b in zip(cell.split("|"), mutant.split("|"))), 1)
        self.assertEqual(mutant, space.mutate(cell, seed=1))
        dead = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
        one, two, three = space.keys([dead, dead.replace("none~1|+", "avg_pool_3x3~1|+"), dead.replace("3x3", "1x1")])
        self.assertTrue(one == two != three)

    def test_arrays_hold_the_graph(self):
        space = carl_nas.Space("dag", ["input", "conv", "output"])
        operations, adjacency, mask = space.encode(["input conv output;0>1 1>2 0>2", "input output;0>1"])
        self.assertEqual([part.shape for part in (operations, adjacency, mask)], [(2, 3, 3), (2, 3, 3), (2, 3)])
        self.assertEqual((mask.tolist(), adjacency.sum((1, 2)).tolist()), ([[1, 1, 1], [1, 1, 0]], [3, 1]))
        self.assertEqual([space.operations[k] for k in operations[0].argmax(1)], ["input", "conv", "output"])
