"""Nodes that break the contract, each in one way, and a sound one that they come from; `BROKEN` says which check finds what."""

import os
import random
from typing import Any, ClassVar

import attrs
import narwhals as nw
import numpy as np
import torch

from pipeops.errors import DataError
from pipeops.graph import Channel, PipeOp
from pipeops.ops import Preprocess, operator
from pipeops.params import anything, integer, real


@operator
class Sound(Preprocess):
    """Subtract the mean.

    >>> Sound(shift=1.0)
    Sound(shift=1.0)
    """

    kinds = ("numeric",)
    shift: float = real(default=0.0)

    def fit(self, frame: Any, target: Any) -> Any:
        return {c: frame[c].mean() for c in frame.columns}

    def apply(self, frame: Any, state: Any) -> Any:
        return frame.with_columns(nw.col(c) - mean + self.shift for c, mean in state.items())


@operator
class BadRepr(Sound):
    __doc__ = Sound.__doc__

    def __repr__(self) -> str:
        return "Sound()"


@operator
class NoDocstring(Sound):
    pass


@operator
class BadExample(Sound):
    """Fails.

    >>> 1 + 1
    3
    """


@operator
class Forgetful(Sound):
    __doc__ = Sound.__doc__

    def with_param(self, address: str, value: Any) -> Any:
        return type(self)(shift=3.0)


@operator
class Unpicklable(Sound):
    __doc__ = Sound.__doc__

    def __reduce__(self) -> Any:
        return Sound, ()


@operator
class Greedy(PipeOp):
    """Two values for one output.

    >>> Greedy().id
    'greedy'
    """

    def train(self, inputs: Any) -> Any:
        return [inputs[0], inputs[0]], {}

    def predict(self, inputs: Any, state: Any) -> Any:
        return inputs


@operator
class Spoiling(Sound):
    __doc__ = Sound.__doc__

    def train(self, inputs: Any) -> Any:
        result = super().train(inputs)
        inputs[0] = None
        return result


@operator
class Remembering(Sound):
    __doc__ = Sound.__doc__
    calls: ClassVar[list[int]] = []

    def fit(self, frame: Any, target: Any) -> Any:
        self.calls.append(1)
        return {c: len(self.calls) for c in frame.columns}


@operator
class Different(Sound):
    __doc__ = Sound.__doc__

    def fit_apply(self, frame: Any, target: Any) -> Any:
        return frame, self.fit(frame, target)


@operator
class Divides(Sound):
    __doc__ = Sound.__doc__

    def fit(self, frame: Any, target: Any) -> Any:
        if len(frame) < 2:
            raise DataError("divides: too few rows.")
        return super().fit(frame, target)


@operator
class AnyLayout(Sound):
    __doc__ = Sound.__doc__

    def _check_layout(self, types: Any, state: Any) -> None:
        pass

    def apply(self, frame: Any, state: Any) -> Any:
        return frame


@operator
class UnsavableState(Sound):
    __doc__ = Sound.__doc__

    def fit(self, frame: Any, target: Any) -> Any:
        return {c: iter([0.0]) for c in frame.columns}

    def apply(self, frame: Any, state: Any) -> Any:
        return frame


@operator
class Random(Sound):
    __doc__ = Sound.__doc__

    def fit(self, frame: Any, target: Any) -> Any:
        random.random()
        return dict.fromkeys(frame.columns, 0.0)


@operator
class NumpyRandom(Sound):
    __doc__ = Sound.__doc__

    def fit(self, frame: Any, target: Any) -> Any:
        np.random.rand()
        return dict.fromkeys(frame.columns, 0.0)


@operator
class Unchecked(Sound):
    __doc__ = Sound.__doc__
    example: ClassVar[Any] = {"size": 1}
    size: int = integer(1)


@operator
class TakesNothing(Sound):
    __doc__ = Sound.__doc__
    what: Any = anything(None)

    def train(self, inputs: Any) -> Any:
        raise DataError("never.")


class Broken(Sound):
    """A base, so that every broken node has a sound docstring.

    >>> 1 + 1
    2
    """

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        cls.__doc__ = cls.__doc__ or Sound.__doc__


# ---------------------------------------------------------------- what is learnt, and when


@operator
class RefitsAtPredict(Broken):
    def predict(self, inputs: Any, state: Any) -> Any:
        return self.train(inputs)[0]


