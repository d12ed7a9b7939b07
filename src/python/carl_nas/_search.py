"""Search by ask and tell."""
from __future__ import annotations

import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import ArrayLike

from ._predictor import StrPath, settings  # isort: skip (it loads LibTorch)
from ._carl import SearchCore, Space
from ._errors import InputError

if TYPE_CHECKING:
    from typing_extensions import Self

Values = float | Sequence[float] | Mapping[str, float]


class Cell(str):
    """The text of a cell that is to be measured, and the cheaper measurement that it is to get, if not the full one."""

    fidelity: str | None

    def __new__(cls, arch: str, fidelity: str | None = None) -> Self:
        cell = super().__new__(cls, arch)
        cell.fidelity = fidelity
        return cell


def _pool(
    candidates: Iterable[Any] | None, columns: Mapping[str, ArrayLike] | None,
    at_most: Mapping[str, float] | None, at_least: Mapping[str, float] | None, device: str,
) -> dict[str, Any]:
    """Which cells may be asked for, and where they are scored."""
    bounds = {"at_most": dict(at_most or {}), "at_least": dict(at_least or {})}
    cells = None if candidates is None else list(candidates)
    return {"candidates": cells, "columns": dict(columns or {}), **bounds, "device": device}


class Search:
    """Finds the best cells of a space, from what the caller tells of the cells that it asks for.

    `maximize` and `minimize` name the objectives, several of which give a Pareto front. `known` are cells and their values,
    `pending` cells that are being measured elsewhere. `candidates` are the only cells that may be asked for; `columns` are numbers
    that are known of them [n], and `at_most` and `at_least` bound these. `fidelities` are cheaper measurements of the first
    objective and their costs, where a full one costs 1. `options` replaces keys of a configuration, such as
    `{"search.initial": 20}`. `device` is auto, cpu, cuda or cuda:N.
    """

    def __init__(
        self, space: str | Space, *, maximize: str | Sequence[str] = (), minimize: str | Sequence[str] = (), seed: int = 0,
        known: Mapping[str, Values] | None = None, pending: Iterable[Any] = (),
        candidates: Iterable[Any] | None = None, columns: Mapping[str, ArrayLike] | None = None,
        at_most: Mapping[str, float] | None = None, at_least: Mapping[str, float] | None = None,
        fidelities: Mapping[str, float] | None = None, options: Mapping[str, Any] | None = None, device: str = "auto",
    ) -> None:
        more, less = ([names] if isinstance(names, str) else names for names in (maximize, minimize))
        cheaper = {"search.fidelities": dict(fidelities)} if fidelities else {}
        what = {
            "space": Space(space) if isinstance(space, str) else space,
            "objectives": [*more, *(f"-{name}" for name in less)] or ["objective"],
            "seed": seed, "config": None, "settings": settings({**(options or {}), **cheaper}),
        }
        self._start(what, _pool(candidates, columns, at_most, at_least, device))
        for arch, values in (known or {}).items():
            self.tell(arch, values)
        for arch in pending:
            self._core.tell(arch, None, None)

    def _start(self, what: dict[str, Any], pool: dict[str, Any], log: bytes = b"") -> None:
        self._arguments = {**what, **pool}
        self._core = SearchCore(self._arguments, log)

    @property
    def objectives(self) -> list[str]:
        """Their names, those that are minimised with a minus sign."""
        return list(self._arguments["objectives"])

    def ask(self, count: int = 1, goal: Literal["best", "ranking"] = "best") -> list[Cell]:
        """At most `count` cells to measure next, fewer or none where no cell is left. With the goal "ranking" those that a
        predictor of all cells learns most from. They are pending until they are told."""
        return [Cell(*asked) for asked in self._core.ask(count, goal)]

    def tell(self, arch: Any, values: Values, fidelity: str | None = None) -> None:
        """The value of a cell, or its values in the order of the objectives or by their names. A cell that was not asked for
        is known from then on. Raises InputError for a cell that has a value, and for values that are not finite."""
        if isinstance(values, Mapping):
            names = [name.removeprefix("-") for name in self.objectives]
            missing = [name for name in names if name not in values]
            if missing:
                raise InputError(f"no value of {', '.join(missing)}", "dataset")
            values = [float(values[name]) for name in names]
        numbers = [float(value) for value in values] if isinstance(values, Sequence) else [float(values)]
        self._core.tell(arch, numbers, fidelity or getattr(arch, "fidelity", None))

    def tell_failed(self, arch: Any, reason: str = "failed", fidelity: str | None = None) -> None:
        """That a cell has no value; it is not asked for again. Raises UnknownCellError (a KeyError) unless it is pending."""
        self._core.tell_failed(arch, reason, fidelity or getattr(arch, "fidelity", None))

    def best(self) -> tuple[str, float]:
        """The best measured cell by the first objective, and its value. Raises InputError where none has a value."""
        front = self._core.best()
        if not front:
            raise InputError("no cell has a value yet", "dataset", "tell one")
        return front[0][0], front[0][1][0]

    def front(self) -> list[tuple[str, list[float]]]:
        """The cells that no other one beats in all objectives, and their values; the best cell where there is one objective."""
        return self._core.best()

    def pending(self) -> list[Cell]:
        """Cells without an answer, in the order in which they were asked for."""
        return [Cell(*asked) for asked in self._core.pending()]

    def history(self) -> list[tuple[Cell, list[float] | None]]:
        """Answered cells and their values, None of those that failed, in the order of their answers."""
        return [(Cell(arch, fidelity), values) for arch, fidelity, values in self._core.history()]

    @property
    def config(self) -> str:
        """The configuration with which `carl search CONFIG --resume LOG --oracle COMMAND` goes on with a saved search."""
        return self._core.config

    def save(self, path: StrPath) -> None:
        """Writes the log, as `carl search --log` keeps it; a file that was there is replaced once the new one is whole."""
        self._core.save(path)

    @classmethod
    def load(
        cls, path: StrPath, *, space: Space | None = None,
        candidates: Iterable[Any] | None = None, columns: Mapping[str, ArrayLike] | None = None,
        at_most: Mapping[str, float] | None = None, at_least: Mapping[str, float] | None = None, device: str = "auto",
    ) -> Self:
        """Goes on with a log, of a search or of the command line. Candidates with their columns and bounds, and a space that has
        operations of its own, are given again. Raises InputError where they are others."""
        log = pathlib.Path(path).read_bytes()
        header = json.loads(SearchCore.header(log.decode(errors="replace")))
        what = {"space": space or Space(header["space"]), "settings": []}
        what |= {name: header[name] for name in ("objectives", "seed", "config")}
        self = cls.__new__(cls)
        self._start(what, _pool(candidates, columns, at_most, at_least, device), log)
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {"arguments": self._arguments, "log": self._core.log()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._start(state["arguments"], {}, bytes(state["log"]))

    def __repr__(self) -> str:
        return f"Search('{self._arguments['space'].name}', {self.objectives}, {len(self.history())} answers)"
