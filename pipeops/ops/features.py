"""Operators on whole columns: select, renamecolumns, removeconstants, missind, fixfactors, colapply."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import declared_levels, kind, missing_counts, missing_mask, new_frame
from pipeops.data.levels import counts, with_levels
from pipeops.data.maps import ColumnMap
from pipeops.data.positions import names_of
from pipeops.data.selectors import resolve, selector_type
from pipeops.data.task import Task
from pipeops.errors import ConfigError, DataError, UnknownKeyError, listing, suggest
from pipeops.ops.base import Frame, Preprocess, Series, operator
from pipeops.ops.column_maps import ColumnMaps, Drop, Rename, Schema
from pipeops.ops.numbers.blockwise import Missing
from pipeops.params import anything, choice, flag, real
from pipeops.shorthand import po


def without(schema: Schema, kept: Collection[str]) -> list[ColumnMap]:
    """The map that drops all columns but some."""
    wanted = set(kept)
    others = tuple(name for name in schema if name not in wanted)
    return [Drop(others)] if others else []


MLR3_KINDS = {"factor": "categorical", "logical": "boolean"}


@po.add("select")
@operator
class Select(ColumnMaps):
    """Keep the features that a selector picks.

    selector: names, a regular expression, a selector by type (`selector_type` of `pipeops.data.selectors`, which can be
    combined by `&`, `|`, `-`, `~`), a narwhals selector, or a function from the frame of
    features (narwhals) to names; None keeps all.

    >>> from pipeops import as_task_regr, po
    >>> from pipeops.data.selectors import selector_type
    >>> task = as_task_regr({"a1": [1], "a2": [2], "b": ["x"], "y": [0]}, target="y")
    >>> po("select", selector="^a.*$").train([task])[0][0].feature_names
    ['a1', 'a2']
    >>> po("select", selector=selector_type("categorical")).train([task])[0][0].feature_names
    ['b']
    """

    selector: Any = anything(None)

    def fit(self, frame: Frame, target: Series | None) -> list[str]:
        return resolve(self.selector, frame)

    def maps(self, schema: Schema, state: list[str]) -> list[ColumnMap]:
        return without(schema, state)

    def _change(self, task: Task, names: list[str], learnt: list[str]) -> Task:
        everything = len(names) == len(task.feature_names)
        task = super()._change(task, names, learnt)
        return task.select(learnt) if everything else task


@po.add("renamecolumns")
@operator
class RenameColumns(ColumnMaps):
    """Rename features.

    renaming: a dictionary from old to new names, or a function of one name. ignore_missing: pass over names that are no
    feature instead of refusing them.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"a": [1], "b": [2], "y": [0]}, target="y")
    >>> po("renamecolumns", renaming={"b": "c"}).train([task])[0][0].feature_names
    ['a', 'c']
    """

    renaming: Mapping[str, str] | Callable[[str], str] = anything(None)
    ignore_missing: bool = flag(False)

    def __attrs_post_init__(self) -> None:
        given = self.renaming
        if given is not None and not callable(given) and not isinstance(given, Mapping):
            raise ConfigError(f"{self.id}: 'renaming' must be a dictionary from old to new names or a function, got {given!r}.")

    def fit(self, frame: Frame, target: Series | None) -> dict[str, str]:
        given = {n: self.renaming(n) for n in frame.columns} if callable(self.renaming) else _by_name(self.renaming or {})
        unknown = [old for old in given if old not in frame.columns]
        if unknown and not self.ignore_missing:
            raise UnknownKeyError(f"{self.id}: no feature {listing(unknown)}.{suggest(unknown[0], frame.columns, 'features')}")
        new = {old: str(name) for old, name in given.items() if old in frame.columns}
        after = [new.get(name, name) for name in frame.columns]
        twice = sorted({name for name in after if after.count(name) > 1})
        if twice:
            raise DataError(f"{self.id}: {listing(twice)} would stand twice after renaming; choose other names.")
        return new

    def maps(self, schema: Schema, state: dict[str, str]) -> list[ColumnMap]:
        return [Rename(tuple(state), tuple(state.values()))] if state else []

    def _change(self, task: Task, names: list[str], learnt: dict[str, str]) -> Task:
        everything = len(names) == len(task.feature_names)
        task = super()._change(task, names, learnt)
        return task.select([learnt.get(name, name) for name in names]) if everything else task


def _by_name(renaming: Mapping[Any, str]) -> dict[str, str]:
    return dict(zip(names_of(renaming), renaming.values(), strict=True))


@po.add("removeconstants")
@operator
class RemoveConstants(ColumnMaps):
    """Remove features that are constant, up to a share of the rows and a tolerance.

    ratio: how much of the rows may differ from the most frequent value. rel_tol, abs_tol: numbers this close count as equal.
    na_ignore: leave missing values out, else they count as a value of their own.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"a": [1, 1, 1], "b": [1, 2, 3], "y": [0, 0, 1]}, target="y")
    >>> po("removeconstants").train([task])[0][0].feature_names
    ['b']
    """

    ratio: float = real(0, 1, default=0.0)
    rel_tol: float = real(0, default=1e-8)
    abs_tol: float = real(0, default=1e-8)
    na_ignore: bool = flag(True)

    def fit(self, frame: Frame, target: Series | None) -> list[str]:
        return [column.name for column in frame.iter_columns() if not self._is_constant(column)]

    def maps(self, schema: Schema, state: list[str]) -> list[ColumnMap]:
        return without(schema, state)

    def _is_constant(self, column: Series) -> bool:
        missing = int(missing_mask(column).sum())
        size = len(column) - missing if self.na_ignore else len(column)
        needed = size - int(np.floor(size * self.ratio))
        if size == 0 or needed <= 1 or (not self.na_ignore and missing >= needed):
            return True
        if kind(column.dtype) == "numeric":
            return self._is_flat(column.drop_nulls().to_numpy().astype(np.float64), needed)
        return kind(column.dtype) != "tensor" and max(counts(column).values(), default=0) >= needed

    def _is_flat(self, values: npt.NDArray[np.float64], needed: int) -> bool:
        """Whether `needed` of the values are the same infinity or lie within the tolerances of each other."""
        if needed == len(values) and np.isfinite(ends := np.array([values.min(), values.max()])).all():
            return self._is_close(ends[:1], ends[1:])
        if max(np.sum(values == np.inf), np.sum(values == -np.inf)) >= needed:
            return True
        finite = np.sort(values[np.isfinite(values)])
        if len(finite) < needed:
            return False
        return self._is_close(finite[: len(finite) - needed + 1], finite[needed - 1 :])

    def _is_close(self, first: npt.NDArray[np.float64], last: npt.NDArray[np.float64]) -> bool:
        gap, size = last - first, np.abs(first) + np.abs(last)
        return bool((gap <= self.abs_tol).any() or (2 * gap <= self.rel_tol * size).any())


@po.add("missind")
@operator
class MissInd(ColumnMaps):
    """Replace features by indicators of their missing values, named `missing_<column>`.

    which: for columns with missing values in training, or "all". type: "categorical" (levels missing and present), "integer",
    "boolean" or "numeric"; mlr3's "factor" and "logical" are read as the first and the third. Categorical features are left
    alone unless affect_columns names them.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"a": [1.0, None], "b": [1.0, 2.0], "y": [0, 1]}, target="y")
    >>> po("missind", type="boolean").train([task])[0][0].data(columns=["missing_a"]).to_series().to_list()
    [False, True]
    """

    affect_columns: Any = anything(~selector_type("categorical"))
    which: str = choice("missing_train", "all", default="missing_train")
    type: str = choice("categorical", "integer", "boolean", "numeric", default="categorical", reads=MLR3_KINDS)

    def fit(self, frame: Frame, target: Series | None) -> list[str]:
        missing = missing_counts(frame)
        return [name for name in frame.columns if self.which == "all" or missing[name]]

    def maps(self, schema: Schema, state: list[str]) -> list[ColumnMap]:
        missing = Missing(tuple(state), tuple(f"missing_{name}" for name in state), self.type)
        return [missing, *without(schema, state)] if state else without(schema, state)


@po.add("fixfactors")
@operator
class FixFactors(Preprocess):
    """Give categorical columns the levels of training; values of other levels become missing.

    droplevels: leave out levels that no row of the training data has. Text columns have no levels of their own and pass, unless
    affect_columns names them: then they become categories of the texts seen in training.

    >>> import polars as pl
    >>> from pipeops import as_task_regr, po
    >>> frame = pl.DataFrame({"f": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b", "c"])), "y": [0, 1]})
    >>> po("fixfactors").train([as_task_regr(frame, target="y")])[0][0].levels("f")
    ['a', 'b']
    """

    kinds: ClassVar[tuple[str, ...]] = ("categorical",)

    droplevels: bool = flag(True)

    def fit(self, frame: Frame, target: Series | None) -> dict[str, list[Any]]:
        levelled = [c for c in frame.iter_columns() if c.dtype != nw.String or self.affect_columns is not None]
        return {column.name: self._levels(column) for column in levelled}

    def _levels(self, column: Series) -> list[Any]:
        declared = declared_levels(column)
        return list(counts(column)) if declared is None or (self.droplevels and len(column)) else declared

    def apply(self, frame: Frame, state: dict[str, list[Any]]) -> Frame:
        fixed = [with_levels(frame.get_column(name), levels) for name, levels in state.items()]
        return frame.with_columns(*fixed) if fixed else frame


@po.add("colapply")
@operator
class ColApply(Preprocess):
    """Apply a function to each column, in training and in prediction alike.

    applicator: takes a narwhals series and gives a series or an array of the same length; or several columns, as a dictionary, a
    frame or an array with two dimensions, which are called `<column>.<name>` (of an array `<column>.V1`, `<column>.V2`, …).

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"a": [1, 4], "y": [0, 1]}, target="y")
    >>> po("colapply", applicator=lambda x: x * 2).train([task])[0][0].matrix().ravel().tolist()
    [2.0, 8.0]
    """

    applicator: Callable[[Series], Any] = anything(None)

    def __attrs_post_init__(self) -> None:
        if self.applicator is not None and not callable(self.applicator):
            raise ConfigError(f"{self.id}: 'applicator' must be a function of a column, got {self.applicator!r}.")

    def apply(self, frame: Frame, state: Any) -> Frame:
        if self.applicator is None:
            return frame
        made = [pair for column in frame.iter_columns() for pair in self._applied(column)]
        names = [name for name, _ in made]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(f"{self.id}: {listing(twice)} would stand twice among the new columns; choose other names.")
        return new_frame(dict(made), like=frame)

    def _applied(self, column: Series) -> list[tuple[str, Any]]:
        answer = self.applicator(column)
        several = _several(answer)
        made = {column.name: answer} if several is None else {f"{column.name}.{name}": v for name, v in several.items()}
        for values in made.values():
            if np.ndim(values) != 1 or len(values) != len(column):
                raise DataError(f"{self.id}: the applicator must give one value for each row of '{column.name}', got {answer!r}.")
        return [(name, v if isinstance(v, nw.Series) else np.asarray(v)) for name, v in made.items()]


def _several(answer: Any) -> Mapping[str, Any] | None:
    """The columns by name where the answer is more than one column."""
    if isinstance(answer, Mapping):
        return answer
    if isinstance(answer, np.ndarray) and answer.ndim == 2:
        return {f"V{i}": values for i, values in enumerate(answer.T, 1)}
    frame: Any = nw.from_native(answer, eager_only=True, pass_through=True)
    return {column.name: column for column in frame.iter_columns()} if isinstance(frame, nw.DataFrame) else None
