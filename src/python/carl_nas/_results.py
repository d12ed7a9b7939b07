"""Results of trainings in a folder, for processes that need no LibTorch."""
from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def whole(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A name for what takes the place of `path` once it is whole and on the disk."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    yield partial
    with open(partial, "rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)


def _path(folder: pathlib.Path, config: dict[str, Any]) -> pathlib.Path:
    text = json.dumps([config["arch"], config.get("fidelity")])
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def keep(folder: pathlib.Path, config: dict[str, Any], metrics: Any) -> None:
    """Writes what a trial of this configuration has found."""
    folder.mkdir(parents=True, exist_ok=True)
    cell = {key: config[key] for key in ("arch", "fidelity") if key in config}
    with whole(_path(folder, config)) as partial:
        partial.write_text(json.dumps({"config": cell, "metrics": metrics}, default=float))


def kept(folder: pathlib.Path, config: dict[str, Any]) -> Any:
    """What a trial of this configuration has found; None if none has."""
    path = _path(folder, config)
    return json.loads(path.read_text())["metrics"] if path.exists() else None


def kept_in(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Configurations that have results."""
    return [json.loads(path.read_text())["config"] for path in sorted(folder.glob("*.json"))]


def remember(train: Callable[[dict[str, Any]], Any], folder: str | os.PathLike[str]) -> Callable[[dict[str, Any]], Any]:
    """`train`, a function that Ray Tune calls with a configuration and that returns its metrics: they are kept in `folder`, which
    all machines see, before Ray gets them, and a cell that has some is not trained again. What a function reports instead of
    returning it is kept as soon as the driver, the process of the Tuner, hears that the trial has ended."""
    place = pathlib.Path(folder).absolute()

    @functools.wraps(train)
    def trial(config: dict[str, Any]) -> Any:
        if (metrics := kept(place, config)) is None and (metrics := train(config)):
            keep(place, config, metrics)
        return metrics

    return trial
