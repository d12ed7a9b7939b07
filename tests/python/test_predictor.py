"""Predictors, explanations and spaces of the Python package."""
import csv
import pickle
from concurrent.futures import ThreadPoolExecutor

import networkx
import numpy as np
import torch
from common import REFERENCE, ROOT, SMALL, Case, carl, measure, python, rows
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils import estimator_checks

import carl_nas

# What applies to cells instead of rows of numbers. All other checks of scikit-learn fit to random arrays.
CHECKS = ["estimator_cloneable", "estimator_repr", "estimator_tags_renamed", "get_params_invariance", "no_attributes_set_in_init",
          "parameters_default_constructible", "set_params", "valid_tag_types"]

SPACES = ["nasbench101", "nasbench201", "transnas101-micro", "darts", "nasbench-graph", "nasbench-macro", "nats-size", "nds-nasnet",
          "nasbench-nlp", "dag"]


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
        inner = [str(random.choice(["conv", "pool", "norm"])) for _ in range(random.integers(1, 5))]
        last = len(inner) + 1
        edges = [f"{k}>{k + 1}" for k in range(last)] + [f"0>{k}" for k in range(2, last + 1) if random.random() < 0.3]
        yield f"input {' '.join(inner)} output;{' '.join(edges)}"


def graph(text):
    """A cell of the space dag as networkx has it."""
    operations, edges = text.split(";")
    made = networkx.DiGraph()
    made.add_nodes_from((f"n{k}", {"op": op}) for k, op in enumerate(operations.split()))
    made.add_edges_from(tuple(f"n{k}" for k in edge.split(">")) for edge in edges.split())
    return made


