"""Classification and regression tasks: what a target may be, the order of classes, labels as codes and back.

Class order is the column's own (Enum, pandas Categorical), else sorted; of two classes the positive one comes first: the
first level, `True` for booleans, 1 of 0/1 and -1/1 (numbers or texts), or `positive=`. Codes are made here for every kind
of frame, once for each frame. Neighbours: `task` below; learners, operators and networks above.
"""

import ast
from collections.abc import Sequence
from functools import partial, reduce
from typing import Any, ClassVar, Self, overload

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import IntArray, codes_of, kind, label_array, levels_of, new_frame, positive_first
from pipeops.data.frames import View, read_frame, read_xy, several_y
from pipeops.data.positions import Rows, names_of
from pipeops.data.several import TaskMultilabel, TaskMultiRegr
from pipeops.data.stored import PLAIN, from_plain, to_plain
from pipeops.data.task import Task
from pipeops.errors import ConfigError, DataError, UnknownKeyError, listing, suggest
from pipeops.guesses import by_name
from pipeops.saving import saved_as

MANY_CLASSES = 30


class TaskClassif(Task):
    """A task with a target of two or more classes.

    >>> task = as_task_classif({"x": [1, 2, 3], "y": ["n", "p", "p"]}, target="y", positive="p")
    >>> task.class_names, task.class_codes()
    (['p', 'n'], array([1, 0, 0]))
    """

    __slots__ = ("_classes",)
    task_type: ClassVar[str] = "classif"
    _classes: tuple[Any, ...]

    def __init__(
        self,
        frame: nw.DataFrame[Any],
        target: str,
        id: str | None = None,
        features: Sequence[str] | None = None,
        positive: Any = None,
    ):
        super().__init__(frame, target, id, features)
        if positive is not None:
            self._classes = self._put_first(positive)

    def _check_target(self) -> None:
        column = self.target_series()
        if kind(column.dtype) not in ("numeric", "boolean", "categorical"):
            raise DataError(
                f"The target '{column.name}' is {column.dtype}, which has no classes; use text, integers or booleans."
            )
        levels = levels_of(column)
        if column.dtype.is_float() and len(levels) > MANY_CLASSES:
            raise DataError(
                f"The target '{column.name}' is {column.dtype} with {len(levels)} distinct values; for numbers make a regression "
                "task with as_task_regr, for classes make the column integer or text."
            )
        if len(levels) < 2:
            raise DataError(f"The target '{column.name}' has one class only ({listing(levels)}); a task needs two or more.")
        self._classes = tuple(positive_first(levels))

    def _put_first(self, positive: Any) -> tuple[Any, ...]:
        if positive not in self._classes:
            same = [c for c in self._classes if str(c) == str(positive)]
            if same:
                hint = f" The classes are of type {type(same[0]).__name__}: write positive={same[0]!r}."
            else:
                hint = suggest(str(positive), map(str, self._classes), "classes")
            raise UnknownKeyError(f"positive={positive!r} is no class of '{self.target_name}'.{hint}")
        if len(self._classes) != 2:
            empty = [c for c in self._classes if c not in set(self.truth().tolist())] if self.has_target else []
            note = f", {listing(empty)} of them in no row: leave such levels out of the column's type" if empty else ""
            raise ConfigError(
                f"positive={positive!r}: only two classes have a positive one; '{self.target_name}' has "
                f"{len(self._classes)}{note}."
            )
        first = self._classes.index(positive)
        return self._classes[first], self._classes[1 - first]

    @classmethod
    def restored(cls, *parts: Any) -> Self:
        """A task from its parts, the last of which are the classes."""
        task = super().restored(*parts)
        task._classes = tuple(parts[-1])
        return task

    def with_positive(self, positive: Any) -> Self:
        """The same task with another positive class, which comes first in `class_names`."""
        return self._with(_classes=self._put_first(positive))

    @by_name
    def droplevels(self, columns: Any = None) -> Self:
        """Without the levels that no row has, in categorical features (or these) and, unless columns are named, among classes.

        >>> task = as_task_classif({"x": [1, 2, 3], "y": ["a", "b", "c"]}, target="y").filter([0, 2])
        >>> task.class_names, task.droplevels().class_names
        (['a', 'b', 'c'], ['a', 'c'])
        """
        task = super().droplevels(columns)
        if columns is not None or not self.has_target:
            return task
        kept = tuple(c for k, c in enumerate(self._classes) if (self.class_codes() == k).any())
        if len(kept) < 2:
            raise DataError(
                f"droplevels: the rows of '{self.id}' have one class only ({listing(kept)}); a task needs two or more."
            )
        rest = self._rest.select(list(self._rest.schema))
        return task._with(_x=View(task.frame()), _rest=View(rest), _classes=kept)

    def against_rest(self, label: Any) -> Self:
        """The same rows with two classes: this one, which is positive, and all others as "rest".

        Dots follow "rest" while a class is called so. Labels that are no text are written as `=1`, so that `unmarked` finds them
        again.
        """
        rest = "rest"
        while rest in self._classes:
            rest += "."
        names = marked(label), rest
        if not self.has_target:
            return self._with(_classes=names)
        codes, own = self.class_codes(), self._classes.index(label)
        values = [None if code < 0 else names[int(code != own)] for code in codes.tolist()]
        column = new_frame({self.target_name: values}, like=self.target_series().to_frame()).get_column(self.target_name)
        rest = self._rest.select(list(self._rest.schema)).with_columns(column)
        return self._with(_x=View(self.frame()), _rest=View(rest), _classes=names)

    @property
    def class_names(self) -> list[Any]:
        """The classes as what they are; of two the positive one comes first. Filtering keeps them all."""
        return list(self._classes)

    @property
    def positive(self) -> Any:
        """The positive one of two classes; None for more."""
        return self._classes[0] if len(self._classes) == 2 else None

    @property
    def negative(self) -> Any:
        """The negative one of two classes; None for more."""
        return self._classes[1] if len(self._classes) == 2 else None

    @property
    def properties(self) -> list[str]:
        """twoclass or multiclass, then strata, groups, weights, subsets where there are any."""
        return ["twoclass" if len(self._classes) == 2 else "multiclass", *super().properties]

    def class_codes(self) -> IntArray:
        """The class of each row as its position in `class_names`, int64; -1 for new data without a target."""
        if not self.has_target:
            return np.full(self._nrow, -1, dtype=np.int64)
        key = ("codes", self.target_name, tuple((type(c), c) for c in self._classes))
        memo = self._rest.memo
        if key not in memo:
            memo[key] = self._encode(self._rest.frame.get_column(self.target_name))
        return memo[key].copy() if self._rest.rows is None else memo[key][self._rest.rows]

    def _usable(self, target: nw.Series[Any]) -> bool:
        return bool((codes_of(target, self._classes) >= 0).any())

    def _encode(self, column: nw.Series[Any]) -> IntArray:
        codes = codes_of(column, self._classes)
        strange = (codes < 0) & ~column.is_null().to_numpy().astype(bool) if (codes < 0).any() else codes[:0]
        if strange.any():
            unknown = sorted({str(v) for v in column.filter(strange.tolist()).head(1000).to_list()})
            raise DataError(
                f"The target '{column.name}' has labels {listing(unknown)}, which are no classes of the task '{self.id}' "
                f"({listing(self._classes)})."
            )
        return codes

    def truth(self, rows: Rows | None = None) -> npt.NDArray[Any]:
        """The label of each row as what it was; None for new data without a target."""
        return label_array(self._classes, (self if rows is None else self.filter(rows)).class_codes())


