"""A learner that sees chosen features only: what a search for features trains.

Neighbours: learner and validation below; `fselect` searches for its one hyperparameter.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pipeops.data import Task
from pipeops.errors import ConfigError
from pipeops.learn.fits import Run
from pipeops.learn.learner import SAVED_PARTS, Learner, saved_parts, with_saved_parts
from pipeops.learn.measures.measure import Measure
from pipeops.learn.validation import Passes
from pipeops.params import Param, Setting
from pipeops.saving import saved_as


class OnFeatures(Passes, Learner):
    """A learner on some features of its task, with the hyperparameters of the one that it holds.

    features: their names, None for all. The validation data are cut to them as well.
    """

    def __init__(self, learner: Learner, features: Sequence[str] | None = None, id: str | None = None):
        super().__init__(id if id is not None else learner.id)
        self.inner, self.features = learner.clone(), None if features is None else list(features)

    def own_params(self) -> Mapping[str, Setting]:
        """The features."""
        return {"features": Setting(Param("anything", default=None), self.features)}

    def parts(self) -> dict[str, Learner]:
        """The learner."""
        return {"": self.inner}

    def _set_param(self, address: str, value: Any) -> None:
        if address == "features":
            self.features = value
        else:
            self.inner.params[address] = value
        self.reset()

    @property
    def task_type(self) -> str | None:  # type: ignore[override]
        """That of the learner."""
        return self.inner.task_type

    @property
    def predict_types(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the learner."""
        return self.inner.predict_types

    @property
    def predict_type(self) -> str:
        """That of the learner; may be set."""
        return self.inner.predict_type

    @predict_type.setter
    def predict_type(self, value: str) -> None:
        self.inner.predict_type = value  # type: ignore[misc]

    @property
    def vectorizes(self) -> bool:  # type: ignore[override]
        """Whether the learner does."""
        return self.inner.vectorizes

    def clone(self) -> Self:
        """An untrained copy."""
        new = super().clone()
        new.inner = self.inner.clone()
        return new

    # ---------------------------------------------------------------- validating

    @property
    def validates_on(self) -> Any:
        """What the learner does."""
        return self.inner.validates_on

    @property
    def watched(self) -> Measure | None:
        """What the learner watches."""
        return self.inner.watched

    def with_validation(self) -> Self:
        """A copy whose learner validates on what training is handed."""
        return self._exchanged({"": self.inner.with_validation()})

    def _validating(self) -> Mapping[str, Learner]:
        return {"": self.inner}

    def _exchanged(self, others: Mapping[str, Any]) -> Self:
        new = self.clone()
        new.inner = others.get("", self.inner)
        return new

    def _state_of(self, state: Learner, name: str) -> Any:
        return state.model

    # ---------------------------------------------------------------- training

    def _train(self, task: Task, valid: Task | None) -> Run[Learner]:
        return (yield from self.inner.clone().training(self._cut(task), None if valid is None else self._cut(valid)))

    def _predict(self, task: Task, model: Learner) -> Any:
        if model.predict_type != self.inner.predict_type:
            model.predict_type = self.inner.predict_type  # type: ignore[misc]
        return model.predict(self._cut(task))

    def _cut(self, task: Task) -> Task:
        if self.features is not None and not self.features:
            raise ConfigError(f"{self.id}: no feature is chosen; give at least one.")
        return task if self.features is None else task.select(self.features)

    def selected_features(self) -> list[str]:
        """The features that it was trained on."""
        return self.model.state.prototype.feature_names

    def importance(self) -> dict[str, float]:
        """What the learner says of them."""
        return self.model.importance()


def _to_plain(learner: OnFeatures) -> dict[str, Any]:
    return {**saved_parts(learner), "inner": learner.inner, "features": learner.features}


def _from_plain(plain: dict[str, Any]) -> OnFeatures:
    return with_saved_parts(OnFeatures(plain["inner"], plain["features"], id=plain["id"]), plain)


saved_as(OnFeatures, _from_plain, _to_plain, plain=SAVED_PARTS | {"inner": Learner, "features": list[str] | None})