class Predictors(Case):
    def test_ten_lines_from_labels_to_a_ranking_a_suggestion_and_an_explanation(self):
        space = carl_nas.Space("nasbench201")
        trained, others = space.sample(100, seed=1), space.sample(200, seed=2)
        predictor = carl_nas.Predictor("nasbench201", options=SMALL | {"train.epochs": 60})
        predictor.fit(trained, [measure(cell) for cell in trained])
        score, std = predictor.predict(others, return_std=True)
        self.assertEqual((score.shape, std.shape, score.dtype), ((200,), (200,), np.float64))
        self.assertGreater(predictor.score(others, [measure(cell) for cell in others]), 0.6)
        labels, low, high = predictor.predict_labels(others)
        self.assertTrue((low <= labels).all() and (labels <= high).all())
        self.assertGreater(np.corrcoef(labels, [measure(cell) for cell in others])[0, 1], 0.7)
        best = others[int(score.argmax())]
        explanation = predictor.explain(best)
        self.assertEqual(explanation.dict()["arch"], best)
        self.assertEqual(len(explanation.critical), 6)
        self.assertTrue(explanation.svg().startswith("<svg") and "<html" in explanation.html())
        self.assertIn("expected Kendall tau", predictor._repr_html_())
        self.assertEqual([e.score for e in predictor.explain(others[:3])], score[:3].tolist())

    def test_the_same_numbers_as_the_program_and_its_export_on_every_space(self):
        for name in SPACES:
            with self.subTest(name):
                texts, labels = cells(name)
                predictor = carl_nas.Predictor(name, seed=3, options=SMALL).fit(texts, labels)
                predictor.save(self.folder / name)
                self.compare(predictor, self.folder / name, texts)

    def test_the_same_numbers_on_a_whole_space(self):
        texts, predictor = list(carl_nas.Space("nasbench201").enumerate()), carl_nas.Predictor.load(REFERENCE)
        self.compare(predictor, REFERENCE, texts)
        np.testing.assert_array_equal(predictor.predict(range(15625)), predictor.predict(texts))

    def compare(self, predictor, checkpoint, texts):
        with open(self.folder / "cells.csv", "w", newline="") as file:
            csv.writer(file).writerows([["arch"], *([text] for text in texts)])
        carl("predict", checkpoint, "--input", self.folder / "cells.csv", "--output", self.folder / "scores.csv")
        known = rows(self.folder / "scores.csv")
        expected = np.array([[float(row[column]) for row in known] for column in ("score", "std")])
        np.testing.assert_array_equal(np.array(predictor.predict(texts, return_std=True)), expected)
        labels = predictor.predict_labels(texts)[0]
        np.testing.assert_array_equal(labels, [float(row["predicted"]) for row in known])
        predictor.export(self.folder / "model.pt")
        program = torch.jit.load(str(self.folder / "model.pt"))
        operations = [name for name, _ in predictor.card["schema"]["vocabulary"]]
        space = carl_nas.Space(predictor.space, operations if predictor.space == "dag" else None)
        form, found = predictor.card["choice"]["graph_form"], []
        with torch.inference_mode():
            for start in range(0, len(texts), 2048):
                arrays = space.encode(texts[start : start + 2048], form=form)
                found.append(torch.stack(program(*map(torch.from_numpy, arrays))[:2]))
        self.assertLess(np.abs(torch.cat(found, 1).numpy() - expected).max(), 1e-5)

    def test_columns_unlabelled_cells_and_networkx_graphs(self):
        texts, labels = cells("dag", 80)
        labels[40:] = np.nan
        helped = carl_nas.Predictor("dag", options=SMALL).fit(texts, labels)
        graphs = carl_nas.Predictor("dag", options=SMALL).fit(map(graph, texts), labels)
        np.testing.assert_array_equal(helped.predict(texts), graphs.predict([graph(text) for text in texts]))
        with self.assertRaisesRegex(ValueError, "`op`"):
            helped.predict([networkx.DiGraph([(0, 1)])])
        trained, others = cells("nasbench201", 60)[0], cells("nasbench201", 300, 9)[0]
        column = {"proxy": [measure(cell) for cell in others]}
        y = [measure(cell) for cell in trained]
        known = carl_nas.Predictor(options=SMALL).fit(trained, y, columns=column, columns_archs=others)
        self.assertEqual(list(known.card["choice"]["columns"]), ["proxy"])
        with self.assertRaisesRegex(ValueError, "1 values for"):
            carl_nas.Predictor(options=SMALL).fit(trained, y, columns={"proxy": [1.0]}, columns_archs=others)

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
            with self.subTest(text), self.assertRaisesRegex(carl_nas.CarlError, "(?s)" + text) as caught:
                call()
            self.assertIsInstance(caught.exception, ValueError)
        with self.assertRaises(ValueError):
            small.fit(texts, np.zeros((30, 2)))
        for wrong in ("one text", [3.5], None):
            with self.assertRaises(TypeError):
                small.fit(wrong, labels)
        with self.assertRaises(AttributeError):
            carl_nas.Predicter

    def test_pickling_keeps_the_weights(self):
        texts, labels = cells("nasbench201", 40)
        predictor = carl_nas.Predictor(options=SMALL).fit(texts, labels)
        again = pickle.loads(pickle.dumps(predictor))
        np.testing.assert_array_equal(again.predict(texts), predictor.predict(texts))
        self.assertEqual(again.get_params(), predictor.get_params())
        self.assertEqual(pickle.loads(pickle.dumps(carl_nas.Space("darts"))).size, carl_nas.Space("darts").size)

    def test_a_list_of_choices(self):
        when = {"kernel": {"depth": [2, 3, 4]}}
        space = carl_nas.Space("choices", choices={"depth": [1, 2, 3, 4], "kernel": [3, 5, 7], "act": ["relu", "silu"]}, when=when)
        networks = list(space.enumerate())
        self.assertEqual((space.size, len(networks)), (20, 20))
        self.assertEqual(space.parse("depth=2 kernel=5 act=silu"), "depth=2 kernel=5 act=silu")
        with self.assertRaisesRegex(ValueError, "kernel"):
            space.parse("depth=1 kernel=5 act=silu")
        again = pickle.loads(pickle.dumps(space))
        self.assertEqual(list(again.enumerate()), networks)
        values = [text.count("silu") + int(text.split("depth=")[1][0]) for text in networks]
        predictor = carl_nas.Predictor(space, options={"model.members": 2, "train.epochs": 40}).fit(networks[::2], values[::2])
        self.assertGreater(predictor.score(networks, values), 0.6)
        search = carl_nas.Search(space, maximize="value", seed=1)
        for _ in range(12):
            [network] = search.ask()
            search.tell(network, network.count("silu") + int(str(network).split("depth=")[1][0]))
        self.assertEqual(search.best()[1], 5)

    def test_two_threads_fit_at_once_and_leave_torch_its_threads(self):
        before = torch.get_num_threads()
        texts, labels = cells("nasbench201", 40)
        fit = lambda seed: carl_nas.Predictor(seed=seed, options=SMALL).fit(texts, labels).predict(texts)
        with ThreadPoolExecutor(2) as threads:
            np.testing.assert_array_equal(list(threads.map(fit, (0, 1))), [fit(0), fit(1)])
        self.assertEqual(torch.get_num_threads(), before)

    def test_interrupts_stop_a_long_fit(self):
        # A shell that starts a job in the background makes it ignore the signal.
        found = python("-c", """
import carl_nas, _thread, signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
cells = carl_nas.Space('nasbench201').sample(200)
threading.Timer(2.0, _thread.interrupt_main).start()
try:
    carl_nas.Predictor(options={'train.epochs': 1000000}).fit(cells, range(200))
except KeyboardInterrupt:
    print('stopped')
""")
        self.assertEqual(found.stdout, "stopped\n", found.stderr)

    def test_a_forked_process_is_told_instead_of_hanging(self):
        found = python("-c", """
import carl_nas, os
space = carl_nas.Space('nasbench201')
space.keys(range(2))
if os.fork() == 0:
    try:
        space.keys(range(2))
    except carl_nas.CarlError as error:
        os._exit(40 + ('spawn' in str(error)))
print(os.waitstatus_to_exitcode(os.wait()[1]))
""")
        self.assertEqual(found.stdout, "41\n", found.stderr)

    def test_torch_may_come_before_or_after_and_the_program_is_there(self):
        work = "carl_nas.Predictor.load('checkpoints/reference').predict(range(3)).sum() + torch.ones(2).sum()"
        for order in ("import torch, carl_nas", "import carl_nas; carl_nas.Space; import torch"):
            self.assertEqual(python("-c", f"{order}; {work}").returncode, 0)
        # A worker that unpickles a predictor begins with its module.
        for module in ("_predictor", "_search"):
            self.assertEqual(python("-c", f"import carl_nas.{module}, sys; print('torch' in sys.modules)").stdout, "True\n")
        self.assertEqual(python("-m", "carl_nas", "spaces", "--json").stdout, carl("spaces", "--json"))
        self.assertEqual(python("-m", "carl_nas", "predict").returncode, 2)


