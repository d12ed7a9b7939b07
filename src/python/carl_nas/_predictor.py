"""Predictors in the shape of scikit-learn."""
from __future__ import annotations

import html
import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch  # its LibTorch is loaded before the extension module, and whole: with CUDA where that is there

if not torch.__version__.startswith("2.11.0"):
    raise ImportError(f"carl_nas needs torch 2.11.0, {torch.__version__} is installed")

from ._carl import Explanation, Model, Search, Space  # noqa: E402
from ._errors import InputError  # noqa: E402
from ._results import StrPath  # noqa: E402

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Explanation", "Predictor", "Search", "Space"]


class Predictor(Model):
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

    @classmethod
    def load(cls, folder: StrPath, *, device: str = "auto", threads: int | None = None) -> Self:
        """Reads a checkpoint, also one of `carl train`. Raises InputError for one of another release or with changed weights."""
        self = cls(device=device, threads=threads)
        self._load(folder)
        card = self.card
        return self.set_params(space=card["schema"]["space"], seed=card["seed"], higher_is_better=card["label_std"] > 0,
                               options=card["options"])

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

    def __repr__(self) -> str:
        defaults = inspect.signature(Predictor.__init__).parameters
        given = [f"{k}={v!r}" for k, v in self.get_params().items() if k == "space" or v != defaults[k].default]
        return f"Predictor({', '.join(given)})"

    def _repr_html_(self) -> str:
        facts = [repr(self), "not fitted"]
        if self.__sklearn_is_fitted__():
            choice = self.card["choice"]
            facts[1:] = [f"{self.card['train_rows']} trained cells", f"cells are read as {choice['graph_form']}",
                         f"expected Kendall tau {choice['expected_kendall_tau']:.3f}"]
        return f"<ul>{''.join(f'<li>{html.escape(fact)}</li>' for fact in facts)}</ul>"
