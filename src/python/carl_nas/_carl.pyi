"""The extension module."""
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._predictor import Floats, StrPath

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
    @staticmethod
    def fit(
        how: Mapping[str, Any],
        cells: Iterable[Any],
        labels: ArrayLike,
        columns: dict[str, ArrayLike],
        columns_cells: Iterable[Any] | None,
    ) -> Model: ...
    @staticmethod
    def load(folder: StrPath, device: str, threads: int | None) -> Model: ...
    @staticmethod
    def from_bytes(bytes: bytes, device: str, threads: int | None) -> Model: ...
    def to_bytes(self) -> bytes: ...
    def save(self, folder: StrPath) -> None: ...
    def export(self, path: StrPath) -> None: ...
    def card(self) -> str: ...
    def predict(self, cells: Iterable[Any]) -> tuple[Floats, Floats]: ...
    def predict_labels(self, cells: Iterable[Any]) -> tuple[Floats, Floats, Floats]: ...
    def score(self, cells: Iterable[Any], labels: ArrayLike) -> float: ...
    def explain(self, cells: Iterable[Any], tolerance: float) -> list[Explanation]: ...

class SearchCore:
    def __init__(self, arguments: Mapping[str, Any], log: bytes) -> None: ...
    @property
    def config(self) -> str: ...
    @staticmethod
    def header(text: str) -> str: ...
    def ask(self, count: int, goal: str) -> list[tuple[str, str | None]]: ...
    def tell(self, cell: Any, values: list[float] | None, fidelity: str | None) -> None: ...
    def tell_failed(self, cell: Any, reason: str, fidelity: str | None) -> None: ...
    def best(self) -> list[tuple[str, list[float]]]: ...
    def history(self) -> list[tuple[str, str | None, list[float] | None]]: ...
    def pending(self) -> list[tuple[str, str | None]]: ...
    def log(self) -> bytes: ...
    def save(self, path: StrPath) -> None: ...