class ScikitLearn(Case):
    def test_it_is_an_estimator(self):
        texts, _ = cells("nasbench201", 90)
        labels = np.array([measure(text) for text in texts])
        predictor = carl_nas.Predictor(options=SMALL | {"train.epochs": 40}, threads=1)
        copy = clone(predictor)
        self.assertEqual(copy.get_params(), predictor.get_params())
        self.assertEqual(copy.set_params(seed=5).seed, 5)
        with self.assertRaises(ValueError):
            copy.set_params(seeds=5)
        taus = cross_val_score(predictor, texts, labels, cv=3, n_jobs=2)
        self.assertGreater(taus.min(), 0.4)
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
        darts = carl_nas.Space("darts")
        last = darts.size - 1
        drawn = [int(n) for n in np.random.default_rng(0).integers(0, darts.size, 1000)]
        texts = darts.decode([0, last, *drawn])
        self.assertEqual(len(set(texts)), 1002)
        self.assertEqual([darts.parse(text) for text in texts], texts)
        self.assertNotIn("none", "".join(texts))

    def test_cells_change_one_at_a_time_and_keys_tell_what_they_compute(self):
        space = carl_nas.Space("nasbench201")
        cell = space.sample(1, seed=5)[0]
        mutant = space.mutate(cell, seed=1)
        self.assertEqual(sum(a != b for a, b in zip(cell.split("|"), mutant.split("|"))), 1)
        self.assertEqual(mutant, space.mutate(cell, seed=1))
        same = ["|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"]
        same.append("|none~0|+|none~0|avg_pool_3x3~1|+|nor_conv_3x3~0|none~1|none~2|")
        other = "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"
        one, two, three = space.keys([*same, other])
        self.assertTrue(one == two != three)

    def test_arrays_hold_the_graph(self):
        space = carl_nas.Space("dag", ["input", "conv", "output"])
        operations, adjacency, mask = space.encode(["input conv output;0>1 1>2 0>2", "input output;0>1"])
        self.assertEqual([part.shape for part in (operations, adjacency, mask)], [(2, 3, 3), (2, 3, 3), (2, 3)])
        self.assertEqual(mask.tolist(), [[1, 1, 1], [1, 1, 0]])
        self.assertEqual(adjacency.sum((1, 2)).tolist(), [3, 1])
        names = [[space.operations[k] for k in row.argmax(1)] for row in operations[:1]]
        self.assertEqual(names, [["input", "conv", "output"]])
