"""A sampler of Optuna for spaces of choices: networks that are a list of decisions."""
from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from . import InputError, Search, Space


def _values(name: str, choices: BaseDistribution) -> list[Any]:
    """The values of a decision."""
    if isinstance(choices, CategoricalDistribution):
        return list(choices.choices)
    if isinstance(choices, IntDistribution) and not choices.log:
        return list(range(choices.low, choices.high + 1, choices.step))
    raise InputError(f"{name}: {choices} is not a list of choices\n  hint: use a categorical or an integer one", "usage")


def _declared(values: list[Any]) -> list[Any]:
    """Values as carl declares them: numbers, which have an order, as they are, anything else as a word."""
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    return values if numbers else [f"v{pick}" for pick in range(len(values))]


class CarlSampler(BaseSampler):  # type: ignore[misc]
    """Proposes networks by the search of carl. `choices` has the values, or Optuna's distribution, of every decision:

        optuna.create_study(direction="maximize", sampler=CarlSampler({"depth": [1, 2, 3], "kernel": [3, 5, 7]}))

    Trials that run elsewhere are not proposed twice; parameters that `choices` does not have are drawn.
    """

    def __init__(self, choices: Mapping[str, BaseDistribution | Sequence[Any]], *, seed: int = 0) -> None:
        self.distributions = {
            name: values if isinstance(values, BaseDistribution) else CategoricalDistribution(list(values))
            for name, values in choices.items()
        }
        self.values = {name: _values(name, values) for name, values in self.distributions.items()}
        self.declared = {f"choice_{place}": _declared(values) for place, values in enumerate(self.values.values())}
        self.space = Space("choices", choices=self.declared)
        self.seed, self.independent, self.lock = seed, RandomSampler(seed), threading.Lock()
        self.search: Search | None = None
        self.told: set[int] = set()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.distributions

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        with self.lock:
            if self.search is None:
                self._raise_error_if_multi_objective(study)
                goal = "minimize" if study.direction == StudyDirection.MINIMIZE else "maximize"
                self.search = Search(self.space, **{goal: "value"}, seed=self.seed)  # type: ignore[arg-type]
            for other in study.get_trials(deepcopy=False):
                if other.number not in self.told and other.state.is_finished() and self.values.keys() <= other.params.keys():
                    self._tell(self.search, other)
            cells = self.search.ask()
        return self._read(cells[0]) if cells else {}

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        return self.independent.sample_independent(study, trial, param_name, param_distribution)

    def _read(self, cell: str) -> dict[str, Any]:
        """The values that a network of carl stands for."""
        words = [part.split("=")[1] for part in cell.split(" ")]
        picks = [int(word[1:]) if word.startswith("v") else known.index(float(word))
                 for word, known in zip(words, self.declared.values())]
        return {name: values[pick] for (name, values), pick in zip(self.values.items(), picks)}

    def _tell(self, search: Search, trial: FrozenTrial) -> None:
        picks = [values.index(trial.params[name]) for name, values in self.values.items()]
        text = self.space.parse(" ".join(f"{name}={known[pick]}" for (name, known), pick in zip(self.declared.items(), picks)))
        self.told.add(trial.number)
        if any(text == cell for cell, values in search.history() if values):
            return
        if trial.state == TrialState.COMPLETE and math.isfinite(trial.value):
            search.tell(text, trial.value)
        elif text in search.pending():
            search.tell_failed(text)
