"""Predictors in the shape of scikit-learn."""
from __future__ import annotations

import html
import inspect
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import torch  # its LibTorch is loaded before the extension module, and whole: with CUDA where that is there
from numpy.typing import ArrayLike, NDArray

if not torch.__version__.startswith("2.11.0"):
    raise ImportError(f"carl_nas needs torch 2.11.0, {torch.__version__} is installed")

from ._carl import Explanation, Model, Space  # noqa: E402
from ._errors import InputError  # noqa: E402

if TYPE_CHECKING:
    from typing_extensions import Self

Floats = NDArray[np.float64]
StrPath = str | os.PathLike[str]


def settings(options: Mapping[str, Any] | None) -> list[str]:
    """Keys of a configuration and their values, as the program takes them."""
    return [f"{key}={json.dumps(value)}" for key, value in (options or {}).items()]


class Predictor:
    """Learns to rank the cells of a search space from a few trained ones.

    `space` is a name (`carl spaces` lists them) or a Space, `seed` that of the models. `higher_is_better` is false for losses and
    latencies. `options` replaces keys of a configuration, such as `{"model.members": 3}`; `sources` are folders of checkpoints of
    other targets or spaces, whose scores help. `device` is auto, cpu, cuda or cuda:N; `threads` defaults to all cores.
    """

    def __init__(
        self, space: str | Space = "nasbench201", *, seed: int = 0, higher_is_better: bool = True,
        options: Mapping[str, Any] | None = None, sources: Sequence[StrPath] = (), device: str = "auto", threads: int | None = None,
    ) -> None:
        self.space, self.seed, self.higher_is_better = space, seed, higher_is_better
        self.options, self.sources, self.device, self.threads = options, sources, device, threads

    def fit(
        self, archs: Iterable[Any], y: ArrayLike,
        columns: Mapping[str, ArrayLike] | None = None, columns_archs: Iterable[Any] | None = None,
    ) -> Self:
        """Fits to `archs` [n] and their labels `y` [n], NaN where unknown: such cells help to train.

        `columns` are numbers that are known of the cells, [n] each with NaN where unknown, such as zero-cost proxies; with
        `columns_archs` [m] they are [m] and of those cells. They are needed for training only.

        Raises InputError (a ValueError) for a text that is not a cell, with its index, for labels that do not differ, and for
        lengths that do not match.
        """
        declaration = f"space: {json.dumps(self.space)}\n" if isinstance(self.space, str) else self.space.declaration
        how = {**self.get_params(), "declaration": declaration, "settings": settings(self.options), "sources": list(self.sources)}
        self.model_ = Model.fit(how, archs, y, dict(columns or {}), columns_archs)
        return self

    @overload
    def predict(self, archs: Iterable[Any], return_std: Literal[False] = False) -> Floats: ...
    @overload
    def predict(self, archs: Iterable[Any], return_std: Literal[True]) -> tuple[Floats, Floats]: ...
    def predict(self, archs: Iterable[Any], return_std: bool = False) -> Floats | tuple[Floats, Floats]:
        """Scores of `archs` [n], which may also be ids of the space: more is better, 0 is an average training cell. With
        `return_std` also their standard deviations [n]. The same numbers as those of `carl predict`."""
        score, std = self._model().predict(archs)
        return (score, std) if return_std else score

    def predict_labels(self, archs: Iterable[Any]) -> tuple[Floats, Floats, Floats]:
        """Expected labels of `archs`, and the bounds between which 9 of 10 new labels lie; [n] each, in the unit of `y`."""
        return self._model().predict_labels(archs)

    def score(self, archs: Iterable[Any], y: ArrayLike) -> float:
        """Kendall's tau between predictions and labels `y` [n], turned so that more is better."""
        return self._model().score(archs, y)

    @overload
    def explain(self, arch: str, tolerance: float = 0.25) -> Explanation: ...
    @overload
    def explain(self, arch: Sequence[Any], tolerance: float = 0.25) -> list[Explanation]: ...
    def explain(self, arch: Any, tolerance: float = 0.25) -> Explanation | list[Explanation]:
        """Which operations the score of a cell rests on, or that of each cell of a list. A critical substructure may change the
        score by at most `tolerance` standard deviations of the labels."""
        single = isinstance(arch, str) or hasattr(arch, "nodes")
        explanations = self._model().explain([arch] if single else arch, tolerance)
        return explanations[0] if single else explanations

    def save(self, folder: StrPath) -> None:
        """Writes a checkpoint, as `carl train` does."""
        self._model().save(folder)

    @classmethod
    def load(cls, folder: StrPath, *, device: str = "auto", threads: int | None = None) -> Self:
        """Reads a checkpoint, also one of `carl train`. Raises InputError for one of another release or with changed weights."""
        model = Model.load(folder, device, threads)
        card = json.loads(model.card())
        self = cls(card["schema"]["space"], seed=card["seed"], higher_is_better=card["label_std"] > 0, options=card["options"],
                   device=device, threads=threads)
        self.model_ = model
        return self

    def export(self, path: StrPath) -> None:
        """Writes a TorchScript program, whose inputs `Space.encode` makes and whose outputs are score, standard deviation, node
        mask and edge mask."""
        self._model().export(path)

    @property
    def card(self) -> dict[str, Any]:
        """What was learnt from the labels: `choice` has the form in which cells are read and the expected tau."""
        return dict(json.loads(self._model().card()))

    def _model(self) -> Model:
        if not hasattr(self, "model_"):
            raise InputError("the predictor is not fitted\n  hint: call fit, or load a checkpoint", "usage", "call fit")
        return self.model_

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Arguments of the constructor, as scikit-learn wants them."""
        return {name: getattr(self, name) for name in list(inspect.signature(Predictor.__init__).parameters)[1:]}

    def set_params(self, **params: Any) -> Self:
        """Replaces arguments of the constructor."""
        for name, value in params.items():
            if name not in self.get_params():
                raise InputError(f"a predictor has no parameter {name!r}", "usage")
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

        target, inputs = TargetTags(required=True, one_d_labels=True), InputTags(two_d_array=False, string=True)
        return Tags("regressor", target, regressor_tags=RegressorTags(), input_tags=inputs)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | ({"model_": bytes(self.model_.to_bytes())} if hasattr(self, "model_") else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "model_" in state:
            self.model_ = Model.from_bytes(state["model_"], self.device, self.threads)

    def __repr__(self) -> str:
        defaults = inspect.signature(Predictor.__init__).parameters
        given = [f"{k}={v!r}" for k, v in self.get_params().items() if k == "space" or v != defaults[k].default]
        return f"Predictor({', '.join(given)})"

    def _repr_html_(self) -> str:
        facts = [repr(self), "not fitted"]
        if hasattr(self, "model_"):
            choice = self.card["choice"]
            facts[1:] = [f"{self.card['train_rows']} trained cells", f"cells are read as {choice['graph_form']}",
                         f"expected Kendall tau {choice['expected_kendall_tau']:.3f}"]
        return f"<ul>{''.join(f'<li>{html.escape(fact)}</li>' for fact in facts)}</ul>"
