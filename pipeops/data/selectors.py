"""Which columns: one small algebra, `selector_type("numeric") & ~selector_grep("^id")`, and `resolve` that reads anything.

A selector is data, a rule and its arguments, so it prints, compares, pickles and saves; it picks names from a frame of
features. The rules carry mlr3pipelines' names; its intersect, union, setdiff and invert are `&`, `|`, `-` and `~`.
Neighbours: `columns` below; `affect_columns` and `po("select")` above.
"""

import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import attrs
import narwhals as nw
import numpy as np

from pipeops.data.columns import kind, missing_counts, number_arrays, schema_of
from pipeops.data.positions import names_of
from pipeops.data.task import Task
from pipeops.errors import ConfigError, UnknownKeyError, listing, suggest
from pipeops.guesses import kind_here
from pipeops.saving import savable

P = ParamSpec("P")
Frame = nw.DataFrame[Any]
Picking = Callable[..., list[str]]

RULES: dict[str, Picking] = {}
TYPES: dict[str, Callable[[nw.dtypes.DType], bool]] = {
    "integer": lambda dtype: dtype.is_integer(),
    "float": lambda dtype: dtype.is_float(),
    "text": lambda dtype: dtype == nw.String,
    **{k: lambda dtype, k=k: kind(dtype) == k for k in ("numeric", "boolean", "categorical", "datetime", "tensor")},
}


