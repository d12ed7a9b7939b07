"""Cells to train, and results of trainings in a folder, for processes that need no LibTorch."""
from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

StrPath = str | os.PathLike[str]


class Cell(str):
    """The text of a cell that is to be measured, and the cheaper measurement that it is to get, if not the full one."""

    fidelity: str | None

    def __new__(cls, arch: str, fidelity: str | None = None) -> Self:
        cell = super().__new__(cls, arch)
        cell.fidelity = fidelity
        return cell

    @property
    def config(self) -> dict[str, str]:
        """The configuration of a trial of it."""
        return {"arch": str(self)} | ({"fidelity": self.fidelity} if self.fidelity else {})


@contextlib.contextmanager
def whole(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A name for what takes the place of `path` once it is whole and on the disk."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    yield partial
    with open(partial, "rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)


def _path(folder: pathlib.Path, cell: Cell) -> pathlib.Path:
    text = json.dumps([cell, cell.fidelity])
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def keep(folder: pathlib.Path, cell: Cell, metrics: Any) -> None:
    """Writes what a trial of this cell has found."""
    folder.mkdir(parents=True, exist_ok=True)
    with whole(_path(folder, cell)) as partial:
        partial.write_text(json.dumps({"config": cell.config, "metrics": metrics}, default=float))


def kept(folder: pathlib.Path, cell: Cell) -> Any:
    """What a trial of this cell has found; None if none has."""
    path = _path(folder, cell)
    return json.loads(path.read_text())["metrics"] if path.exists() else None


def kept_in(folder: pathlib.Path) -> list[Cell]:
    """Cells that have results."""
    return [Cell(**json.loads(path.read_text())["config"]) for path in sorted(folder.glob("*.json"))]


def remember(train: Callable[[dict[str, Any]], Any], folder: StrPath) -> Callable[[dict[str, Any]], Any]:
    """`train`, a function that Ray Tune calls with a configuration and that returns its metrics: they are kept in `folder`, which
    all machines see, before Ray gets them, and a cell that has some is not trained again. What a function reports instead of
    returning it is kept as soon as the driver, the process of the Tuner, hears that the trial has ended."""
    place = pathlib.Path(folder).absolute()

    @functools.wraps(train)
    def trial(config: dict[str, Any]) -> Any:
        cell = Cell(config["arch"], config.get("fidelity"))
        if (metrics := kept(place, cell)) is None and (metrics := train(config)):
            keep(place, cell, metrics)
        return metrics

    return trial
