"""The template convert_types: columns of some kinds as another kind. Neighbours: `templates` has the others."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import narwhals as nw

from pipeops.data.columns import kind, missing_mask
from pipeops.data.levels import with_levels
from pipeops.data.selectors import selector_intersect, selector_type
from pipeops.errors import ConfigError, DataError, UnknownKeyError, suggest
from pipeops.graph.graph import Graph
from pipeops.graph.pipeop import PipeOp
from pipeops.shorthand import po, ppl

Series = nw.Series[Any]


def _texts(column: Series) -> list[str | None]:
    """Values as text, whole numbers without a point; None where missing."""
    holes = missing_mask(column)
    values = (v.removesuffix(".0") for v in map(str, column.to_list()))
    return [None if hole else v for v, hole in zip(values, holes, strict=True)]


def _text(column: Series) -> Series:
    return nw.new_series(column.name, _texts(column), nw.String, backend=column.implementation)


def _categorical(column: Series) -> Series:
    if kind(column.dtype) == "categorical" and column.dtype != nw.String:
        return column
    order = column.drop_nulls().unique().sort() if kind(column.dtype) == "numeric" else None
    texts = _text(column)
    levels = sorted({t for t in texts.to_list() if t is not None}) if order is None else list(dict.fromkeys(_texts(order)))
    return with_levels(texts, [level for level in levels if level not in (None, "nan")])


def _numeric(column: Series) -> Series:
    if kind(column.dtype) == "datetime":
        whole = column.dt.timestamp("us").cast(nw.Float64)
        return whole / (86_400e6 if column.dtype == nw.Date else 1e6)
    return (column.cast(nw.String) if kind(column.dtype) == "categorical" else column).cast(nw.Float64)


def _integer(column: Series) -> Series:
    numbers = _numeric(column)
    made = numbers.cast(nw.Int64)
    if ((made.cast(nw.Float64) == numbers).fill_null(True)).all():
        return made
    raise DataError(f"convert_types: '{column.name}' has fractions, which no integer holds; round them before.")


def _boolean(column: Series) -> Series:
    if kind(column.dtype) == "numeric":
        return column != 0
    words = {"true": True, "True": True, "TRUE": True, "1": True, "false": False, "False": False, "FALSE": False, "0": False}
    return _text(column).replace_strict(words, return_dtype=nw.Boolean)


INTO: dict[str, Callable[..., Series]] = {
    "numeric": _numeric,
    "float": _numeric,
    "integer": _integer,
    "boolean": _boolean,
    "categorical": _categorical,
    "text": _text,
}


def converted(column: Series, into: str, more: Mapping[str, Any]) -> Series:
    """A column as another kind; refused where a value is none of that kind."""
    try:
        return INTO[into](column, **more)
    except DataError:
        raise
    except Exception as error:  # each library has errors of its own for what a type cannot hold
        raise DataError(f"convert_types: '{column.name}' ({column.dtype}) cannot become {into}: {error}") from error


@ppl.add("convert_types")
def convert_types(
    type_from: str | Iterable[str],
    type_to: str,
    *,
    affect_columns: Any = None,
    id: str | None = None,
    fixfactors: bool | None = None,
    more_args: Mapping[str, Any] | None = None,
) -> Graph:
    """Columns of some kinds as another kind, and what becomes categories keeps the levels of training.

    type_from: kinds as in `selector_type`. type_to: numeric (float), integer, boolean, categorical or text. Text becomes the
    number that it says, dates days and times seconds since 1970; what has no such value is refused. affect_columns: only these.
    id: of the node. fixfactors: whether a `fixfactors` follows, by default behind categories. more_args: for the conversion.

    >>> from pipeops import as_task_regr, ppl
    >>> graph = ppl("convert_types", "text", "numeric")
    >>> graph.train(as_task_regr({"x": ["1", "2.5"], "y": [0, 1]}, target="y")).matrix().ravel().tolist()
    [1.0, 2.5]
    >>> graph.ids()
    ['convert_text_to_numeric']
    """
    if type_to not in INTO:
        raise UnknownKeyError(f'ppl("convert_types"): no kind {type_to!r} to convert to.{suggest(str(type_to), INTO, "kinds")}')
    kinds = [type_from] if isinstance(type_from, str) else list(type_from)
    if not kinds:
        raise ConfigError('ppl("convert_types"): type_from is a kind of columns, or several.')
    selector: Any = selector_type(*kinds)
    selector = selector if affect_columns is None else selector_intersect(selector, affect_columns)
    name = f"convert_{'_'.join(kinds)}_to_{type_to}" if id is None else id
    change = partial(converted, into=type_to, more=dict(more_args or {}))
    node: PipeOp = po("colapply", id=name, applicator=change, affect_columns=selector)
    fix = type_to == "categorical" if fixfactors is None else fixfactors
    return Graph().extend(node).extend(po("fixfactors", id=f"{name}_ff")) if fix else Graph().extend(node)