def marked(label: Any) -> str:
    """A class as text that says what it was: text as it is, anything else (and text like that) as `=` and its source."""
    return label if isinstance(label, str) and not label.startswith("=") else f"={label!r}"


def unmarked(text: str) -> Any:
    """The class that was written by `marked`."""
    return ast.literal_eval(text[1:]) if text.startswith("=") else text


class TaskRegr(Task):
    """A task with a numeric target.

    >>> as_task_regr({"x": [1, 2], "y": [0.5, 1.5]}, target="y").truth()
    array([0.5, 1.5])
    """

    __slots__ = ()
    task_type: ClassVar[str] = "regr"

    def _check_target(self) -> None:
        column = self.target_series()
        if kind(column.dtype) != "numeric":
            raise DataError(
                f"The target '{column.name}' is {column.dtype}, not a number; make it numeric, or a classification task with "
                "as_task_classif."
            )

    def _usable(self, target: nw.Series[Any]) -> bool:
        return kind(target.dtype) == "numeric"

    def truth(self, rows: Rows | None = None) -> npt.NDArray[Any]:
        """The target of each row as a number; NaN for new data without a target."""
        task = self if rows is None else self.filter(rows)
        if not task.has_target:
            return np.full(task.nrow, np.nan)
        found = task.target_series().to_numpy()
        return found if found.dtype.kind in "fiu" else task.target_series().cast(nw.Float64).to_numpy()


