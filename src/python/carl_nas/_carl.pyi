"""The extension module."""
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, final, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import Self

from ._results import Cell, StrPath

Floats = NDArray[np.float64]
Values = float | Sequence[float] | Mapping[str, float]

__version__: str

def main(arguments: Sequence[str]) -> int: ...

class Space:
    """A search space by its name; the space "dag" of cells of one's own has the names of its `operations`, the space "choices" the
    values of every choice in `choices`, and in `when` the conditions of those that do not always exist:
    `{choice: {other: [values]}}`."""

    def __init__(
        self,
        name: str,
        operations: Sequence[str] | None = None,
        choices: Mapping[str, Sequence[Any]] | None = None,
        when: Mapping[str, Mapping[str, Sequence[Any]]] | None = None,
    ) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def declaration(self) -> str:
        """The lines of a configuration that name it."""
    @property
    def size(self) -> int | None:
        """Number of cells; None if it is infinite or unknown."""
    @property
    def operations(self) -> list[str]:
        """Names of the operations [V], as the arrays of `encode` have them."""
    def parse(self, cell: Any) -> str:
        """The canonical text of a cell. Raises InputError (a ValueError) that says what is wrong with it."""
    def enumerate(self) -> Iterator[str]:
        """All cells, in the order of their ids. Raises InputError where there are too many."""
    def sample(self, count: int, *, seed: int = 0) -> list[str]:
        """Drawn cells."""
    def mutate(self, cell: Any, *, seed: int = 0) -> str:
        """A cell that is one change away."""
    def decode(self, ids: Iterable[int]) -> list[str]:
        """The cells of `ids`, each from 0 to `size` - 1. Raises InputError for another number, or in a space without ids."""
    def keys(self, cells: Iterable[Any]) -> list[list[int]]:
        """A key of each cell, equal exactly for cells that compute the same."""
    def encode(
        self, cells: Iterable[Any], *, form: Literal["function", "written", "both"] = "function"
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Operations [B, N, V], adjacency [B, N, N] and mask [B, N] of cells or ids, for an exported program. `form` is the
        `graph_form` under `choice` in the card of its predictor."""

class Explanation:
    """Which parts of a cell its score rests on."""

    arch: str
    score: float
    std: float
    critical: list[float]
    """The critical mass of each operation in the order of the text, from 0 (nothing) towards 1."""
    def svg(self) -> str: ...
    def html(self) -> str: ...
    def json(self) -> str: ...
    def dict(self) -> dict[str, Any]: ...

class Model:
    """What a Predictor has learnt; the attributes are those of its constructor."""

    def fit(
        self,
        archs: Iterable[Any],
        y: ArrayLike,
        columns: Mapping[str, ArrayLike] | None = None,
        columns_archs: Iterable[Any] | None = None,
    ) -> Self: ...
    @overload
    def predict(self, archs: Iterable[Any], return_std: Literal[False] = False) -> Floats: ...
    @overload
    def predict(self, archs: Iterable[Any], return_std: Literal[True]) -> tuple[Floats, Floats]: ...
    def predict_labels(self, archs: Iterable[Any]) -> tuple[Floats, Floats, Floats]: ...
    def score(self, archs: Iterable[Any], y: ArrayLike) -> float: ...
    @overload
    def explain(self, arch: str, tolerance: float = 0.25) -> Explanation: ...
    @overload
    def explain(self, arch: Sequence[Any], tolerance: float = 0.25) -> list[Explanation]: ...
    def save(self, folder: StrPath) -> None: ...
    def _load(self, folder: StrPath) -> None: ...
    def export(self, path: StrPath) -> None: ...
    @property
    def card(self) -> dict[str, Any]: ...
    def __sklearn_is_fitted__(self) -> bool: ...

@final
class Search:
    def __new__(
        cls,
        space: str | Space,
        *,
        maximize: str | Sequence[str] | None = None,
        minimize: str | Sequence[str] | None = None,
        seed: int = 0,
        known: Mapping[str, Values] | None = None,
        pending: Iterable[Any] | None = None,
        candidates: Iterable[Any] | None = None,
        columns: Mapping[str, ArrayLike] | None = None,
        at_most: Mapping[str, float] | None = None,
        at_least: Mapping[str, float] | None = None,
        fidelities: Mapping[str, float] | None = None,
        options: Mapping[str, Any] | None = None,
        device: str = "auto",
    ) -> Self: ...
    @staticmethod
    def load(
        path: StrPath | bytes,
        *,
        space: Space | None = None,
        candidates: Iterable[Any] | None = None,
        columns: Mapping[str, ArrayLike] | None = None,
        at_most: Mapping[str, float] | None = None,
        at_least: Mapping[str, float] | None = None,
        device: str = "auto",
    ) -> Search: ...
    @property
    def objectives(self) -> list[str]: ...
    @property
    def config(self) -> str: ...
    def ask(self, count: int = 1, goal: Literal["best", "ranking"] = "best") -> list[Cell]: ...
    def tell(self, arch: Any, values: Values, fidelity: str | None = None) -> None: ...
    def tell_pending(self, arch: Any, fidelity: str | None = None) -> None: ...
    def tell_failed(self, arch: Any, reason: str = "failed", fidelity: str | None = None) -> None: ...
    def best(self) -> tuple[str, float]: ...
    def front(self) -> list[tuple[str, list[float]]]: ...
    def pending(self) -> list[Cell]: ...
    def history(self) -> list[tuple[Cell, list[float] | None]]: ...
    def save(self, path: StrPath) -> None: ...
