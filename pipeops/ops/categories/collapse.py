"""Fewer levels, and levels from numbers: collapsefactors, decode.

Neighbours: `encode` is what decode turns round; `features` has fixfactors.
"""

import re
from typing import Any, ClassVar

import narwhals as nw
import numpy as np

from pipeops.data.columns import codes_of, levels_of
from pipeops.data.levels import from_codes
from pipeops.errors import ConfigError, DataError
from pipeops.ops.base import Frame, Preprocess, Series, operator
from pipeops.ops.numbers.project import matrix_of
from pipeops.params import anything, choice, flag, integer, real
from pipeops.shorthand import po


@po.add("collapsefactors")
@operator
class CollapseFactors(Preprocess):
    """Merge the rarest levels of categorical columns into the rarest one that is kept.

    Kept are the `target_level_count` most frequent levels, and those with more than the share `no_collapse_above_prevalence` of
    the rows or more than `no_collapse_above_absolute` rows. Levels that training did not see stay as they are. Text columns pass,
    unless affect_columns names them.

    >>> import polars as pl
    >>> from pipeops import as_task_regr, po
    >>> f = pl.Series(["a", "a", "b", "b", "c"], dtype=pl.Enum(["a", "b", "c"]))
    >>> task = as_task_regr(pl.DataFrame({"f": f, "y": [0, 1, 2, 3, 4]}), target="y")
    >>> po("collapsefactors").train([task])[0][0].data()["f"].to_list()
    ['a', 'a', 'b', 'b', 'b']
    """

    kinds: ClassVar[tuple[str, ...]] = ("categorical",)

    no_collapse_above_prevalence: float = real(0, 1, default=1.0)
    no_collapse_above_absolute: float = real(0, default=float("inf"))
    target_level_count: int = integer(2, default=2)

    def fit(self, frame: Frame, target: Series | None) -> dict[str, dict[str, Any]]:
        levelled = [c for c in frame.iter_columns() if c.dtype != nw.String or self.affect_columns is not None]
        return {c.name: found for c in levelled if (found := self._collapsed(c))}

    def _collapsed(self, column: Series) -> dict[str, Any]:
        """What each level becomes, and the levels then; nothing where all are kept."""
        levels = levels_of(column)
        codes = codes_of(column, levels)
        sizes = np.bincount(codes[codes >= 0], minlength=len(levels))
        if len(levels) <= self.target_level_count or not sizes.sum():
            return {}
        order = np.argsort(-sizes, kind="stable").tolist()
        shares = sizes / sizes.sum()
        much = [k for k in order if shares[k] > self.no_collapse_above_prevalence or sizes[k] > self.no_collapse_above_absolute]
        kept = sorted({*much, *order[: self.target_level_count]}, key=order.index)
        into = {levels[k]: levels[k if k in kept else kept[-1]] for k in range(len(levels))}
        return {"into": into, "levels": [levels[k] for k in sorted(kept)]}

    def apply(self, frame: Frame, state: dict[str, dict[str, Any]]) -> Frame:
        fixed = [self._merged(frame.get_column(name), learnt) for name, learnt in state.items()]
        return frame.with_columns(*fixed) if fixed else frame

    def _merged(self, column: Series, learnt: dict[str, Any]) -> Series:
        present = levels_of(column)
        after = [*learnt["levels"], *(level for level in present if level not in learnt["into"])]
        place = np.array([*(after.index(learnt["into"].get(level, level)) for level in present), -1], dtype=np.int64)
        return from_codes(column.name, place[codes_of(column, present)], after, column)


@po.add("decode")
@operator
class Decode(Preprocess):
    """Turn columns such as `f.a`, `f.b`, `f.c` into one categorical column `f` of the levels a, b, c: the largest value decides.

    group_pattern: a regular expression whose group is the new column's name, and what is left of a name the level; "" makes one
    column `pipeop.decoded` of all. treatment_encoding: rows in which nothing is above `treatment_cutoff` have the level
    `ref_name` (`ref_name.1`, … where that is taken). ties_method: which of equal values. A row with a missing value is missing.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"f.a": [1, 0], "f.b": [0, 1], "y": [0, 1]}, target="y")
    >>> po("decode").train([task])[0][0].data()["f"].to_list()
    ['a', 'b']
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric",)

    group_pattern: str = anything(r"^([^.]+)\.")
    treatment_encoding: bool = flag(False)
    treatment_cutoff: float = real(default=0.0)
    ref_name: str = anything("ref")
    ties_method: str = choice("first", "last", default="first")

    def __attrs_post_init__(self) -> None:
        try:
            groups = re.compile(self.group_pattern).groups
        except (re.error, TypeError) as error:
            raise ConfigError(f"{self.id}: 'group_pattern' is no regular expression: {error}") from error
        if self.group_pattern and not groups:
            raise ConfigError(f"{self.id}: 'group_pattern' needs a group in parentheses, the name of the new column.")
        if not isinstance(self.ref_name, str) or not self.ref_name:
            raise ConfigError(f"{self.id}: 'ref_name' must be a text, got {self.ref_name!r}.")

    def fit(self, frame: Frame, target: Series | None) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for name in frame.columns:
            match = re.search(self.group_pattern, name)
            group = "pipeop.decoded" if not self.group_pattern else match.group(1) if match else None
            if group == "":
                raise DataError(f"{self.id}: the pattern gives '{name}' no name for the new column; choose another.")
            if group is not None:
                found.setdefault(group, {})[name] = re.sub(self.group_pattern, "", name) if self.group_pattern else name
        return found

    def apply(self, frame: Frame, state: dict[str, dict[str, str]]) -> Frame:
        used = {name for columns in state.values() for name in columns}
        rest = [name for name in frame.columns if name not in used]
        made = [self._decoded(frame, group, columns) for group, columns in state.items()]
        return frame.select(*rest).with_columns(*made) if rest else _side_by_side(made, frame)

    def _decoded(self, frame: Frame, group: str, columns: dict[str, str]) -> Series:
        x = matrix_of(frame.select(*columns))
        codes = x.argmax(axis=1) if self.ties_method == "first" else x.shape[1] - 1 - x[:, ::-1].argmax(axis=1)
        levels = list(dict.fromkeys(columns.values()))
        codes = np.array([levels.index(level) for level in columns.values()], dtype=np.int64)[codes]
        if self.treatment_encoding:
            levels = [*levels, _free(self.ref_name, levels)]
            codes = np.where((x > self.treatment_cutoff).any(axis=1), codes, len(levels) - 1)
        return from_codes(group, np.where(np.isnan(x).any(axis=1), -1, codes).astype(np.int64), levels, frame)


def _free(name: str, levels: list[str]) -> str:
    """The name, or the first number behind it that is no level."""
    numbered = (f"{name}.{k}" for k in range(1, len(levels) + 2))
    return name if name not in levels else next(other for other in numbered if other not in levels)


def _side_by_side(columns: list[Series], frame: Frame) -> Frame:
    return columns[0].to_frame().with_columns(*columns[1:]) if columns else frame
