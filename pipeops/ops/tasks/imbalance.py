"""More rows of rare classes, or fewer of frequent ones, by imbalanced-learn: smote, blsmote, adas, nearmiss, tomek.

Only in training; prediction passes everything. Rows that are made have negative ids, so that none is taken for a row of the data.
Neighbours: `smotenc` takes categories too; `rows` beside this folder repeats and drops rows without looking at features.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from pipeops.data.columns import label_array, new_frame
from pipeops.data.roles import WEIGHTS
from pipeops.data.task import Task
from pipeops.errors import DataError, PipeOpsError, TrainingError, listing
from pipeops.extras import extra
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.ops.base import one_task
from pipeops.ops.numbers.project import matrix_of
from pipeops.params import choice, integer, real
from pipeops.shorthand import po


@operator
class Resample(PipeOp):
    """Base of operators that let imbalanced-learn choose or make rows by the numeric features."""

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "TaskClassif", "TaskClassif"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "TaskClassif", "TaskClassif"),)
    target: ClassVar[bool] = True
    changes_rows: ClassVar[bool] = True
    predict_equals_train: ClassVar[bool] = False

    @abstractmethod
    def sampler(self, sizes: dict[int, int]) -> Any:
        """The sampler of imbalanced-learn; sizes: how many rows each class (by its code) has."""

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        task = one_task(self, inputs)
        codes = task.class_codes()
        sizes = {int(k): int(n) for k, n in zip(*np.unique(codes, return_counts=True), strict=True)}
        if len(sizes) < 2:
            return (task,), {}
        x = self._numbers(task)
        try:
            return (self.resampled(task, self.sampler(sizes), x, codes),), {}
        except PipeOpsError:
            raise
        except (ValueError, RuntimeError) as error:
            raise TrainingError(f"{self.id}: imbalanced-learn could not sample: {error}") from error

    @abstractmethod
    def resampled(self, task: Any, sampler: Any, x: Any, codes: Any) -> Any:
        """The task with other rows."""

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        return inputs

    def _numbers(self, task: Task) -> Any:
        other = [f"'{name}' ({kind})" for name, kind in task.feature_types.items() if kind != "numeric"]
        if other or not task.feature_names:
            raise DataError(
                f"{self.id}: takes numeric features, the task '{task.id}' has {', '.join(other[:5]) or 'none'}: "
                'encode them, or leave them out with po("select").'
            )
        x = np.column_stack([self._column(c) for c in task.frame().iter_columns()])
        holed = [name for name, values in zip(task.feature_names, x.T, strict=True) if not np.isfinite(values).all()]
        if holed:
            raise DataError(f"{self.id}: missing or infinite values in {listing(holed)}; impute them first.")
        return x

    def _column(self, column: Any) -> Any:
        return matrix_of(column.to_frame())[:, 0]


@operator
class Choose(Resample):
    """Base of operators that leave rows out."""

    def resampled(self, task: Any, sampler: Any, x: Any, codes: Any) -> Any:
        sampler.fit_resample(x, codes)
        return task.filter(task.row_ids[np.sort(sampler.sample_indices_)])


@operator
class Make(Resample):
    """Base of operators that make rows of the smaller classes."""

    seed: int = integer(0, default=0)

    def resampled(self, task: Any, sampler: Any, x: Any, codes: Any) -> Any:
        roles = [role for role in ("group", *WEIGHTS, "subset", "order") if task.roles.get(role)]
        if roles:
            raise DataError(f"{self.id}: the task '{task.id}' has the role '{roles[0]}', which new rows would lack.")
        many, classes = sampler.fit_resample(x, codes)
        number = len(many) - len(x)
        return with_rows(task, self._features(task, many[len(x) :]), label_array(task.class_names, classes[len(x) :]), number)

    def _features(self, task: Any, made: Any) -> dict[str, Any]:
        return {name: made[:, j].astype(np.float64) for j, name in enumerate(task.feature_names)}

    def wanted(self, sizes: dict[int, int], times: float) -> dict[int, int]:
        """How many rows each class shall have: as many as the largest, or so many times more of its own."""
        most = max(sizes.values())
        return {k: most if not times else max(round(n * (1 + times)), n) for k, n in sizes.items() if n < most}


def with_rows(task: Any, features: dict[str, Any], labels: Any, number: int) -> Any:
    """The task with more rows at its end; their ids are -1, -2, …. Whole numbers become real ones, where the new ones are."""
    import narwhals as nw

    real = {name for name, values in features.items() if getattr(values, "dtype", None) == np.float64}
    whole = [name for name, dtype in task.schema.items() if name in real and dtype.is_numeric() and not dtype.is_float()]
    frame = task.frame()
    task = task.with_features(frame.with_columns(nw.col(*whole).cast(nw.Float64))) if whole else task
    if not number:
        return task
    rows = new_frame({**features, task.target_name: labels.tolist()}, like=task.frame())
    ids = np.concatenate([task.row_ids, -1 - np.arange(number)])
    return task.rbind(rows)._with(_ids=ids)


@po.add("smote")
@operator
class Smote(Make):
    """Make rows of the smaller classes between neighbours of the same class (Chawla and others 2002); extra `imbalance`.

    K: how many nearest rows of the class are neighbours. dup_size: how many times the rows of a class are made anew; 0 makes all
    classes as large as the largest. seed: which rows. Features must be numbers without missing values.

    >>> from pipeops import as_task_classif, po
    >>> task = as_task_classif({"x": [float(k) for k in range(12)], "y": ["a"] * 8 + ["b"] * 4}, target="y")
    >>> po("smote", K=2).train([task])[0][0].truth().tolist().count("b")
    8
    """

    example: ClassVar[Any] = {"K": 2}

    K: int = integer(1, default=5)
    dup_size: float = real(0, default=0)

    def sampler(self, sizes: dict[int, int]) -> Any:
        made = extra("imblearn.over_sampling", "imbalance", self.id)
        return made.SMOTE(sampling_strategy=self.wanted(sizes, self.dup_size), k_neighbors=self.K, random_state=self.seed)


@po.add("blsmote")
@operator
class BLSmote(Make):
    """Make rows of the smaller classes near the border to others (Han, Wang and Mao 2005); extra `imbalance`.

    K: neighbours of the same class that rows are made between. C: neighbours of any class that say what lies at the border.
    dupSize: `dup_size` of smote. method: type2 also makes rows towards other classes. seed: which rows.

    >>> from pipeops import as_task_classif, po
    >>> task = as_task_classif({"x": [float(k) for k in range(12)], "y": ["a"] * 8 + ["b"] * 4}, target="y")
    >>> po("blsmote", K=2, C=3).train([task])[0][0].nrow
    16
    """

    example: ClassVar[Any] = {"K": 2, "C": 3}

    K: int = integer(1, default=5)
    C: int = integer(1, default=5)
    dupSize: float = real(0, default=0)  # noqa: N815 - the reference's name
    method: str = choice("type1", "type2", default="type1")

    def sampler(self, sizes: dict[int, int]) -> Any:
        made = extra("imblearn.over_sampling", "imbalance", self.id)
        return made.BorderlineSMOTE(
            sampling_strategy=self.wanted(sizes, self.dupSize),
            k_neighbors=self.K,
            m_neighbors=self.C,
            kind="borderline-1" if self.method == "type1" else "borderline-2",
            random_state=self.seed,
        )


@po.add("adas")
@operator
class Adas(Make):
    """Make rows of the smaller classes, more of them where other classes are near (He and others 2008); extra `imbalance`.

    K: how many nearest rows are neighbours. seed: which rows. Classes become about as large as the largest.

    >>> from pipeops import as_task_classif, po
    >>> task = as_task_classif({"x": [0, 2, 4, 6, 8, 10, 3, 5, 7], "y": ["a"] * 6 + ["b"] * 3}, target="y")
    >>> po("adas", K=2).train([task])[0][0].nrow > 9
    True
    """

    example: ClassVar[Any] = {"K": 2}

    K: int = integer(1, default=5)

    def sampler(self, sizes: dict[int, int]) -> Any:
        made = extra("imblearn.over_sampling", "imbalance", self.id)
        return made.ADASYN(sampling_strategy=self.wanted(sizes, 0), n_neighbors=self.K, random_state=self.seed)


@po.add("nearmiss")
@operator
class NearMiss(Choose):
    """Keep those rows of the larger classes that are nearest to the smallest class (Zhang and Mani 2003); extra `imbalance`.

    k: over how many nearest rows of the smallest class distances are averaged. under_ratio: how many times the smallest class the
    others may have.

    >>> from pipeops import as_task_classif, po
    >>> task = as_task_classif({"x": [float(k) for k in range(12)], "y": ["a"] * 8 + ["b"] * 4}, target="y")
    >>> po("nearmiss", k=2).train([task])[0][0].nrow
    8
    """

    example: ClassVar[Any] = {"k": 2}

    k: int = integer(1, default=5)
    under_ratio: float = real(0, default=1.0)

    def sampler(self, sizes: dict[int, int]) -> Any:
        rare, least = min(sizes.items(), key=lambda size: size[1])
        most = max(round(least * self.under_ratio), 1)
        wanted = {c: most for c, n in sizes.items() if n > most and c != rare}
        return extra("imblearn.under_sampling", "imbalance", self.id).NearMiss(sampling_strategy=wanted, n_neighbors=self.k)


@po.add("tomek")
@operator
class Tomek(Choose):
    """Leave out pairs of rows of two classes that are each other's nearest neighbours (Tomek 1976); extra `imbalance`.

    Features must be numbers without missing values.

    >>> from pipeops import as_task_classif, po
    >>> task = as_task_classif({"x": [0.0, 1.0, 2.0, 2.9, 3.1, 4.0], "y": ["a", "a", "a", "a", "b", "b"]}, target="y")
    >>> po("tomek").train([task])[0][0].row_ids.tolist()
    [0, 1, 2, 5]
    """

    def sampler(self, sizes: dict[int, int]) -> Any:
        return extra("imblearn.under_sampling", "imbalance", self.id).TomekLinks(sampling_strategy="all")
