"""Feature selection by a learner's own scores: `auto_fselector` searches for the features that a learner does best with.

Being a learner it can be resampled, and then sees neither rows nor features through the test rows.
Neighbours: searching, feature_sets and on_features below; filters (`po("filter")`) look at features without a learner.
"""

from typing import Any

from pipeops.data import Task
from pipeops.errors import ConfigError, listing
from pipeops.guesses import by_name
from pipeops.learn.learner import SAVED_PARTS, Learner, saved_parts, with_saved_parts
from pipeops.learn.measures.measure import Measure
from pipeops.learn.resampling.base import Resampling
from pipeops.learn.tuning.feature_sets import METHODS, Wanted
from pipeops.learn.tuning.limits import Limits, check_count
from pipeops.learn.tuning.on_features import OnFeatures
from pipeops.learn.tuning.search import Search
from pipeops.learn.tuning.searching import Searching, checked_parts
from pipeops.learn.tuning.strategies import Scheduled
from pipeops.params import Setting
from pipeops.saving import saved_as
from pipeops.saving.codecs import fields


class AutoFSelector(Searching):
    """A learner that searches for features on its training rows, and then trains on those alone; made by `auto_fselector`.

    Hyperparameters are the learner's.
    """

    def __init__(self, learner: Learner, method: str, wanted: Wanted, *parts: Any, **named: Any):
        super().__init__(learner, *parts, **named)
        self.method, self.wanted = method, wanted

    def own_params(self) -> dict[str, Setting]:
        """Those of the learner."""
        return dict(self._learner.params.settings())

    def _set_param(self, address: str, value: Any) -> None:
        self._learner.params[address] = value
        self.reset()

    def _searched(self, task: Task, valid: Task | None, seed: int) -> tuple[Search, Learner]:
        features = task.feature_names
        if not self.wanted.low <= self.wanted.most(features):
            raise ConfigError(
                f"{self.id}: at least {self.wanted.low} and at most {self.wanted.high} of {len(features)} features cannot be had."
            )
        learner = OnFeatures(self._learner)
        search, for_strategy = self._search(learner, task, valid, seed, ["features", "n_features", "batch"], {})
        schedule = METHODS[self.method](features, self.wanted, for_strategy)
        search.run(Scheduled(schedule, learners=self.method == "rfe"), self.limits, self.n_parallel)
        return search, learner

    def _rank(self, config: dict[str, Any]) -> float:
        return len(config["features"])

    def selected_features(self) -> list[str]:
        """The features that were chosen."""
        return list(self.model.best_params["features"])


@by_name
def auto_fselector(
    learner: Any,
    resampling: Any = None,
    measure: Any = None,
    n_trials: int | None = None,
    *,
    method: str = "forward",
    min_features: int = 1,
    max_features: int | None = None,
    step: float = 0.5,
    seed: int | None = None,
    seconds: float | None = None,
    stagnation: int | None = None,
    target: float | None = None,
    n_parallel: int = 1,
    id: str | None = None,
) -> AutoFSelector:
    """A learner that searches for the features `learner` does best with, and then trains it on those alone.

    method: "forward" (one feature more at a time, until `max_features`), "backward" (one less, until `min_features`), "random",
    "exhaustive" (every set), or "rfe": recursive elimination of the features that the learners of the folds find the least
    important (their `importance()`), `step` of them at a time, a number or a share. resampling, measure, limits, seed and
    n_parallel are those of `auto_tuner`; only "random" needs a limit. Of sets with equal scores the smallest wins.

    Once trained, `selected_features()` are the features, `archive` has a row for each set that was tried, `learner` is the one
    trained on the best. Chosen on training rows only, so that `resample` of it is honest.

    >>> from pipeops import auto_fselector, lrn, rsmp, tsk
    >>> selector = auto_fselector(lrn("classif.lda"), rsmp("cv", folds=3), "classif.acc", max_features=2, seed=1)
    >>> selector.train(tsk("iris")).selected_features()
    ['Petal.Width']
    """
    chosen = checked_parts("auto_fselector", learner, resampling, measure)
    if method not in METHODS:
        raise ConfigError(f"auto_fselector: method is one of {listing(METHODS)}, got {method!r}.")
    limits = Limits(n_trials, seconds, stagnation, target)
    limits.check("auto_fselector", method != "random")
    for name, value in (("n_parallel", n_parallel), ("min_features", min_features), ("max_features", max_features)):
        if value is not None:
            check_count("auto_fselector", name, value)
    if isinstance(step, bool) or not isinstance(step, int | float) or not (0 < step < 1 or (step >= 1 and step == int(step))):
        raise ConfigError(f"auto_fselector: 'step' must be a share in (0, 1) or a whole number, got {step!r}.")
    if learner.validates_on == "test":
        raise ConfigError('auto_fselector: with validate="test" the final model has nothing to validate on; use a ratio.')
    common: dict[str, Any] = {"id": id if id is not None else f"{learner.id}.fselector", "seed": seed, "n_parallel": n_parallel}
    return AutoFSelector(learner, method, Wanted(min_features, max_features, step), resampling, chosen, limits, **common)


_SETTINGS: dict[str, Any] = {
    "_learner": Learner,
    "method": str,
    "resampling": Resampling,
    "measures": list[Measure],
    "limits": Limits,
    "seed": int | None,
    "n_parallel": int,
}
_WANTED: dict[str, Any] = {"min_features": int, "max_features": int | None, "step": int | float}


def _to_plain(selector: AutoFSelector) -> dict[str, Any]:
    wanted = dict(zip(_WANTED, (selector.wanted.low, selector.wanted.high, selector.wanted.step), strict=True))
    return {**saved_parts(selector), **{name: getattr(selector, name) for name in _SETTINGS}, **wanted}


def _from_plain(plain: dict[str, Any]) -> AutoFSelector:
    named = {n: plain[n] for n in ("id", "method", "seed", "n_parallel", *_WANTED)}
    made = auto_fselector(plain["_learner"], plain["resampling"], plain["measures"], **fields(plain["limits"]), **named)
    return with_saved_parts(made, plain)


saved_as(AutoFSelector, _from_plain, _to_plain, plain=SAVED_PARTS | _SETTINGS | _WANTED)