@operator
class RefitsWhenAsked(Broken):
    def apply(self, frame: Any, state: Any) -> Any:
        return super().apply(frame, self.fit(frame, None))


@operator
class DependsOnOtherRows(Broken):
    def apply(self, frame: Any, state: Any) -> Any:
        return frame.with_columns(nw.col(*frame.columns).cum_sum())


@operator
class FillsFromTheRowBefore(Broken):
    def apply(self, frame: Any, state: Any) -> Any:
        return frame.with_columns(nw.col(*frame.columns).shift(1).fill_null(0))


@operator
class StateOnTheClass(Broken):
    means: ClassVar[dict[str, float]] = {}

    def fit(self, frame: Any, target: Any) -> Any:
        self.means.update(super().fit(frame, target))
        return dict.fromkeys(frame.columns, 0.0)

    def apply(self, frame: Any, state: Any) -> Any:
        return super().apply(frame, self.means)


@operator
class StateReplacedOnTheClass(Broken):
    mean: ClassVar[Any] = None

    def fit(self, frame: Any, target: Any) -> Any:
        type(self).mean = super().fit(frame, target)
        return type(self).mean

    def apply(self, frame: Any, state: Any) -> Any:
        return super().apply(frame, type(self).mean)


@operator
class StateOnTheNode(Broken):
    def fit(self, frame: Any, target: Any) -> Any:
        vars(self)["learnt"] = super().fit(frame, target)
        return self.learnt

    def apply(self, frame: Any, state: Any) -> Any:
        return super().apply(frame, self.learnt)


SEEN: dict[str, Any] = {}


@operator
class StateInTheModule(Broken):
    def fit(self, frame: Any, target: Any) -> Any:
        return SEEN.setdefault(str(frame.columns), super().fit(frame, target))

    def apply(self, frame: Any, state: Any) -> Any:
        return super().apply(frame, SEEN.get(str(frame.columns), dict.fromkeys(frame.columns, 0.0)))


@operator
class OrderOfHashes(Broken):
    def fit(self, frame: Any, target: Any) -> Any:
        return {c: float(hash("some text") % 1000) for c in frame.columns}


# ---------------------------------------------------------------- rows


@operator
class ReversesInTraining(Broken):
    def fit_apply(self, frame: Any, target: Any) -> Any:
        out, state = super().fit_apply(frame, target)
        return out[::-1], state


@operator
class ReversesInTrainingAndSaysSo(ReversesInTraining):
    predict_equals_train: ClassVar[bool] = False


@operator
class SortsInBoth(Broken):
    def apply(self, frame: Any, state: Any) -> Any:
        return frame.sort(frame.columns[0])


@operator
class ReversesInBoth(Broken):
    def apply(self, frame: Any, state: Any) -> Any:
        return frame[::-1]


@operator
class ReversesTheTask(Broken):
    def train(self, inputs: Any) -> Any:
        (task,), state = super().train(inputs)
        return (task.filter(task.row_ids[::-1]),), state


@operator
class ReversesTheTaskInBoth(ReversesTheTask):
    def predict(self, inputs: Any, state: Any) -> Any:
        (task,) = super().predict(inputs, state)
        return (task.filter(task.row_ids[::-1]),)


@operator
class DropsRowsAtPredict(Broken):
    def predict(self, inputs: Any, state: Any) -> Any:
        (task,) = super().predict(inputs, state)
        return (task.filter(task.row_ids[2:]),)


@operator
class DropsMissingRowsAtPredict(Broken):
    def predict(self, inputs: Any, state: Any) -> Any:
        (task,) = super().predict(inputs, state)
        return (task.filter([i for i in task.row_ids.tolist() if i != 3]),)


# ---------------------------------------------------------------- the target


@operator
class ReadsTargetAtPredict(Broken):
    def predict(self, inputs: Any, state: Any) -> Any:
        (task,) = super().predict(inputs, state)
        first = float(task.target_series().to_list()[0] in (0.0, "no", "p")) if task.nrow else 0.0
        return (task.with_features(task.frame().with_columns(nw.col(*state["columns"]) + first)),)


@operator
class NeedsTargetAtPredict(Broken):
    def predict(self, inputs: Any, state: Any) -> Any:
        inputs[0].target_series()
        return super().predict(inputs, state)


