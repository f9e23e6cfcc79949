"""smotenc: rows of rare classes between neighbours, of numbers and categories.

Neighbours: `imbalance` is what it is made of, and has the operators for numbers alone.
"""

from typing import Any, ClassVar

import narwhals as nw
import numpy as np

from pipeops.data.columns import missing_mask, number_arrays
from pipeops.data.levels import from_codes
from pipeops.data.task import Task
from pipeops.errors import DataError, listing
from pipeops.extras import extra
from pipeops.graph.pipeop import operator
from pipeops.ops.tasks.imbalance import Make
from pipeops.params import integer, real
from pipeops.shorthand import po


@po.add("smotenc")
@operator
class SmoteNC(Make):
    """Make rows of the smaller classes between neighbours of the same class, with numbers and categories; extra `imbalance`.

    A new row has the most frequent category of the neighbours (Chawla and others 2002, section 6.1); booleans are categories.
    k: how many nearest rows of the class are neighbours. over_ratio: how large classes become, as a share of the largest; those
    that are larger stay. Whole numbers stay whole. seed: which rows. Features without missing values, one of them numeric.

    >>> from pipeops import as_task_classif, po
    >>> x, f = [float(k) for k in range(12)], ["u", "v", "v"] * 4
    >>> task = as_task_classif({"x": x, "f": f, "y": ["a"] * 8 + ["b"] * 4}, target="y")
    >>> po("smotenc", k=2).train([task])[0][0].truth().tolist().count("b")
    8
    """

    example: ClassVar[Any] = {"k": 2}

    k: int = integer(1, default=5)
    over_ratio: float = real(0, default=1.0)

    def sampler(self, sizes: dict[int, int]) -> Any:
        made, most = extra("imblearn.over_sampling", "imbalance", self.id), max(sizes.values())
        wanted = {c: round(most * self.over_ratio) for c, n in sizes.items() if n < round(most * self.over_ratio)}
        return lambda nominal: (
            made.SMOTENC(nominal, sampling_strategy=wanted, k_neighbors=self.k, random_state=self.seed)
            if nominal
            else made.SMOTE(sampling_strategy=wanted, k_neighbors=self.k, random_state=self.seed)
        )

    def resampled(self, task: Any, sampler: Any, x: Any, codes: Any) -> Any:
        kinds = task.feature_types
        nominal = [j for j, name in enumerate(task.feature_names) if kinds[name] != "numeric"]
        return super().resampled(task, sampler(nominal), x, codes)

    def _numbers(self, task: Task) -> Any:
        kinds = task.feature_types
        other = [f"'{name}' ({kind})" for name, kind in kinds.items() if kind not in ("numeric", "categorical", "boolean")]
        if other or "numeric" not in kinds.values():
            what = f"has {', '.join(other[:5])}" if other else "has no numeric one"
            raise DataError(
                f"{self.id}: takes numeric and categorical features, at least one of them numeric; the task '{task.id}' {what}: "
                'leave others out with po("select").'
            )
        holed = [c.name for c in task.frame().iter_columns() if missing_mask(c).any()]
        if holed:
            raise DataError(f"{self.id}: missing values in {listing(holed)}; impute them first.")
        return np.column_stack([_column(task, name) for name in kinds])

    def _features(self, task: Any, made: Any) -> dict[str, Any]:
        return {name: _values(task, name, made[:, j]) for j, name in enumerate(task.feature_names)}


def _column(task: Task, name: str) -> Any:
    """A column as numbers; categories as the positions of their levels."""
    frame = task.frame([name])
    if task.feature_types[name] == "categorical":
        return task.codes(name, task.levels(name)).astype(np.float64)
    return number_arrays(frame, [name])[0].astype(np.float64)


def _values(task: Task, name: str, numbers: Any) -> Any:
    """New values of a column, of its own type."""
    column = task.frame([name]).get_column(name)
    if task.feature_types[name] == "categorical":
        levels = task.levels(name)
        return from_codes(name, numbers.astype(np.int64), levels, column).cast(column.dtype).to_list()
    if column.dtype == nw.Boolean:
        return numbers.astype(bool)
    return np.rint(numbers).astype(np.int64) if column.dtype.is_integer() else numbers.astype(np.float64)
