"""Ranks neural architectures from a few trained ones, says what each score rests on, and searches.

    predictor = carl_nas.Predictor("nasbench201").fit(cells, accuracies)
    score, std = predictor.predict(others, return_std=True)
    predictor.explain(others[0]).svg()

LibTorch is that of the package torch, which is imported with the first class that is used: so `import torch` may come before or
after. Cells are texts of their space (`Space.parse` says what is wrong with one), or directed networkx graphs with a node
attribute `op` in the space "dag".
"""
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._carl import Explanation, Search, Space
    from ._errors import CarlError, InputError, UnknownCellError
    from ._predictor import Predictor
    from ._results import Cell

__all__ = ["CarlError", "Cell", "Explanation", "InputError", "Predictor", "Search", "Space", "UnknownCellError"]
_MODULES = {"Cell": "_results"} | dict.fromkeys(["Explanation", "Predictor", "Search", "Space"], "_predictor")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("._carl", __name__).__version__
    if name not in __all__:
        raise AttributeError(f"module 'carl_nas' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULES.get(name, '_errors')}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
