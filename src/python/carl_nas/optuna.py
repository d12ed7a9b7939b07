"""A sampler of Optuna for spaces of choices: networks that are a list of decisions."""
from __future__ import annotations

import math
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from . import InputError, Search, Space


def _values(name: str, choices: BaseDistribution | Sequence[Any]) -> tuple[BaseDistribution, list[Any]]:
    """The distribution of a decision and its values."""
    if not isinstance(choices, BaseDistribution):
        choices = CategoricalDistribution(list(choices))
    if isinstance(choices, CategoricalDistribution):
        return choices, list(choices.choices)
    if isinstance(choices, IntDistribution) and not choices.log:
        return choices, list(range(choices.low, choices.high + 1, choices.step))
    raise InputError(f"{name}: {choices} is not a list of choices\n  hint: use a categorical or an integer one", "usage")


def _declared(values: list[Any]) -> list[Any]:
    """Values as carl declares them: numbers as they are, anything else as a word."""
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    return values if numbers else [f"v{pick}" for pick in range(len(values))]


class CarlSampler(BaseSampler):  # type: ignore[misc]
    """Proposes networks by the search of carl. `choices` has the values, or Optuna's distribution, of every decision:

        optuna.create_study(direction="maximize", sampler=CarlSampler({"depth": [1, 2, 3], "kernel": [3, 5, 7]}))

    Trials that run elsewhere are not proposed twice; parameters that `choices` does not have are drawn.
    """

    def __init__(self, choices: Mapping[str, BaseDistribution | Sequence[Any]], *, seed: int = 0) -> None:
        decided = {name: _values(name, values) for name, values in choices.items()}
        self.distributions = {name: distribution for name, (distribution, _) in decided.items()}
        self.values = {name: values for name, (_, values) in decided.items()}
        self.declared = {
            re.sub(r"[^A-Za-z0-9_.]", "_", name) + ("" if re.fullmatch(r"[A-Za-z0-9_.]+", name) else f"_{k}"): _declared(values)
            for k, (name, values) in enumerate(self.values.items())
        }
        self.space = Space("choices", choices=self.declared)
        self.tokens: list[list[str]] = []
        self.seed = seed
        self.independent = RandomSampler(seed)
        self.search: Search | None = None
        self.told: set[int] = set()
        self.lock = threading.Lock()

    # What stands for a value in the text of a network: numbers are ordered, anything else is a word.
    def _text(self, picks: Sequence[int]) -> str:
        return " ".join(f"{name}={values[pick]}" for (name, values), pick in zip(self.declared.items(), picks))

    def _params(self, text: str) -> dict[str, Any]:
        picks = [tokens.index(token) for tokens, token in zip(self.tokens, text.split(" "))]
        return {name: values[pick] for (name, values), pick in zip(self.values.items(), picks)}

    def _start(self, direction: StudyDirection) -> Search:
        for place, values in enumerate(self.declared.values()):
            picks = [[pick if k == place else 0 for k in range(len(self.declared))] for pick in range(len(values))]
            self.tokens.append([self.space.parse(self._text(pick)).split(" ")[place] for pick in picks])
        objective = {"minimize" if direction == StudyDirection.MINIMIZE else "maximize": "value"}
        return Search(self.space, **objective, seed=self.seed)  # type: ignore[arg-type]

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        with self.lock:
            if self.search is None:
                self._raise_error_if_multi_objective(study)
                self.search = self._start(study.direction)
            for other in study.get_trials(deepcopy=False):
                if other.number not in self.told and other.state.is_finished() and self.values.keys() <= other.params.keys():
                    self._tell(self.search, other)
            cells = self.search.ask()
        return self._params(cells[0]) if cells else {}

    def _tell(self, search: Search, trial: FrozenTrial) -> None:
        picks = [values.index(trial.params[name]) for name, values in self.values.items()]
        text = self.space.parse(self._text(picks))
        self.told.add(trial.number)
        if any(text == cell for cell, values in search.history() if values):
            return
        if trial.state == TrialState.COMPLETE and math.isfinite(trial.value):
            search.tell(text, trial.value)
        elif text in search.pending():
            search.tell_failed(text)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.independent.sample_independent(study, trial, param_name, param_distribution)