@operator
class LeaksTarget(Broken):
    def fit_apply(self, frame: Any, target: Any) -> Any:
        state = self.fit(frame, target)
        return self.apply(frame, state).with_columns(target.alias("leak")), state

    def apply(self, frame: Any, state: Any) -> Any:
        return super().apply(frame, state).with_columns(leak=nw.lit(0.0))


@operator
class LeaksDeclaredTarget(LeaksTarget):
    target: ClassVar[bool] = True


@operator
class LearnsFromTargetSilently(Broken):
    def fit(self, frame: Any, target: Any) -> Any:
        first = float(target.to_list()[0] in (0.0, "no", "p")) if len(target) else 0.0
        return {c: mean + first for c, mean in super().fit(frame, target).items()}


@operator
class ShufflesTarget(Broken):
    def train(self, inputs: Any) -> Any:
        (task,), state = super().train(inputs)
        values = task.target_series().to_frame()[np.roll(np.arange(task.nrow), 1)].get_column(task.target_name)
        return (task.with_target(values),), state


# ---------------------------------------------------------------- outputs


@operator
class AnotherTypeAtPredict(Broken):
    def predict(self, inputs: Any, state: Any) -> Any:
        return [task.data() for task in super().predict(inputs, state)]


@operator
class ArrayAtPredict(Broken):
    def predict(self, inputs: Any, state: Any) -> Any:
        return [task.frame().to_numpy() for task in super().predict(inputs, state)]


@operator
class OtherColumnsAtPredict(Broken):
    def predict(self, inputs: Any, state: Any) -> Any:
        (task,) = super().predict(inputs, state)
        return (task.select(task.feature_names[1:]),)


@operator
class OtherKindsAtPredict(Broken):
    def predict(self, inputs: Any, state: Any) -> Any:
        (task,) = super().predict(inputs, state)
        return (task.with_features(task.frame().with_columns(nw.col(*state["columns"]).cast(nw.String))),)


@operator
class ColumnsByPosition(Broken):
    def predict(self, inputs: Any, state: Any) -> Any:
        names, (task,) = list(state["layout"]), inputs
        renamed = dict(zip(task.feature_names, names, strict=False))
        return super().predict([task.with_features(task.frame().rename(renamed))], state)


@operator
class StatesAnotherType(Broken):
    inputs: ClassVar[Any] = (Channel("input", "Task", "Task"),)
    outputs: ClassVar[Any] = (Channel("output", "PredictionRegr", "PredictionRegr"),)


# ---------------------------------------------------------------- what lies around


@operator
class ConstantGlobalSeed(Broken):
    def fit(self, frame: Any, target: Any) -> Any:
        np.random.seed(1)
        return {c: np.random.rand() for c in frame.columns}


@operator
class ConstantTorchSeed(Broken):
    def fit(self, frame: Any, target: Any) -> Any:
        torch.manual_seed(1)
        return {c: float(torch.rand(1)) for c in frame.columns}


@operator
class SeedAtPredict(Broken):
    def apply(self, frame: Any, state: Any) -> Any:
        random.seed(1)
        return super().apply(frame, state)


@operator
class ReadsGlobalGenerator(Broken):
    def fit(self, frame: Any, target: Any) -> Any:
        kept = np.random.get_state()
        drawn = np.random.rand()
        np.random.set_state(kept)
        return dict.fromkeys(frame.columns, drawn)


@operator
class ChangesDtype(Broken):
    def fit(self, frame: Any, target: Any) -> Any:
        torch.set_default_dtype(torch.float64)
        return super().fit(frame, target)


@operator
class ChangesThreads(Broken):
    def fit(self, frame: Any, target: Any) -> Any:
        torch.set_num_threads(1)
        return super().fit(frame, target)


@operator
class TurnsOffGradients(Broken):
    def fit(self, frame: Any, target: Any) -> Any:
        torch.set_grad_enabled(False)
        return super().fit(frame, target)


@operator
class SilencesNumpy(Broken):
    def apply(self, frame: Any, state: Any) -> Any:
        np.seterr(all="ignore")
        return super().apply(frame, state)


@operator
class ChangesEnvironment(Broken):
    def fit(self, frame: Any, target: Any) -> Any:
        os.environ["SOME_SETTING"] = "1"
        return super().fit(frame, target)


