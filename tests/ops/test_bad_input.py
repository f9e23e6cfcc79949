"""What bad input gets: the kind of error, and what it says."""

from collections.abc import Callable
from typing import Any

import attrs
import polars as pl
import pytest

from pipeops import as_task_regr, po
from pipeops.errors import ConfigError, DataError, PipeOpsError, UnknownKeyError, UnknownParameterError
from pipeops.ops import Preprocess, operator
from tests.ops.test_scale import task

DATA: Any = {"x": [1.0, None, 3.0], "f": ["u", "v", None]}


@operator
class Shorter(Preprocess):
    """Loses rows."""

    def apply(self, frame: Any, state: Any) -> Any:
        return frame.head(1)


@operator
class Native(Preprocess):
    """Forgets to answer a narwhals frame."""

    def apply(self, frame: Any, state: Any) -> Any:
        return frame.to_native()


def fit(node: Any) -> None:
    node.train([task(**DATA)])


def later(node: Any, **columns: Any) -> None:
    node.predict([task(**columns)], node.train([task(**DATA)])[1])


BAD: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "unknown operator": (lambda: po("scal"), UnknownKeyError, "scale"),
    "unknown hyperparameter": (lambda: po("scale", centre=True), UnknownParameterError, "center"),
    "not a flag": (lambda: po("scale", center=1), ConfigError, "'center' must be True or False"),
    "not a number": (lambda: po("scalerange", lower="a"), ConfigError, "'lower' must be a number"),
    "an empty range": (lambda: po("scalerange", lower=1, upper=1), ConfigError, "must differ"),
    "a negative maximum": (lambda: po("scalemaxabs", maxabs=-1), ConfigError, "'maxabs' must be in"),
    "a ratio above one": (lambda: po("removeconstants", ratio=2), ConfigError, "'ratio' must be in"),
    "a negative offset": (lambda: po("imputeoor", offset=-1), ConfigError, "'offset' must be in"),
    "an unknown method": (lambda: po("encode", method="onehot"), ConfigError, "one-hot"),
    "an unknown type": (lambda: po("missind", type="bool"), ConfigError, "'type' must be one of"),
    "renaming by a list": (lambda: po("renamecolumns", renaming=["a"]), ConfigError, "dictionary"),
    "a copy without number": (lambda: po("copy"), ConfigError, "set 'outnum'"),
    "a copy of nothing": (lambda: po("copy", outnum=0), ConfigError, "'outnum' must be in"),
    "a union of minus one": (lambda: po("featureunion", innum=-1), ConfigError, "'innum' must be"),
    "an applicator that is none": (lambda: po("colapply", applicator=3), ConfigError, "must be a function"),
    "selecting an unknown column": (lambda: fit(po("select", selector=["xx"])), UnknownKeyError, "'xx'"),
    "affecting an unknown column": (lambda: fit(po("scale", affect_columns=["xx"])), UnknownKeyError, "'xx'"),
    "selecting an unknown number": (lambda: fit(po("select", selector=3)), UnknownKeyError, "No column '3'"),
    "selecting by a fraction": (lambda: fit(po("select", selector=3.5)), ConfigError, "Cannot select columns by 3.5"),
    "renaming an unknown column": (lambda: fit(po("renamecolumns", renaming={"g": "h"})), UnknownKeyError, "no feature 'g'"),
    "renaming to a taken name": (lambda: fit(po("renamecolumns", renaming={"x": "f"})), DataError, "'f' would stand twice"),
    "renaming to the target": (lambda: fit(po("renamecolumns", renaming={"x": "y"})), DataError, "'y' would stand twice"),
    "no constant": (lambda: fit(po("imputeconstant")), ConfigError, "set 'constant'"),
    "a text for numbers": (lambda: fit(po("imputeconstant", constant="a")), DataError, "'a' does not fit the column 'x'"),
    "a number for texts": (lambda: fit(po("imputeconstant", constant=1.0)), DataError, "does not fit the column 'f'"),
    "True for a number": (
        lambda: fit(po("imputeconstant", constant=True, affect_columns="x")),
        DataError,
        "True does not fit the column 'x'",
    ),
    "a constant that is no level": (
        lambda: po("imputeconstant", constant="w").train([task(e=pl.Series(["u", None], dtype=pl.Enum(["u"])))]),
        DataError,
        "'w' is no level of the column 'e'",
    ),
    "an applicator that sums": (
        lambda: fit(po("colapply", applicator=lambda x: x.sum(), affect_columns="x")),
        DataError,
        "one value for each row of 'x'",
    ),
    "an operator that loses rows": (lambda: fit(Shorter()), DataError, "1 rows"),
    "an operator that answers a native frame": (lambda: fit(Native()), DataError, "must return a narwhals DataFrame"),
    "a missing column": (lambda: later(po("scale"), x=[1.0]), DataError, "scale: .* no column 'f'"),
    "another kind": (lambda: later(po("scale"), x=["a"], f=["u"]), DataError, "'x' is categorical, was numeric"),
    "a new column": (lambda: later(po("scale"), x=[1.0], f=["u"], g=[1.0]), DataError, "new column 'g'"),
    "a missing affected column": (lambda: later(po("scale", affect_columns="x"), f=["u"]), DataError, "no column 'x'"),
    "a union of other rows": (
        lambda: po("featureunion").predict([task(**DATA), task(x=[1.0])], {}),
        DataError,
        "different rows",
    ),
    "a union of other values": (
        lambda: po("featureunion").predict([task(x=[1.0]), task(x=[2.0])], {}),
        DataError,
        "'x'",
    ),
    "a union of other targets": (
        lambda: po("featureunion").predict([task(x=[1.0]), as_task_regr({"x": [1.0], "z": [1.0]}, target="z")], {}),
        DataError,
        "different targets",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_words(name: str) -> None:
    run, kind, words = BAD[name]
    with pytest.raises(kind, match=words) as caught:
        run()
    assert isinstance(caught.value, PipeOpsError)


def test_unaffected_columns_may_change() -> None:
    later(po("scale", affect_columns="x"), x=[1.0], g=["new"])


def test_nodes_do_not_change() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        po("scale").center = False
