"""The predictor in NASLib's shape on the cells of NAS-Bench-201."""
import unittest

import numpy as np
from common import CARL, ROOT

import carl_ids
from carl_predictor import CarlPredictor

SMALL = {"model.members": 2, "model.hidden": 16, "train.epochs": 60, "model.layers": 2}


class Predictor(unittest.TestCase):
    def test_learns_and_gives_back_the_unit_of_the_labels(self):
        texts = [carl_ids.decode(int(k), "nasbench201") for k in np.random.default_rng(1).permutation(15625)[:400]]
        labels = np.array([60 + 5 * text.count("conv") - 4 * text.count("none") for text in texts], float)
        predictor = CarlPredictor(ROOT / "configs/nasbench201.yaml", SMALL, carl=CARL)
        predictor.set_pre_computations(unlabeled=texts[100:200])
        predictor.fit(texts[:100], labels[:100])
        found = predictor.query(texts[200:])
        self.assertEqual(found.shape, (200,))
        self.assertGreater(np.corrcoef(found, labels[200:])[0, 1], 0.8)
        self.assertLess(abs(found.mean() - labels[200:].mean()), 3)
        again = CarlPredictor(ROOT / "configs/nasbench201.yaml", SMALL, carl=CARL, encode=lambda arch: arch.text)
        again.set_pre_computations(unlabeled=map(Wrapped, texts[100:200]))
        again.fit([Wrapped(text) for text in texts[:100]], labels[:100])
        np.testing.assert_array_equal(found, again.query([Wrapped(text) for text in texts[200:]]))

    def test_bad_input_is_told(self):
        predictor = CarlPredictor(ROOT / "configs/nasbench201.yaml", SMALL, carl=CARL)
        with self.assertRaisesRegex(RuntimeError, "line 2"):
            predictor.fit(["no cell", "nor this"], [1.0, 2.0])


class Wrapped:
    """An architecture of another library."""

    def __init__(self, text):
        self.text = text


if __name__ == "__main__":
    unittest.main()