@operator
class ClampsAtConstruction(Broken):
    q: float = real(0, 1, default=0.1)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "q", min(self.q, 0.5))


@operator
class ClampsByConverter(Broken):
    q: float = attrs.field(
        default=0.1, converter=lambda q: max(0.0, min(q, 1.0)), kw_only=True, metadata=attrs.fields(Sound).shift.metadata
    )


@operator
class PolarsOnly(Broken):
    def apply(self, frame: Any, state: Any) -> Any:
        import polars as pl

        native = frame.to_native().with_columns(pl.col(c) - mean for c, mean in state.items())
        return nw.from_native(native, eager_only=True)


@operator
class AnswersPolars(Broken):
    def apply(self, frame: Any, state: Any) -> Any:
        return nw.from_native(super().apply(frame, state).to_polars(), eager_only=True)


@operator
class WritesIntoPandas(Broken):
    def apply(self, frame: Any, state: Any) -> Any:
        native = frame.to_native()
        if hasattr(native, "iloc"):
            native.iloc[:, 0] = native.iloc[0, 0]
        return super().apply(frame, state)


@operator
class NeedsValues(Sound):
    __doc__ = Sound.__doc__

    def fit(self, frame: Any, target: Any) -> Any:
        return {c: float(frame[c].mean()) for c in frame.columns}


BROKEN = [
    (BadRepr(shift=2.0), "repr"),
    (NoDocstring(), "docstring"),
    (BadExample(), "docstring"),
    (Forgetful(), "hyperparameters"),
    (Unpicklable(), "copies"),
    (Greedy(), "channels"),
    (Spoiling(), "inputs_stay"),
    (Remembering(), "repeats"),
    (Different(), "predict_equals_train"),
    (Divides(), "few_rows"),
    (AnyLayout(), "layout"),
    (UnsavableState(), "state_copies"),
    (Random(), "global_generators"),
    (NumpyRandom(), "global_generators"),
    (Unchecked(size=1), "unset"),
    (TakesNothing(), "channels"),
    (RefitsAtPredict(), "part"),
    (RefitsWhenAsked(), "part"),
    (DependsOnOtherRows(), "part"),
    (FillsFromTheRowBefore(), "part"),
    (StateOnTheClass(), "holds_nothing"),
    (StateReplacedOnTheClass(), "holds_nothing"),
    (StateOnTheNode(), "holds_nothing"),
    (StateInTheModule(), "fresh_process"),
    (OrderOfHashes(), "fresh_process"),
    (ReversesInTraining(), "rows_stay"),
    (ReversesInTrainingAndSaysSo(), "rows_stay"),
    (SortsInBoth(), "part"),
    (ReversesInBoth(), "part"),
    (ReversesTheTask(), "rows_stay"),
    (ReversesTheTaskInBoth(), "rows_stay"),
    (DropsRowsAtPredict(), "rows_stay"),
    (DropsMissingRowsAtPredict(), "rows_stay"),
    (ReadsTargetAtPredict(), "target_at_predict"),
    (NeedsTargetAtPredict(), "target_at_predict"),
    (LeaksTarget(), "target_in_training"),
    (LeaksDeclaredTarget(), "target_in_training"),
    (LearnsFromTargetSilently(), "target_in_training"),
    (ShufflesTarget(), "rows_stay"),
    (AnotherTypeAtPredict(), "types"),
    (ArrayAtPredict(), "types"),
    (OtherColumnsAtPredict(), "types"),
    (OtherKindsAtPredict(), "types"),
    (ColumnsByPosition(), "column_order"),
    (NeedsValues(), "nothing_known"),
    (StatesAnotherType(), "types"),
    (ConstantGlobalSeed(), "global_generators"),
    (ConstantTorchSeed(), "global_generators"),
    (SeedAtPredict(), "global_generators"),
    (ReadsGlobalGenerator(), "global_generators"),
    (ChangesDtype(), "settings"),
    (ChangesThreads(), "settings"),
    (TurnsOffGradients(), "settings"),
    (SilencesNumpy(), "settings"),
    (ChangesEnvironment(), "fresh_process"),
    (ClampsAtConstruction(), "kept"),
    (ClampsByConverter(), "kept"),
    (PolarsOnly(), "libraries"),
    (AnswersPolars(), "libraries"),
    (WritesIntoPandas(), "libraries"),
]
