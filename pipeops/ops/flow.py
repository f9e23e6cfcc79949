"""Operators that move tasks through a graph: nop, copy, chunk, materialize, featureunion, info.

Neighbours: branch.py chooses among ways, multiplicity.py sends several values through one.
"""

import logging
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import narwhals as nw
import numpy as np

from pipeops.data.columns import kind, missing_mask
from pipeops.errors import ConfigError, DataError, listing
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.ops.base import Frame, one_task
from pipeops.params import anything, flag, integer
from pipeops.shorthand import po

TARGETS = re.compile(r"print|none|warning|log::[^:]+::(debug|info|warning|error)")


@po.add("nop")
@operator
class NOP(PipeOp):
    """Hand on what comes in.

    >>> from pipeops import po
    >>> po("nop").predict([1], {})
    [1]
    """

    passes_types: ClassVar[bool] = True

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        return inputs, {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        return inputs


@po.add("copy")
@operator
class Copy(PipeOp):
    """Hand on what comes in through `outnum` outputs, `output1`, `output2`, ….

    >>> from pipeops import po
    >>> po("copy", outnum=2).predict([1], {})
    [1, 1]
    """

    passes_types: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"outnum": 2}

    outnum: int = integer(1)

    def __attrs_post_init__(self) -> None:
        if not self.outnum:
            raise ConfigError(f"{self.id}: set 'outnum', the number of outputs; the channels of a node follow from it.")

    @property
    def outputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(Channel(f"output{k + 1}", "*", "*") for k in range(self.outnum))

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        return self.predict(inputs, {}), {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        return [inputs[0]] * self.outnum


@po.add("chunk")
@operator
class Chunk(PipeOp):
    """In training a part of the rows through each of `outnum` outputs, whose sizes differ by one at most; all rows in prediction.

    shuffle: deal the rows out at random, else neighbours stay together. seed: of that; None draws one, which the state keeps.

    >>> from pipeops import po, tsk
    >>> [task.nrow for task in po("chunk", outnum=4, seed=1).train([tsk("iris")])[0]]
    [38, 38, 37, 37]
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "Task", "Task"),)
    predict_equals_train: ClassVar[bool] = False
    changes_rows: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"outnum": 2}

    outnum: int = integer(1)
    shuffle: bool = flag(True)
    seed: int | None = integer(0, default=None)

    def __attrs_post_init__(self) -> None:
        if not self.outnum:
            raise ConfigError(f"{self.id}: set 'outnum', the number of outputs; the channels of a node follow from it.")

    @property
    def outputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(Channel(f"output{k + 1}", "Task", "Task") for k in range(self.outnum))

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, int]]:
        task = one_task(self, inputs)
        if task.nrow < self.outnum:
            raise DataError(f"{self.id}: the task '{task.id}' has {task.nrow} rows, too few for {self.outnum} parts.")
        seed = int(np.random.SeedSequence().generate_state(1)[0]) if self.seed is None else self.seed
        order = np.random.default_rng(seed).permutation(task.nrow) if self.shuffle else np.arange(task.nrow)
        return [task.filter(task.row_ids[np.sort(part)]) for part in np.array_split(order, self.outnum)], {"seed": seed}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        return [inputs[0]] * self.outnum


@po.add("materialize")
@operator
class Materialize(PipeOp):
    """Hand on a task whose features are a frame of their own, so that a large frame behind a few rows can be let go.

    >>> from pipeops import po, tsk
    >>> po("materialize").train([tsk("iris").filter([3, 5])])[0][0].row_ids.tolist()
    [3, 5]
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "Task", "Task"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "Task", "Task"),)

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        return self.predict(inputs, {}), {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        task = one_task(self, inputs)
        return [task.with_features(task.frame())]


@po.add("featureunion")
@operator
class FeatureUnion(PipeOp):
    """Put the features of several tasks with the same rows side by side; target and other roles come from the first.

    innum: how many inputs; 0 takes any number through one input; a list of texts names as many inputs and puts each text and
    a dot before the features that come through it (an empty text nothing). Features of one name are allowed when their
    values are equal. assert_targets_equal: refuse tasks with another target column. collect_multiplicity: the tasks come as a
    multiplicity, through one edge.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"a": [1.0, 3.0], "y": [0, 1]}, target="y")
    >>> graph = [po("scalerange"), po("nop")] >> po("featureunion", innum=["scaled", ""])
    >>> graph.train(task).feature_names
    ['scaled.a', 'a']
    """

    innum: Any = anything(0)
    assert_targets_equal: bool = flag(True)
    collect_multiplicity: bool = flag(False)

    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "Task", "Task"),)

    def __attrs_post_init__(self) -> None:
        number = isinstance(self.innum, int) and not isinstance(self.innum, bool) and self.innum >= 0
        names = isinstance(self.innum, list | tuple) and self.innum and all(isinstance(n, str) for n in self.innum)
        if not number and not names:
            raise ConfigError(f"{self.id}: 'innum' must be a number from 0 or a list of prefixes, got {self.innum!r}.")
        if self.collect_multiplicity and self.innum != 0:
            raise ConfigError(f"{self.id}: set 'innum' or 'collect_multiplicity', not both.")

    @property
    def inputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        if self.collect_multiplicity:
            return (Channel("[...]", "[Task]", "[Task]"),)
        if self.innum == 0:
            return (Channel("...", "Task", "Task", many=True),)
        number = self.innum if isinstance(self.innum, int) else len(self.innum)
        return tuple(Channel(f"input{k + 1}", "Task", "Task") for k in range(number))

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        return self.predict(inputs, {}), {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        first, *others = inputs[0] if self.collect_multiplicity else inputs
        tasks = [first, *(self._aligned(task, first) for task in others)]
        frames = [_prefixed(task.frame(), prefix) for task, prefix in zip(tasks, self._prefixes(len(tasks)), strict=True)]
        return [first.with_features(self._side_by_side(frames))]

    def _prefixes(self, number: int) -> Sequence[str]:
        return [""] * number if isinstance(self.innum, int) else self.innum

    def _aligned(self, task: Any, first: Any) -> Any:
        """The task with its rows in the order of the first one's."""
        if self.assert_targets_equal and task.target_names != first.target_names:
            raise DataError(
                f"{self.id}: the tasks have different targets, {listing(first.target_names)} and {listing(task.target_names)}."
            )
        here, there = first.row_ids, task.row_ids
        if np.array_equal(here, there):
            return task
        if not np.array_equal(np.sort(here), np.sort(there)) or len(np.unique(here)) < len(here):
            raise DataError(
                f"{self.id}: the tasks have different rows ({len(here)} and {len(there)}); operators that change rows must come "
                "before the branches."
            )
        return task.filter(here)

    def _side_by_side(self, frames: list[Frame]) -> Frame:
        union, *others = [frame for frame in frames if frame.columns] or frames[:1]
        for frame in others:
            twice = [name for name in frame.columns if name in set(union.columns)]
            different = [n for n in twice if not _equal(union.get_column(n), frame.get_column(n))]
            if different:
                raise DataError(
                    f"{self.id}: different features have the same name: {listing(different)}; give the inputs prefixes, "
                    f'as in innum=["a", "b"], or rename them with po("renamecolumns").'
                )
            union = union.with_columns(*(c for c in frame.iter_columns() if c.name not in set(twice)))
        return union


def _prefixed(frame: Frame, prefix: str) -> Frame:
    return frame.rename({name: f"{prefix}.{name}" for name in frame.columns}) if prefix else frame


def _equal(a: nw.Series[Any], b: nw.Series[Any]) -> bool:
    """Whether two columns have the same values, missing ones in the same rows."""
    holes = missing_mask(a)
    if not np.array_equal(holes, missing_mask(b)):
        return False
    present = (~holes).tolist()
    x, y = (column.filter(present).to_list() if present else [] for column in (a, b))
    return kind(a.dtype) == kind(b.dtype) and (np.array_equal(x, y) if kind(a.dtype) == "tensor" else x == y)


@po.add("info")
@operator
class Info(PipeOp):
    """Say what comes in, in training and prediction, and hand it on.

    printer: functions that answer the text for a value, by the name of its class or of one of its bases ("Task", "Prediction",
    "None", "default"); by default what the value prints. log_target: "print", "warning", "none", or a logger and its level, as in
    "log::pipeops::info". collect_multiplicity: a multiplicity is said as one.

    >>> from pipeops import as_task_regr, po
    >>> node = po("info", printer={"Task": lambda task: f"{task.nrow} rows"}, log_target="print")
    >>> _ = node.train([as_task_regr({"x": [1, 2], "y": [0, 1]}, target="y")])
    info, training: 2 rows
    """

    passes_types: ClassVar[bool] = True

    printer: Mapping[str, Callable[[Any], Any]] | None = anything(None)
    collect_multiplicity: bool = flag(False)
    log_target: str = anything("log::pipeops::info")

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.log_target, str) or not TARGETS.fullmatch(self.log_target):
            raise ConfigError(
                f'{self.id}: \'log_target\' is "print", "warning", "none" or as "log::pipeops::info", got {self.log_target!r}.'
            )
        given: Any = {} if self.printer is None else self.printer
        if not isinstance(given, Mapping) or not all(callable(function) for function in given.values()):
            raise ConfigError(f"{self.id}: 'printer' is a dictionary from names of classes to functions, got {self.printer!r}.")

    @property
    def inputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        kind = "[*]" if self.collect_multiplicity else "*"
        return (Channel("input", kind, kind),)

    @property
    def outputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (self.inputs[0]._replace(name="output"),)

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """What comes in."""
        self._say(inputs[0], "training")
        return inputs, {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """What comes in."""
        self._say(inputs[0], "prediction")
        return inputs

    def _say(self, value: Any, phase: str) -> None:
        text = f"{self.id}, {phase}: {self._text(value)}"
        if self.log_target == "print":
            print(text)
        elif self.log_target == "warning":
            warnings.warn(text, stacklevel=4)
        elif self.log_target != "none":
            _, name, level = self.log_target.split("::")
            logging.getLogger(name).log(logging.getLevelNamesMapping()[level.upper()], text)

    def _text(self, value: Any) -> str:
        given = self.printer or {}
        names = ["None"] if value is None else [cls.__name__ for cls in type(value).__mro__[:-1]]
        return str(next((given[name] for name in [*names, "default"] if name in given), str)(value))