saved_as(TaskClassif, partial(from_plain, TaskClassif), to_plain, plain=PLAIN)
saved_as(TaskRegr, partial(from_plain, TaskRegr), to_plain, plain=PLAIN)


@by_name
def as_task_classif(
    data: Any, y: Any = None, *, target: str | None = None, positive: Any = None, id: str | None = None
) -> TaskClassif:
    """A classification task from a table with a target column, or from features and labels apart.

    `data` is a pandas, polars or pyarrow table, a dictionary of arrays, or with `y` also a numpy array or torch tensor
    (rows, features). `positive` is which of two classes is the positive one, whose probability comes first: by default
    `True` of booleans, 1 of 0 and 1 and of -1 and 1 (as numbers or texts), else the first level, in the column's own order
    (Enum, pandas Categorical) or alphabetically; so of text labels "no" and "yes" it is "no" unless you say otherwise.
    Rows get the ids 0 to n - 1.
    Raises DataError for missing labels, one class only, duplicate names, unequal lengths.

    >>> as_task_classif({"x": [1.0, 2.0], "y": ["no", "yes"]}, target="y", positive="yes", id="demo").positive
    'yes'
    """
    if _is_several(target):
        raise ConfigError(
            f"target= is the name of one column, got {target!r:.80}; make a task for each target, or one of labels with "
            "as_task_multilabel."
        )
    frame, (name, *more) = _frame_and_targets(data, y, target)
    if more:
        raise DataError(f"y has {1 + len(more)} columns; pass the one column of labels, or make a task with as_task_multilabel.")
    return TaskClassif(frame, name, id, positive=positive)


@overload
def as_task_regr(data: Any, y: Any = None, *, target: list[str] | tuple[str, ...], id: str | None = None) -> TaskMultiRegr: ...
@overload
def as_task_regr(data: Any, y: Any = None, *, target: str | None = None, id: str | None = None) -> TaskRegr: ...
@by_name
def as_task_regr(data: Any, y: Any = None, *, target: Any = None, id: str | None = None) -> TaskRegr | TaskMultiRegr:
    """A regression task from a table with a numeric target column, or from features and values apart.

    A list of targets, or several columns of values, makes a `TaskMultiRegr`.

    >>> import numpy as np
    >>> as_task_regr(np.eye(2), [0.5, 1.5]).feature_names
    ['V1', 'V2']
    >>> as_task_regr({"x": [1, 2], "a": [0.5, 1.5], "b": [3, 4]}, target=["a", "b"]).task_type
    'multiregr'
    """
    frame, names = _frame_and_targets(data, y, target)
    return TaskMultiRegr(frame, names, id) if _is_several(target) or len(names) > 1 else TaskRegr(frame, names, id)


@by_name
def as_task_multilabel(data: Any, y: Any = None, *, target: Sequence[str] | None = None, id: str | None = None) -> TaskMultilabel:
    """A task of labels, any number of which a row may have, from a table with a column for each (boolean, or 0 and 1).

    `data` and `y` as of `as_task_classif`; without `target` every column of `y` is a label.
    Raises DataError for missing values and columns with other values.

    >>> as_task_multilabel({"x": [1, 2], "red": [True, False], "big": [1, 1]}, target=["red", "big"]).target_names
    ['red', 'big']
    """
    frame, names = _frame_and_targets(data, y, target)
    return TaskMultilabel(frame, names, id)


def _is_several(target: Any) -> bool:
    return isinstance(target, list | tuple | set | dict)


def _frame_and_targets(data: Any, y: Any, target: Any) -> tuple[nw.DataFrame[Any], list[str]]:
    """All columns as one frame, and the names of the targets."""
    if y is not None:
        columns = several_y(y, target)
        if columns is None:
            frame, name = read_xy(data, y, target if target is None or isinstance(target, str) else names_of(target)[0])
            return frame, [name]
        return reduce(lambda frame, name: read_xy(frame, columns[name], name)[0], columns, data), list(columns)
    if isinstance(data, Task):
        raise DataError(f"This is a task already ('{data.id}'); change it with with_roles, with_positive or with_id.")
    frame = read_frame(data)
    if target is None:
        raise ConfigError(f"Name the target column with target=.{suggest('', frame.columns, 'columns')}")
    return frame, [str(target)] if not _is_several(target) else names_of(target)
