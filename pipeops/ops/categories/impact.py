"""Categories as what the target says of them: encodeimpact, encodetarget.

Both learn a row of numbers for each level from the training rows. Neighbours: `encode` does without the target.
"""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pipeops.data.columns import codes_of, levels_of, new_frame
from pipeops.data.supervised import TaskClassif
from pipeops.data.task import Task
from pipeops.ops.base import Frame, Preprocess, Series, one_target, operator
from pipeops.params import flag, integer, real
from pipeops.shorthand import po

Values = npt.NDArray[np.float64]


@operator
class ByTarget(Preprocess):
    """Base of operators that look up numbers by level; missing and unseen levels have the last row of the table."""

    kinds: ClassVar[tuple[str, ...]] = ("categorical",)
    target: ClassVar[bool] = True

    def seen_target(self, task: Task) -> Series:
        """The classes as text, so that they are never taken for numbers; numbers of a regression task as they are."""
        series = one_target(self, task).target_series()
        if not isinstance(task, TaskClassif):
            return series
        labels = [str(label) for label in task.truth().tolist()]
        return new_frame({series.name: labels}, like=series.to_frame())[series.name] if labels else series.cast(_text())

    def apply(self, frame: Frame, state: dict[str, Any]) -> Frame:
        made: dict[str, Values] = {}
        for name, learnt in state.items():
            table = np.asarray(learnt["table"], dtype=np.float64).reshape(len(learnt["levels"]) + 1, -1)
            made.update(zip(learnt["names"], table[codes_of(frame[name], learnt["levels"])].T, strict=True))
        return new_frame(made, like=frame) if made else frame.select()


def _text() -> Any:
    import narwhals as nw

    return nw.String()


def _classes(target: Series | None) -> list[str] | None:
    """The classes of a target, None for numbers."""
    return None if target is None or target.dtype.is_numeric() else levels_of(target)


@po.add("encodeimpact")
@operator
class EncodeImpact(ByTarget):
    """Encode categories by how much the target is above its average there (Micci-Barreca 2001).

    Classification: for each class the difference of logits, `<column>.<class>`; regression: the difference of means, `<column>`.
    smoothing: this many rows with the average target are added. impute_zero: missing and unseen levels are 0 instead of missing.
    Training rows are encoded with themselves: use `encodetarget` where that overfits.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"f": ["a", "a", "b"], "y": [1.0, 3.0, 7.0]}, target="y")
    >>> po("encodeimpact", smoothing=0).train([task])[0][0].matrix("float64").ravel().round(2).tolist()
    [-1.67, -1.67, 3.33]
    """

    smoothing: float = real(0, default=1e-4)
    impute_zero: bool = flag(False)

    def fit(self, frame: Frame, target: Series | None) -> dict[str, Any]:
        classes = _classes(target)
        rest = 0.0 if self.impute_zero else np.nan
        learnt: dict[str, Any] = {}
        for column in frame.iter_columns():
            levels = levels_of(column)
            codes = codes_of(column, levels)
            table = (
                self._means(codes, len(levels), target) if classes is None else self._logits(codes, len(levels), target, classes)
            )
            names = [column.name] if classes is None else [f"{column.name}.{label}" for label in classes]
            table = np.vstack([table, np.full(len(names), rest)])
            learnt[column.name] = {"levels": levels, "names": names, "table": table}
        return learnt

    def _means(self, codes: Any, k: int, target: Any) -> Values:
        y = np.zeros(0) if target is None else target.to_numpy().astype(np.float64)
        mean = float(y.mean()) if len(y) else 0.0
        there = codes >= 0
        sums = np.bincount(codes[there], y[there], k) + self.smoothing * mean
        with np.errstate(invalid="ignore", divide="ignore"):
            return (sums / (np.bincount(codes[there], minlength=k) + self.smoothing) - mean)[:, None]

    def _logits(self, codes: Any, k: int, target: Any, classes: list[str]) -> Values:
        y = codes_of(target, classes)
        there = codes >= 0
        pairs = np.bincount(codes[there] * len(classes) + y[there], minlength=k * len(classes)).reshape(k, len(classes))
        prior = self._logit(np.bincount(y, minlength=len(classes)), len(y))
        return self._logit(pairs, pairs.sum(axis=1, keepdims=True)) - prior

    def _logit(self, hits: Any, of: Any) -> Values:
        with np.errstate(invalid="ignore", divide="ignore"):
            share = (hits + self.smoothing) / (of + 2 * self.smoothing)
            return np.log(share / (1 - share))


@po.add("encodetarget")
@operator
class EncodeTarget(ByTarget):
    """Encode categories by the shrunken mean of the target, in training from other rows than the one encoded (cross-fitted).

    Classification with two classes: `<column>`, the share of the second one (in alphabetical order); more: `<column>.<class>`;
    regression: `<column>`. smooth: rows with the average target that are added, or None for empirical Bayes. cv: folds in
    training. seed: which. Missing is a level of its own; unseen levels get the average. By scikit-learn's TargetEncoder.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"f": ["a", "b"] * 10, "y": [0.0, 1.0] * 10}, target="y")
    >>> po("encodetarget", smooth=10).train([task])[1]["learnt"]["f"]["table"].ravel().tolist()
    [0.25, 0.75, 0.5]
    """

    predict_equals_train: ClassVar[bool] = False

    smooth: float | None = real(0, default=None)
    cv: int = integer(2, default=5)
    seed: int = integer(0, default=0)

    def fit(self, frame: Frame, target: Series | None) -> dict[str, Any]:
        return self.fit_apply(frame, target)[1]

    def fit_apply(self, frame: Frame, target: Series | None) -> tuple[Frame, Any]:
        learnt: dict[str, Any] = {}
        made: dict[str, Values] = {}
        classes = _classes(target)
        for column in frame.iter_columns():
            levels = levels_of(column)
            codes = codes_of(column, levels)
            y = np.zeros(0) if target is None else target.to_numpy() if classes is None else codes_of(target, classes)
            names = [column.name] if classes is None or len(classes) < 3 else [f"{column.name}.{label}" for label in classes]
            values, table = self._encoded(codes, len(levels), y, len(names), classes)
            made.update(zip(names, values.T, strict=True))
            learnt[column.name] = {"levels": levels, "names": names, "table": table}
        return new_frame(made, like=frame), learnt

    def _encoded(self, codes: Any, k: int, y: Any, size: int, classes: list[str] | None) -> tuple[Values, Values]:
        """The values of training, and the table with its last row for missing levels."""
        few = len(y) < self.cv or len(np.unique(y)) < 2 or (classes is not None and np.bincount(y)[np.unique(y)].min() < self.cv)
        if few:
            mean = y.mean() if len(y) and (classes is None or size == 1) else 0.0
            table = np.full((k + 1, size), float(mean))
            return table[codes], table
        from sklearn.model_selection import KFold, StratifiedKFold
        from sklearn.preprocessing import TargetEncoder

        kind = "continuous" if classes is None else "binary" if size == 1 else "multiclass"
        smooth: Any = "auto" if self.smooth is None else self.smooth
        folds: Any = (KFold if classes is None else StratifiedKFold)(self.cv, shuffle=True, random_state=self.seed)
        encoder = TargetEncoder(target_type=kind, smooth=smooth, cv=folds)
        values = encoder.fit_transform(codes[:, None].astype(np.float64), y)
        return np.asarray(values), np.asarray(encoder.transform(np.array([*range(k), -1], dtype=np.float64)[:, None]))