@savable
@attrs.frozen(repr=False)
class Selector:
    """A rule that picks column names from a frame of features, made by the `selector_…` functions.

    >>> import polars as pl
    >>> frame = nw.from_native(pl.DataFrame({"a": [1], "b": ["x"], "ab": [0.5]}))
    >>> (selector_grep("^a") - selector_type("float"))(frame)
    ['a']
    """

    rule: str
    arguments: tuple[Any, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.rule not in RULES:
            raise ConfigError(f"selector: there is no rule {self.rule!r}.")
        if self.rule == "selector_type":
            _check_types(self.arguments)

    def __call__(self, frame: Frame) -> list[str]:
        return RULES[self.rule](frame, *self.arguments, **dict(self.options))

    def __and__(self, other: Any) -> "Selector":
        return Selector("&", (self, other))

    def __or__(self, other: Any) -> "Selector":
        return Selector("|", (self, other))

    def __sub__(self, other: Any) -> "Selector":
        return Selector("-", (self, other))

    def __invert__(self) -> "Selector":
        return Selector("~", (self,))

    def __repr__(self) -> str:
        if self.rule == "~":
            return f"~{self.arguments[0]!r}"
        if self.rule in RULES and not self.rule.isidentifier():
            return f"({self.arguments[0]!r} {self.rule} {self.arguments[1]!r})"
        parts = [*map(repr, self.arguments), *(f"{k}={v!r}" for k, v in self.options)]
        return f"{self.rule}({', '.join(parts)})"


def _within(frame: Frame, a: Any, b: Any) -> list[str]:
    other = set(resolve(b, frame))
    return [name for name in resolve(a, frame) if name in other]


def _without(frame: Frame, a: Any, b: Any) -> list[str]:
    other = set(resolve(b, frame))
    return [name for name in resolve(a, frame) if name not in other]


RULES["&"], RULES["-"] = _within, _without
RULES["|"] = lambda frame, a, b: list(dict.fromkeys([*resolve(a, frame), *resolve(b, frame)]))
RULES["~"] = lambda frame, a: _without(frame, None, a)


def _rule(pick: Callable[Concatenate[Frame, P], list[str]]) -> Callable[P, Selector]:
    """From a function of the frame and arguments to a function of the arguments that makes a selector."""
    name = pick.__name__
    RULES[name] = pick

    @wraps(pick)
    def make(*args: P.args, **kwargs: P.kwargs) -> Selector:
        return Selector(name, tuple(tuple(a) if isinstance(a, list) else a for a in args), tuple(kwargs.items()))

    return make


@_rule
def selector_all(frame: Frame) -> list[str]:
    """Every feature."""
    return list(frame.columns)


@_rule
def selector_none(frame: Frame) -> list[str]:
    """No feature."""
    return []


@_rule
def selector_type(frame: Frame, *types: str) -> list[str]:
    """Features of any of these kinds: numeric (and of these integer, float), boolean, categorical (text), datetime, tensor.

    The kinds are those of `task.feature_types`; any other is refused.
    """
    schema = schema_of(frame)
    several = {id(dtype): dtype for dtype in schema.values()}
    wanted = {key: any(TYPES[t](dtype) for t in types) for key, dtype in several.items()}
    return [n for n, dtype in schema.items() if wanted[id(dtype)]]


@_rule
def selector_grep(frame: Frame, pattern: str, ignore_case: bool = False, fixed: bool = False) -> list[str]:
    """Features whose name a regular expression is found in, or with `fixed` the very text."""
    found = re.compile(re.escape(pattern) if fixed else pattern, re.IGNORECASE if ignore_case else 0)
    return [n for n in frame.columns if found.search(n)]


@_rule
def selector_name(frame: Frame, *names: str, assert_present: bool = False) -> list[str]:
    """Features by name, in the order given; with `assert_present` unknown names are refused, otherwise ignored."""
    present = set(frame.columns)
    return _named(names, frame.columns) if assert_present else [n for n in names if n in present]


@_rule
def selector_missing(frame: Frame) -> list[str]:
    """Features with missing values (null or NaN)."""
    return [n for n, count in missing_counts(frame).items() if count]


@_rule
def selector_cardinality_greater_than(frame: Frame, min_cardinality: int) -> list[str]:
    """Categorical features of which more levels than this are in use; declared ones that no row has do not count."""
    columns = (c for c in frame.iter_columns() if kind(c.dtype) == "categorical")
    return [c.name for c in columns if c.drop_nulls().n_unique() > min_cardinality]


@_rule
def selector_non_missing(frame: Frame) -> list[str]:
    """Features without missing values."""
    return [n for n, count in missing_counts(frame).items() if not count]


def _where(frame: Frame, holds: Callable[[Any], Any], na_ignore: bool) -> list[str]:
    """Numeric features of which every value fits; with na_ignore those that are there."""
    names, found = [n for n, dtype in frame.schema.items() if kind(dtype) == "numeric"], list[str]()
    for name, values in zip(names, number_arrays(frame, names), strict=True):
        missing = np.isnan(values.astype(np.float64))
        if (na_ignore or not missing.any()) and bool(np.all(holds(values[~missing]))):
            found.append(name)
    return found


@_rule
def selector_positive(frame: Frame, na_ignore: bool = True) -> list[str]:
    """Numeric features whose values are all above 0; with na_ignore=False also none of them missing."""
    return _where(frame, lambda x: x > 0, na_ignore)


@_rule
def selector_negative(frame: Frame, na_ignore: bool = True) -> list[str]:
    """Numeric features whose values are all below 0; with na_ignore=False also none of them missing."""
    return _where(frame, lambda x: x < 0, na_ignore)


@_rule
def selector_non_negative(frame: Frame, na_ignore: bool = True) -> list[str]:
    """Numeric features whose values are all 0 or above; with na_ignore=False also none of them missing."""
    return _where(frame, lambda x: x >= 0, na_ignore)


@_rule
def selector_non_positive(frame: Frame, na_ignore: bool = True) -> list[str]:
    """Numeric features whose values are all 0 or below; with na_ignore=False also none of them missing."""
    return _where(frame, lambda x: x <= 0, na_ignore)


@_rule
def selector_non_zero(frame: Frame, na_ignore: bool = True) -> list[str]:
    """Numeric features without a value of 0; with na_ignore=False also none of them missing."""
    return _where(frame, lambda x: x != 0, na_ignore)


def selector_invert(selector: Any) -> Selector:
    """All features but these: `~selector`."""
    return Selector("~", (selector,))


def selector_intersect(selector_x: Any, selector_y: Any) -> Selector:
    """Features that both pick: `x & y`."""
    return Selector("&", (selector_x, selector_y))


def selector_union(selector_x: Any, selector_y: Any) -> Selector:
    """Features that either picks: `x | y`."""
    return Selector("|", (selector_x, selector_y))


def selector_setdiff(selector_x: Any, selector_y: Any) -> Selector:
    """Features that the first picks and the second does not: `x - y`."""
    return Selector("-", (selector_x, selector_y))


def selector_repr(selector: Any) -> str:
    """A selector as text."""
    return repr(selector)


def resolve(selector: Any, features: Task | Frame) -> list[str]:
    """Names of features, from a selector of any form. Unknown names are refused with near ones.

    None is all of them. A string is one name, or a regular expression when it stands between ^ and $ (as in polars); a
    compiled pattern is searched for. Further: a list of names, a `Selector`, a narwhals selector or expression, a function
    from the frame of features to names.

    >>> import polars as pl
    >>> frame = nw.from_native(pl.DataFrame({"V1": [1], "V10": [2], "W": [3]}))
    >>> resolve("V1", frame), resolve("^V.*$", frame), resolve(nw.selectors.matches("0"), frame)
    (['V1'], ['V1', 'V10'], ['V10'])
    """
    known = features.feature_names if isinstance(features, Task) else features.columns
    if isinstance(selector, int | np.integer) and not isinstance(selector, bool):
        return _named([selector], known)
    if selector is None:
        return list(known)
    if isinstance(selector, str) and not (selector.startswith("^") and selector.endswith("$")):
        return _named([selector], known)
    if isinstance(selector, str | re.Pattern):
        return [name for name in known if re.search(selector, name)]
    if isinstance(selector, nw.Expr):
        return list(_frame(features).select(selector).columns)
    if isinstance(selector, Iterable):
        return _named(selector, known)
    if callable(selector):
        picked: Any = selector(_frame(features))
        return _named(picked, known)
    raise ConfigError(f"Cannot select columns by {selector!r}; pass names, a regular expression, a selector or a function.")


def _frame(features: Task | Frame) -> Frame:
    return features.frame() if isinstance(features, Task) else features


def _check_types(names: Iterable[Any]) -> None:
    for name in names:
        if name not in TYPES:
            near = kind_here(name) or suggest(name, TYPES) if isinstance(name, str) else ""
            listed = "" if "Known:" in near else f" Kinds: {listing(TYPES)}."
            raise UnknownKeyError(f"selector_type: there is no kind {name!r} of columns.{near}{listed}")


def _named(names: Iterable[Any], known: Iterable[str]) -> list[str]:
    present, wanted = set(known), names_of(names)
    for name in () if present.issuperset(wanted) else wanted:
        if name not in present:
            raise UnknownKeyError(f"No column '{name}'.{suggest(str(name), known, 'columns')}")
    return wanted
