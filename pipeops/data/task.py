"""A task: a frame plus column roles, and nothing that changes.

The features live in one `View` and all other columns in another; at first both are the user's frame. An operator replaces
the features (`with_features`) and never touches targets, strata or weights; filtering only notes row positions. Row ids
are integers from 0 that survive both. Every method that changes something returns a new task.
Neighbours: `frames` (views), `columns` (codes, levels), `matrix` (arrays) below; `supervised` makes it concrete.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar, Literal, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt

import pipeops.data.layout as layout
import pipeops.data.matrix as arrays
from pipeops.data.columns import (
    IntArray,
    codes_of,
    combined_codes,
    kind,
    levels_of,
    missing_counts,
    new_frame,
    weight_values,
)
from pipeops.data.frames import View, as_table, read_frame, refuse_patterns, refuse_unsupported
from pipeops.data.maps import ColumnMap
from pipeops.data.positions import Names, Rows, names_of, positions_of
from pipeops.data.roles import NOT_FEATURES, ROLE_PROPERTIES, ROLES, WEIGHTS, columns_for
from pipeops.data.show import Described
from pipeops.data.tensors import sources
from pipeops.errors import DataError, UnknownKeyError, listing, suggest
from pipeops.guesses import Guessing, by_name


class Task(Guessing, Described):
    """Data and what each column is for; abstract, see `TaskClassif` and `TaskRegr`."""

    __slots__ = ("_features", "_id", "_ids", "_nrow", "_rest", "_roles", "_x")
    task_type: ClassVar[str] = ""
    one_target: ClassVar[bool] = True

    _id: str
    _x: View
    _rest: View
    _features: tuple[str, ...]
    _roles: dict[str, tuple[str, ...]]
    _ids: IntArray | None
    _nrow: int

    def __init__(self, frame: nw.DataFrame[Any], target: Names, id: str | None = None, features: Sequence[str] | None = None):
        """`frame` as `read_frame` answers it; everything but the targets is a feature unless `features` says otherwise."""
        if type(self).task_type == "":
            raise TypeError("Task is abstract: make one with as_task_classif(...) or as_task_regr(...).")
        self._x = self._rest = View(frame)
        self._id, self._nrow, self._ids = str(id or "task"), len(frame), None
        self._roles = {"target": (targets := tuple(names_of(target)))}
        self._require(targets, "target column")
        self._features = tuple(c for c in frame.columns if c not in targets) if features is None else tuple(features)
        refuse_unsupported(frame, self._features)
        self._rechecked()

    def _rechecked(self) -> Self:
        layout.refuse_missing(self.targets(), self.row_ids, self.id)
        self._check_target()
        return self

    def _check_target(self) -> None:
        """Refuse a target that does not fit the kind of task."""
        raise NotImplementedError

    def _with(self, **changes: Any) -> Self:
        new = object.__new__(type(self))
        for cls in type(self).__mro__[:-1]:
            for slot in cls.__slots__:  # type: ignore[attr-defined]
                setattr(new, slot, changes[slot] if slot in changes else getattr(self, slot))
        return new

    # -- what there is

    @property
    def id(self) -> str:
        """The name of the task; `with_id` gives another."""
        return self._id

    @property
    def nrow(self) -> int:
        """Number of rows in use."""
        return self._nrow

    @property
    def ncol(self) -> int:
        """Number of features and targets."""
        return len(self._features) + len(self._roles["target"])

    @property
    def row_ids(self) -> IntArray:
        """Ids of the rows in use, int64, from 0; they survive filtering and a prediction carries them."""
        return np.arange(self._nrow) if self._ids is None else self._ids

    @property
    def feature_names(self) -> list[str]:
        """Features, in the order of the frame or of `select`."""
        return list(self._features)

    @property
    def schema(self) -> dict[str, nw.dtypes.DType]:
        """The narwhals type of each feature, by name."""
        return dict(self._x.types(self._features))

    @property
    def feature_types(self) -> dict[str, str]:
        """The kind of each feature, by name: numeric, boolean, categorical, datetime or tensor."""
        return dict(self._x.kinds(self._features))

    @property
    def target_names(self) -> list[str]:
        """Names of the target columns."""
        return list(self._roles["target"])

    @property
    def target_name(self) -> str:
        """The name of the target column."""
        return self._roles["target"][0]

    @property
    def has_target(self) -> bool:
        """False for new data that came without the target column, or without one of several."""
        return all(name in self._rest.schema for name in self._roles["target"])

    @property
    def roles(self) -> dict[str, list[str]]:
        """Column names for each role."""
        return {role: list(self._features if role == "feature" else self._roles.get(role, ())) for role in ROLES}

    @property
    def properties(self) -> list[str]:
        """What the task has beyond features and target: twoclass or multiclass, strata, groups, weights, subsets, ordered."""
        return [text for role, text in ROLE_PROPERTIES.items() if self._roles.get(role)]

    # -- changes: each returns a new task

    @by_name
    def select(self, names: Names) -> Self:
        """Only these features, in the order given.

        >>> from pipeops.data import as_task_regr
        >>> as_task_regr({"a": [1, 2], "b": [3, 4], "y": [0.5, 1.5]}, target="y").select(["b"]).feature_names
        ['b']
        """
        self._require(names := names_of(names), "feature", self._features)
        if len(set(names)) < len(names):
            raise DataError(f"select: names come twice in {listing(names)}.")
        return self._with(_features=tuple(names))

    @by_name
    def filter(self, rows: Rows) -> Self:
        """Only these rows, in the order given: row ids (which may repeat) or one boolean for each row.

        >>> from pipeops.data import as_task_regr
        >>> as_task_regr({"a": [1, 2, 3], "y": [0.5, 1.5, 2.5]}, target="y").filter([2, 0]).truth()
        array([2.5, 0.5])
        """
        return self._take(positions_of(rows, self._ids, self._nrow, self.id))

    def head(self, n: int = 6) -> Any:
        """The first `n` rows of target and features, as a frame of the user's kind."""
        return self._take(np.arange(min(n, self._nrow))).data()

    @by_name
    def with_roles(self, **roles: Names | None) -> Self:
        """Set roles to columns: `with_roles(stratum="Class", weight="w")`; None or an empty list clears one.

        A role that is not named stays. A column may have several roles, but one that becomes target, group, weight, subset
        or order stops being a feature, unless `feature=` is given and names it.
        """
        named = {role: columns_for(role, names, self.one_target) for role, names in roles.items()}
        for role, names in named.items():
            self._require(names, f"column for the role '{role}'")
        leaving = {name for role in NOT_FEATURES for name in named.get(role, ())}
        features = named.pop("feature", tuple(f for f in self._features if f not in leaving))
        rest = self._rest_with(list(dict.fromkeys(name for names in named.values() for name in names)))
        new = self._with(_rest=rest, _roles={**self._roles, **named})._with_feature_columns(features)
        if "target" in named and named["target"] != self._roles["target"]:
            new._rechecked()
        if any(named.get(role) for role in WEIGHTS):
            new._refuse_useless_weights()
        return new

    def _refuse_useless_weights(self) -> None:
        for use in ("learner", "measure"):
            weights = self.weights(use)
            if weights is not None and self._nrow and not weights.any():
                name = self.weight_column(use)
                raise DataError(f"The weights in '{name}' of the task '{self.id}' are all 0; no row would count.")

    def with_id(self, id: str) -> Self:
        """The same task under another id."""
        return self._with(_id=str(id))

    def with_features(self, features: nw.DataFrame[Any]) -> Self:
        """The same rows with other feature columns; what an operator answers. The frame has one row for each row in use."""
        names = tuple(features.columns)
        if names and len(features) != self._nrow:
            raise DataError(f"with_features: the frame has {len(features)} rows, the task '{self.id}' {self._nrow}.")
        if clash := set(self._roles["target"]).intersection(names):
            raise DataError(f"with_features: a feature may not have the target's name {listing(clash)}; rename it.")
        refuse_patterns(features)
        return self._with(_x=View(features), _features=names)

    def with_maps(self, maps: Sequence[ColumnMap], order: Sequence[str]) -> Self:
        """The same rows with maps over the features, in this order; they run when someone needs a frame, or with `matrix`."""
        return self._with(_x=self._x.mapped(self._features, maps), _features=tuple(order))

    def with_target(self, target: nw.Series[Any]) -> Self:
        """The same rows with another target column, which may have another name."""
        if len(target) != self._nrow:
            raise DataError(f"with_target: the column has {len(target)} values, the task '{self.id}' {self._nrow} rows.")
        rest = self._rest.select(list(self._rest.schema)).with_columns(target)
        new = self._with(_x=View(self.frame()), _rest=View(rest), _roles={**self._roles, "target": (target.name,)})
        return new._rechecked()

    def cbind(self, frame: Any) -> Self:
        """More feature columns, from a frame with one row for each row in use; columns of the same name are replaced."""
        new = layout.same_library(read_frame(frame), self._x.frame)
        refuse_unsupported(new, new.columns)
        if len(new) != self._nrow:
            raise DataError(f"cbind: the frame has {len(new)} rows, the task '{self.id}' {self._nrow}.")
        return self.with_features(self.frame().with_columns(*new.iter_columns()) if self._features else new)

    def rbind(self, frame: Any) -> Self:
        """More rows, from a frame with the task's columns; their ids follow the largest one there is.

        A column becomes as wide as both parts need (fractions joined to whole numbers, new levels); what would change a
        value is refused.
        """
        own = self._collect(list(dict.fromkeys((*self._features, *(c for names in self._roles.values() for c in names)))))
        new = layout.like(read_frame(frame), own.schema)
        layout.refuse_other_layout(new, own.schema, f"rbind to the task '{self.id}'")
        both = View(layout.joined(own, layout.same_library(new, own), f"rbind to the task '{self.id}'"))
        start = int(self.row_ids.max(initial=-1)) + 1
        ids = np.concatenate([self.row_ids, np.arange(start, start + len(both.frame) - self._nrow)])
        task = self._with(_x=both, _rest=both, _ids=ids, _nrow=len(ids))
        layout.refuse_missing(task.targets(), ids, self.id)
        if task.has_target:
            task.truth()
        return task

    def newdata(self, frame: Any) -> Self:
        """A task to predict on: the same roles over another table, which may lack the target; other columns are ignored.

        Rows may also come as one dictionary of values, or a list of them. A target column without a value counts as absent;
        one in which no value is a class (or a number) too, with a warning.

        >>> from pipeops.data import as_task_classif
        >>> task = as_task_classif({"a": [1, 2], "y": ["n", "p"]}, target="y")
        >>> task.newdata({"a": [5]}).truth()
        array([None], dtype=object)
        """
        view, schema = View(read_frame(as_table(frame))), self._x.types(self._features)
        if not layout.holds(view.schema, schema):
            view = View(layout.like(view.frame, schema))
            layout.refuse_other_layout(view.frame, schema, f"newdata for the task '{self.id}'")
        new = layout.without_useless(view.frame, self._roles["target"], self._usable)
        roles = {role: names for role, names in self._roles.items() if role == "target" or set(names) <= set(new.columns)}
        view = view if new is view.frame else View(new)
        return self._with(_x=view, _rest=view, _roles=roles, _ids=None, _nrow=len(new))

    def _usable(self, target: nw.Series[Any]) -> bool:
        """Whether a column of new data may be its target."""
        return True

    def without_rows(self) -> Self:
        """The same task without rows, which holds on to no data."""
        none = self._take(np.empty(0, dtype=np.int64))
        return none._with(_x=View(none.frame()), _rest=View(none.others()), _ids=None)

    @classmethod
    def restored(
        cls,
        id: str,
        features: nw.DataFrame[Any],
        others: nw.DataFrame[Any],
        roles: Mapping[str, Sequence[str]],
        row_ids: IntArray,
        classes: Sequence[Any] | None = None,
        /,
    ) -> Self:
        """A task from its parts, as `frame`, `others`, `roles` and `row_ids` answer them; nothing is checked again."""
        task = object.__new__(cls)
        task._id, task._x, task._rest, task._features = id, View(features), View(others), tuple(features.columns)
        task._roles = {role: tuple(names) for role, names in roles.items()}
        task._ids, task._nrow = row_ids, len(row_ids)
        return task

    # -- data

    def others(self) -> nw.DataFrame[Any]:
        """The columns with a role beside feature, for the rows in use, as a narwhals frame."""
        names = dict.fromkeys(name for names in self._roles.values() for name in names)
        return self._rest.select([name for name in names if name in self._rest.schema])

    def frame(self, columns: Names | None = None) -> nw.DataFrame[Any]:
        """Features for the rows in use as a narwhals frame; all of them, or these."""
        return self._x.select(self._features if columns is None else names_of(columns))

    @property
    def view(self) -> View:
        """The features as operators read them, without making a frame where there are only maps."""
        return self._x

    def targets(self) -> list[nw.Series[Any]]:
        """The target columns for the rows in use, as narwhals series."""
        layout.refuse_absent(self._roles["target"], self._rest.schema, self.id)
        return [self._rest.column(name) for name in self._roles["target"]]

    def target_series(self) -> nw.Series[Any]:
        """The target column for the rows in use, as a narwhals series."""
        return self.targets()[0]

    @by_name
    def data(self, rows: Rows | None = None, columns: Names | None = None) -> Any:
        """Target and features (or these columns) of all rows (or these) as a frame of the user's own kind."""
        task = self if rows is None else self.filter(rows)
        own = [c for c in self._roles["target"] if c in self._rest.schema]
        names = [*own, *self._features] if columns is None else names_of(columns)
        self._require(names, "column")
        frame = task._collect(names)
        sources.keep(frame)
        return frame.to_native()

    def truth(self, rows: Rows | None = None) -> npt.NDArray[Any]:
        """The target as a numpy array of what it was; missing for new data."""
        raise NotImplementedError

    def missings(self) -> dict[str, int]:
        """Missing values (null and NaN) in target and features, by column."""
        own = missing_counts(self._rest.select(self._roles["target"])) if self.has_target else {}
        return own | missing_counts(self.frame())

    def matrix(
        self, dtype: npt.DTypeLike = "float32", columns: Names | None = None, rows: Rows | None = None
    ) -> npt.NDArray[Any]:
        """Features as one C-contiguous array (rows, features), filled block by block; missing values are NaN.

        >>> from pipeops.data import as_task_regr
        >>> as_task_regr({"a": [1, 2], "b": [True, False], "y": [0.0, 1.0]}, target="y").matrix()
        array([[1., 1.],
               [2., 0.]], dtype=float32)
        """
        task = self if rows is None else self.filter(rows)
        return arrays.fill(task._source(columns, dtype), dtype)

    def tensor(self, name: str, rows: Rows | None = None) -> Any:
        """A column of tensors for all rows (or these), read now, as one torch tensor `(rows, ...)`."""
        task = self if rows is None else self.filter(rows)
        column = task._column(name)
        if (found := kind(column.dtype)) != "tensor":
            raise DataError(f"tensor: '{name}' of the task '{self.id}' is {found}; task.matrix has its numbers.")
        return import_module("pipeops.net.tensors.reading").read(column)

    def blocks(
        self, columns: Names | None = None, size: int = 8192, dtype: npt.DTypeLike = "float32"
    ) -> Iterator[tuple[int, int, npt.NDArray[Any]]]:
        """`(start, stop, block)` over the rows, the block (stop - start, features) a view of one buffer that is used again."""
        return arrays.blocks(self._source(columns, dtype), size, dtype)

    def _source(self, columns: Names | None, dtype: npt.DTypeLike) -> arrays.MatrixColumns:
        names = self._features if columns is None else tuple(names_of(columns))
        self._require(names, "feature", set(self._features))
        return arrays.source(self._x, names, self._nrow, dtype)

    def levels(self, column: str | int) -> list[Any]:
        """Levels of a categorical column: the declared order (Enum, pandas Categorical), else those present, sorted."""
        return levels_of(self._column(column))

    def codes(self, column: str | int, levels: Sequence[Any] | None = None) -> IntArray:
        """Position of each value among `levels` (default: `self.levels(column)`), int64, -1 for missing and unknown ones."""
        values = self._column(column)
        return codes_of(values, levels_of(values) if levels is None else levels)

    def weights(self, use: Literal["learner", "measure"] = "learner") -> npt.NDArray[np.float64] | None:
        """The weight of each row for learners, or for measures; None without any."""
        name = self.weight_column(use)
        return None if name is None else weight_values(self._rest.column(name), self.id)

    def weight_column(self, use: Literal["learner", "measure"] = "learner") -> str | None:
        """The column of these weights."""
        role = self.weight_role(use)
        return self._roles[role][0] if role else None

    def weight_role(self, use: Literal["learner", "measure"] = "learner") -> str | None:
        """The role that these weights have: `weights_learner` (or `weights_measure`), else `weight`."""
        return next((role for role in (f"weights_{use}", "weight") if self._roles.get(role)), None)

    def role_codes(self, role: str) -> tuple[IntArray, list[Any]] | None:
        """For a role (stratum, group, subset): a code for each row and the label of each code, or None.

        Several columns make one label for each combination that occurs, a tuple. A missing value is a label of its own.
        """
        names = self._roles.get(role, ())
        return combined_codes([self._rest.column(name) for name in names]) if names else None

    # -- inside

    def _column(self, name: str | int) -> nw.Series[Any]:
        name = str(name)
        self._require([name], "column")
        return (self._x if name in self._features or name not in self._rest.schema else self._rest).column(name)

    def _collect(self, names: Sequence[str]) -> nw.DataFrame[Any]:
        features = set(self._features)
        if self._x is self._rest or features.issuperset(names):
            return self._x.select(names)
        return new_frame({name: self._column(name) for name in names}, like=self._rest.frame)

    def _with_feature_columns(self, names: tuple[str, ...]) -> Self:
        """Features by name from anywhere in the task's frames."""
        if all(name in self._x.schema for name in names):
            return self._with(_features=names)
        return self._with(_x=View(self._collect(names)), _features=names)

    def _rest_with(self, names: Sequence[str]) -> View:
        """The columns that operators do not touch, with these beside them where so far only the features had them."""
        absent = [name for name in names if name not in self._rest.schema]
        if not absent:
            return self._rest
        return View(self._rest.select(list(self._rest.schema)).with_columns(*(self._x.column(name) for name in absent)))

    def _take(self, positions: IntArray) -> Self:
        x = self._x.take(positions)
        rest = x if self._rest is self._x else self._rest.take(positions)
        ids = self.row_ids[positions]
        ids.setflags(write=False)
        return self._with(_x=x, _rest=rest, _ids=ids, _nrow=len(positions))

    def _require(self, names: Sequence[str], what: str, known: Collection[str] | None = None) -> None:
        present = known if known is not None else {**self._x.schema, **self._rest.schema}
        absent = set(names).difference(present)
        for name in names:
            if name in absent:
                raise UnknownKeyError(f"The task '{self.id}' has no {what} '{name}'.{suggest(name, present, 'columns')}")
