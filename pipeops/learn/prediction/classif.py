"""PredictionClassif: predicted classes, and one probability column for each class in `class_names` order.

The first class is the positive one. Labels stay integer codes until someone asks for them. Nothing here changes in place:
`set_threshold`, `filter` and `combine` return new predictions.
Neighbours: base, labels (codes and labels) and confusion below, regr beside it; learners and graphs above.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import label_array
from pipeops.display import FOLD, Block
from pipeops.errors import DataError, listing
from pipeops.learn.prediction.base import Array, Backend, Prediction
from pipeops.learn.prediction.confusion import Confusion
from pipeops.learn.prediction.labelled import numbers
from pipeops.learn.prediction.labels import by_label, encode, labelled, levels, plain, probabilities, refuse_ambiguous
from pipeops.saving import saved_as


class PredictionClassif(Prediction):
    """Predicted classes, and their probabilities where the learner gives them.

    row_ids: any ids, 0..n-1 when left out. truth, response: labels (None or NaN where missing; truth may be left out).
    prob: probabilities (n, k), columns in `class_names` order, rows summing to 1; for two classes also (n,), those of
    the positive class; a frame or dictionary with a column for each class goes by their names. Without a response, the most
    probable class is it (on two classes: the positive one from 0.5 on; ties go to the first in level order). class_names: the
    first is the positive class; when left out, the labels seen, sorted (`True` before `False`, 1 before 0 and -1); beside
    such labels a matrix without names needs it. weights: one for each observation, for measures.
    Raises `DataError` for other lengths, labels that are no class, and probabilities that are none.

    >>> prediction = PredictionClassif(truth=["M", "R"], prob=[0.9, 0.5], class_names=["M", "R"])
    >>> print(prediction)
    <PredictionClassif> for 2 observations:
     row_ids truth response prob.M prob.R
           0     M        M    0.9    0.1
           1     R        M    0.5    0.5
    """

    task_type = "classif"
    class_names: list[Any]

    def __init__(
        self,
        *,
        row_ids: Any = None,
        truth: Any = None,
        response: Any = None,
        prob: Any = None,
        class_names: Iterable[Any] | None = None,
        weights: Any = None,
        backend: Any = "polars",
    ):
        if response is None and prob is None:
            raise DataError("PredictionClassif: give a response, probabilities, or both.")
        named = None if prob is None else labelled(prob)
        if class_names is not None:
            names = plain(class_names)
        else:
            names = levels(named[0] if named and truth is None and response is None else truth, response)
            if prob is not None and named is None:
                refuse_ambiguous(prob, names)
        if len(set(names)) != len(names) or not names:
            raise DataError(f"PredictionClassif: class_names must be different labels, got {names!r}.")
        matrix = None if prob is None else probabilities(by_label(*named, names) if named else prob, names)
        given = [v for v in (matrix, response, truth, row_ids) if v is not None]
        self._own(row_ids, len(given[0]), weights, backend)
        self.class_names, self._prob = names, matrix
        self._truth = None if truth is None else encode(truth, names, "truth")
        self._response = None if response is None else encode(response, names, "response")
        self._check_length("truth", self._truth)
        self._check_length("response", self._response)

    @classmethod
    def from_codes(
        cls,
        row_ids: Array,
        *,
        truth: Array | None = None,
        response: Array | None = None,
        prob: Array | None = None,
        class_names: list[Any],
        weights: Array | None = None,
        backend: Any = "polars",
    ) -> Self:
        """The fast way in, unchecked: labels as integer codes (positions in `class_names`, -1 for missing), prob (n, k)."""
        self = cls.__new__(cls)
        self.row_ids, self.weights, self.backend, self.class_names = row_ids, weights, backend, class_names
        self._truth, self._response, self._prob = truth, response, prob
        return self

    @property
    def positive(self) -> Any:
        """The positive class: the first class name (of two classes)."""
        return self.class_names[0]

    @property
    def prob(self) -> Array | None:
        """Probabilities (n, k), columns in `class_names` order, or None."""
        return self._prob

    @cached_property
    def truth_codes(self) -> Array:
        """The truth as positions in `class_names`; -1 where it is missing."""
        return np.full(len(self), -1) if self._truth is None else self._truth

    @cached_property
    def response_codes(self) -> Array:
        """The response as positions in `class_names`; -1 where it is missing."""
        if self._response is not None:
            return self._response
        assert self._prob is not None
        if len(self.class_names) == 2:
            return (self._prob[:, 0] < 0.5).astype(np.int64)
        return self._prob.argmax(axis=1)

    @cached_property
    def truth(self) -> Array:
        """The observed labels as what they were; None where missing."""
        return label_array(self.class_names, self.truth_codes)

    @cached_property
    def response(self) -> Array:
        """The predicted labels."""
        return label_array(self.class_names, self.response_codes)

    @property
    def predict_types(self) -> list[str]:
        return ["response"] if self._prob is None else ["response", "prob"]

    @property
    def missing(self) -> Array:
        missing = self.response_codes < 0
        return self.row_ids[missing if self._prob is None else missing | np.isnan(self._prob).any(axis=1)]

    @property
    def truth_is_missing(self) -> Array:
        return self.truth_codes < 0

    def _blocks(self) -> list[Block]:
        """The first rows, and the confusion where there are truths and not too many classes."""
        told = len(self) and len(self.class_names) <= FOLD and not self.truth_is_missing.all()
        return [*super()._blocks(), *(self.confusion._blocks() if told else [])]

    @property
    def confusion(self) -> Confusion:
        """Counts by label: response in rows, truth in columns."""
        return Confusion.from_codes(self.truth_codes, self.response_codes, self.class_names)

    def set_threshold(self, threshold: float | Mapping[Any, float]) -> Self:
        """A new prediction whose response follows other thresholds.

        threshold: for two classes a number in [0, 1], the positive class being predicted from it on; or one number for
        each class by label: the class with the largest ratio of probability to threshold, ties by level order.

        >>> prediction = PredictionClassif(prob=[0.9, 0.6], class_names=["M", "R"])
        >>> prediction.set_threshold(0.7).response.tolist()
        ['M', 'R']
        """
        if self._prob is None:
            raise DataError("set_threshold: this prediction has no probabilities; predict with predict_type='prob'.")
        if isinstance(threshold, Mapping):
            limits = self._limits(threshold)
            with np.errstate(divide="ignore", invalid="ignore"):
                ratios = np.where(limits > 0, self._prob / limits, np.inf)
            return self._with({**self._parts(), "response": ratios.argmax(axis=1)})
        self._check_single(threshold)
        return self._with({**self._parts(), "response": (self._prob[:, 0] < threshold).astype(np.int64)})

    def _check_single(self, threshold: Any) -> None:
        example = {label: round(1 / len(self.class_names), 2) for label in self.class_names}
        if len(self.class_names) != 2:
            raise DataError(f"set_threshold: a single number needs two classes; give one for each class, as in {example!r}.")
        if np.ndim(threshold) != 0 or isinstance(threshold, str) or threshold is None:
            raise DataError(f"set_threshold: thresholds of several classes go by label, as in {example!r}, got {threshold!r}.")
        if not 0 <= threshold <= 1:
            raise DataError(f"set_threshold: must be a number in [0, 1], got {threshold!r}.")

    def _limits(self, threshold: Mapping[Any, float]) -> Array:
        unknown = [label for label in threshold if label not in self.class_names]
        if unknown or len(threshold) != len(self.class_names):
            raise DataError(
                f"set_threshold: needs one threshold for each of {listing(self.class_names)}, got {dict(threshold)!r}."
            )
        limits = np.array([threshold[label] for label in self.class_names], dtype=np.float64)
        if not ((limits >= 0) & np.isfinite(limits)).all():
            raise DataError(f"set_threshold: thresholds must be numbers of at least 0, got {dict(threshold)!r}.")
        return limits

    def roc(self) -> Any:
        """The ROC curve of two classes, a frame of fpr, tpr and threshold from strict to lax (the first is infinite)."""
        from sklearn.metrics import roc_curve

        if self._prob is None or len(self.class_names) != 2:
            raise DataError("roc: needs probabilities of two classes (predict_type='prob').")
        if set(np.unique(self.truth_codes)) != {0, 1}:
            raise DataError("roc: needs the truth of every row, and both classes in it.")
        fpr, tpr, threshold = roc_curve(self.truth_codes == 0, self._prob[:, 0], sample_weight=self.weights)
        columns = {"fpr": fpr, "tpr": tpr, "threshold": threshold}
        return nw.from_dict(columns, backend=self.backend).to_native()

    def _parts(self) -> dict[str, Any]:
        named = {"row_ids": self.row_ids, "truth": self._truth, "response": self._response}
        return {**named, "prob": self._prob, "weights": self.weights}

    def _with(self, parts: dict[str, Any]) -> Self:
        new = self.from_codes(**parts, class_names=self.class_names, backend=self.backend)
        new._own(new.row_ids, len(new.row_ids), new.weights, new.backend)
        return new

    def _frame_columns(self) -> dict[str, Any]:
        columns: dict[str, Any] = {"row_ids": self.row_ids}
        columns["truth"] = self._labels("truth", self.truth_codes)
        columns["response"] = self._labels("response", self.response_codes)
        prob = {} if self._prob is None else {f"prob.{c}": self._prob[:, j] for j, c in enumerate(self.class_names)}
        return columns | prob | ({} if self.weights is None else {"weights": self.weights})

    def _labels(self, name: str, codes: Array) -> Any:
        """A column of labels, looked up in the frame library itself."""
        missing = codes < 0
        if missing.any():
            return nw.new_series(name, label_array(self.class_names, codes).tolist(), backend=self.backend)
        return nw.new_series(name, self.class_names, backend=self.backend)[codes]

    def _text_columns(self, rows: Array) -> dict[str, list[str]]:
        labels = [*map(str, self.class_names), "<NA>"]
        columns = {
            "row_ids": [str(i) for i in self.row_ids[rows].tolist()],
            "truth": [labels[c] for c in self.truth_codes[rows]],
            "response": [labels[c] for c in self.response_codes[rows]],
        }
        prob = {} if self._prob is None else {f"prob.{c}": numbers(self._prob[rows, j]) for j, c in enumerate(self.class_names)}
        return columns | prob | ({} if self.weights is None else {"weights": numbers(self.weights[rows])})


def _to_plain(p: PredictionClassif) -> dict[str, Any]:
    return {**p._parts(), "class_names": p.class_names, "backend": p.backend}


def _from_plain(plain: dict[str, Any]) -> PredictionClassif:
    """Codes and probabilities that fit the classes and each other."""
    plain = {**plain, "row_ids": np.asarray(plain["row_ids"])}
    rows, classes = len(plain["row_ids"]), len(plain["class_names"])
    shapes = {"truth": (rows,), "response": (rows,), "weights": (rows,), "prob": (rows, classes)}
    wrong = [n for n, shape in shapes.items() if plain[n] is not None and plain[n].shape != shape]
    coded = [c for c in (plain["truth"], plain["response"]) if c is not None]
    if wrong or not classes or any(((c < -1) | (c >= classes)).any() for c in coded):
        raise DataError(f"PredictionClassif: {listing(wrong) or 'the codes'} do not fit {rows} rows and {classes} classes.")
    return PredictionClassif.from_codes(**plain)


saved_as(
    PredictionClassif,
    _from_plain,
    _to_plain,
    plain={
        **dict.fromkeys(("truth", "response"), npt.NDArray[np.integer] | None),
        **dict.fromkeys(("prob", "weights"), npt.NDArray[np.floating] | None),
        "row_ids": np.ndarray | list,
        "class_names": list[Any],
        "backend": Backend,
    },
)
