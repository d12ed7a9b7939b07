"""From labels to a ranking, a suggestion, an explanation and a search, on NAS-Bench-201.

  python scripts/tutorial.py [FOLDER]      needs the package carl_nas (scripts/wheel.sh)

An accuracy stands here for hours of training: `train` makes one up from the operations of a cell.
"""
import pathlib
import sys
import tempfile

import carl_nas


def train(cell):
    """Your training; more is better."""
    return 70 + 3 * cell.count("nor_conv_3x3") + cell.count("nor_conv_1x1") + 2 * cell.count("skip_connect") - cell.count("none")


folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
space = carl_nas.Space("nasbench201")

# Which cells to train, so that a predictor ranks all others: they cover the space. Then their labels.
search = carl_nas.Search(space, maximize="accuracy", seed=0)
for cell in search.ask(60, "ranking"):
    search.tell(cell, train(cell))
cells, accuracies = zip(*((cell, values[0]) for cell, values in search.history()))

# A ranking of the whole space, and how good it is expected to be.
predictor = carl_nas.Predictor(space, options={"model.members": 3, "train.epochs": 60}).fit(cells, accuracies)
everything = list(space.enumerate())
score, std = predictor.predict(everything, return_std=True)
best = everything[score.argmax()]
print(f"expected tau {predictor.card['choice']['expected_kendall_tau']:.2f}, best of {space.size}: {best}")

# What its score rests on, as a picture; and the predictor for others, as a checkpoint and as TorchScript.
(folder / "best.svg").write_text(predictor.explain(best).svg())
predictor.save(folder / "checkpoint")
predictor.export(folder / "model.pt")

# A search for the best cell goes on from the known ones, asks for four at once, and survives being killed.
for _ in range(4):
    for cell in search.ask(4):
        search.tell(cell, train(cell))
    search.save(folder / "run.jsonl")
search = carl_nas.Search.load(folder / "run.jsonl")
print(f"{len(search.history())} trained, the best one has {search.best()[1]:.1f}: {search.best()[0]}")
print(f"written to {folder}")
