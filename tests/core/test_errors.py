"""Every error is also the built-in that a Python user would catch, and names near misses."""

import pytest

from pipeops import errors
from pipeops.errors import PipeOpsError, listing, suggest

BUILT_IN = {
    "ConfigError": ValueError,
    "UnknownKeyError": KeyError,
    "UnknownParameterError": KeyError,
    "UnknownAttributeError": AttributeError,
    "CompositionError": TypeError,
    "DataError": ValueError,
    "NotTrainedError": RuntimeError,
    "TrainingError": RuntimeError,
    "TimeLimitError": TimeoutError,
    "FormatError": ValueError,
    "WriteError": OSError,
    "MissingPackageError": ImportError,
}


def kinds():
    return [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, PipeOpsError) and v is not PipeOpsError]


def test_every_kind_is_also_a_built_in():
    assert {k.__name__ for k in kinds()} == set(BUILT_IN)
    for kind in kinds():
        assert issubclass(kind, BUILT_IN[kind.__name__])
        assert issubclass(kind, PipeOpsError)
        assert str(kind("who: what.")) == "who: what.", "a KeyError would print quotes"


def test_suggestions():
    assert suggest("scal", ["scale", "pca"]) == " Did you mean 'scale'?"
    assert suggest("xyz", ["scale", "pca"], "keys") == " Keys: 'scale', 'pca'."
    assert suggest("xyz", [f"key{i}" for i in range(20)]) == ""
    assert suggest("xyz", []) == ""
    assert suggest("lin", ["linear", "line"]) == " Did you mean 'line' or 'linear'?"


def test_suggestions_of_dotted_names_by_their_last_part():
    shelf = ["classif.acc", "classif.bacc", "regr.mse", "regr.rmse"]
    assert suggest("rmse", shelf) == " Did you mean 'regr.rmse'?"
    assert suggest("accuracy", shelf) == " Did you mean 'classif.acc'?"
    assert suggest("acu", shelf) == " Did you mean 'classif.acc'?"
    assert suggest("classif.acu", shelf) == " Did you mean 'classif.acc' or 'classif.bacc'?"
    assert suggest("lr", [f"linear_{i}.bias" for i in range(20)]) == ""


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["a"], "'a'"), (["a", 1], "'a', 1"), (list("abcdefghij"), "'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h' and 2 more")],
)
def test_listing(names, text):
    assert listing(names) == text
