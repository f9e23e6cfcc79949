"""How operators look in an exported model: for each class a function from columns to columns.

`form(Class)` registers one; a class has the form that it registered itself, never that of its parent, whose rules it may have
changed. Neighbours: `builder` below; `file` walks the graph.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeops.export.builder import Builder, Column, Columns, Scores
from pipeops.ops.base import Preprocess
from pipeops.ops.encode import Encode
from pipeops.ops.features import FixFactors, MissInd, RemoveConstants, RenameColumns, Select
from pipeops.ops.flow import NOP, Copy, FeatureUnion
from pipeops.ops.impute import ImputeConstant, ImputeMean, ImputeMedian, ImputeMode, ImputeOOR
from pipeops.ops.rows import ClassBalancing, ClassWeights, Subsample
from pipeops.ops.scale import Scale, ScaleMaxAbs, ScaleRange
from pipeops.ops.threshold import Threshold, TuneThreshold

Form = Callable[[Any, Any, list[Any], Builder], list[Any]]
"""(node, state, inputs, builder) -> outputs."""
FORMS: dict[type, Form] = {}


def form(*classes: type) -> Callable[[Form], Form]:
    """Say how nodes of these classes look in an exported model."""

    def register(function: Form) -> Form:
        FORMS.update(dict.fromkeys(classes, function))
        return function

    return register


def maps(*classes: type) -> Callable[[Callable[[Any, Any, Columns, Builder], Columns]], Any]:
    """The form of operators on columns: the function gets the affected ones and answers what takes their place."""

    def register(function: Callable[[Any, Any, Columns, Builder], Columns]) -> Any:
        def whole(node: Any, state: Any, inputs: list[Any], b: Builder) -> list[Any]:
            (columns,) = inputs
            affected = {name: columns[name] for name in state["columns"]}
            return [_put_back(columns, affected, function(node, state["learnt"], affected, b), state) if affected else columns]

        form(*classes)(whole)
        return function

    return register


def _put_back(columns: Columns, affected: Columns, made: Columns, state: Mapping[str, Any]) -> Columns:
    """As `Preprocess` does: kept names keep their place, new ones come last."""
    order = [name for name in state["layout"] if name in columns and (name not in affected or name in made)]
    return {**{name: made.get(name, columns[name]) for name in order}, **{n: c for n, c in made.items() if n not in affected}}


def _number(value: str) -> Column:
    return Column(value, "numeric")


@form(NOP, Subsample, ClassBalancing, ClassWeights)
def _pass(node: Any, state: Any, inputs: list[Any], b: Builder) -> list[Any]:
    return list(inputs)


@form(Copy)
def _copy(node: Any, state: Any, inputs: list[Any], b: Builder) -> list[Any]:
    return list(inputs) * node.outnum


@form(FeatureUnion)
def _union(node: Any, state: Any, inputs: list[Any], b: Builder) -> list[Any]:
    prefixes = node._prefixes(len(inputs))
    union: Columns = {}
    for columns, prefix in zip(inputs, prefixes, strict=True):
        for name, column in columns.items():
            union.setdefault(f"{prefix}.{name}" if prefix else name, column)
    return [union]


@maps(ImputeMean, ImputeMedian, ImputeMode, ImputeConstant, ImputeOOR)
def _impute(node: Any, learnt: Mapping[str, Any], columns: Columns, b: Builder) -> Columns:
    return {name: _filled(column, learnt[name], b) if name in learnt else column for name, column in columns.items()}


def _filled(column: Column, value: Any, b: Builder) -> Column:
    dtype = "string" if column.kind == "categorical" else "float64"
    value = value["levels"][-1] if isinstance(value, Mapping) else value
    return column._replace(value=b.op("Where", b.missing(column), b.constant([[value]], dtype), column.value))


@maps(Scale)
def _scale(node: Any, learnt: Mapping[str, Any], columns: Columns, b: Builder) -> Columns:
    center, scale = learnt["center"], learnt["scale"]
    return {n: _affine(c, center[n], 1 / scale[n], 0.0, b) for n, c in columns.items()}


@maps(ScaleRange)
def _scale_range(node: ScaleRange, learnt: Mapping[str, Any], columns: Columns, b: Builder) -> Columns:
    return {n: _affine(c, learnt["minimum"][n], learnt["scale"][n], node.lower, b) for n, c in columns.items()}


@maps(ScaleMaxAbs)
def _scale_max_abs(node: ScaleMaxAbs, learnt: Mapping[str, float], columns: Columns, b: Builder) -> Columns:
    return {n: _affine(c, 0.0, node.maxabs / learnt[n], 0.0, b) for n, c in columns.items()}


def _affine(column: Column, minus: float, times: float, plus: float, b: Builder) -> Column:
    shifted = b.op("Mul", b.op("Sub", column.value, b.constant(minus)), b.constant(times))
    return _number(b.op("Add", shifted, b.constant(plus)) if plus else shifted)


@maps(Select, RemoveConstants)
def _select(node: Any, learnt: Sequence[str], columns: Columns, b: Builder) -> Columns:
    return {name: columns[name] for name in learnt}


@maps(RenameColumns)
def _rename(node: Any, learnt: Mapping[str, str], columns: Columns, b: Builder) -> Columns:
    return {learnt.get(name, name): column for name, column in columns.items()}


@maps(MissInd)
def _missing(node: MissInd, learnt: Sequence[str], columns: Columns, b: Builder) -> Columns:
    return {f"missing_{name}": _indicator(node.type, b.missing(columns[name]), b) for name in learnt}


def _indicator(kind: str, mask: str, b: Builder) -> Column:
    if kind == "categorical":
        words = b.constant([["missing"]], "string"), b.constant([["present"]], "string")
        return Column(b.op("Where", mask, *words), "categorical")
    return Column(b.cast(mask, "float64"), "boolean" if kind == "boolean" else "numeric")


@maps(FixFactors)
def _fix(node: Any, learnt: Mapping[str, list[str]], columns: Columns, b: Builder) -> Columns:
    empty = b.constant([[""]], "string")

    def known(column: Column, levels: list[str]) -> Column:
        unseen = b.op("Less", b.codes(column.value, levels), b.constant(0, "int64"))
        return column._replace(value=b.op("Where", unseen, empty, column.value))

    return {name: known(c, learnt[name]) if name in learnt else c for name, c in columns.items()}


@maps(Encode)
def _encode(node: Any, learnt: Mapping[str, Mapping[str, Any]], columns: Columns, b: Builder) -> Columns:
    made: Columns = {}
    for name, column in columns.items():
        one = learnt[name]
        values = _looked_up(column, one, b) if "matrix" in one else _hot(column, one["levels"], b)
        made.update(zip(one["names"], values, strict=True))
    return made


def _hot(column: Column, levels: list[str], b: Builder) -> list[Column]:
    codes, mask, nan = b.codes(column.value, levels), b.missing(column), b.constant([[np.nan]])
    hot = [b.cast(b.op("Equal", codes, b.constant(j, "int64")), "float64") for j in range(len(levels))]
    return [_number(value if "" in levels else b.op("Where", mask, nan, value)) for value in hot]


def _looked_up(column: Column, learnt: Mapping[str, Any], b: Builder) -> list[Column]:
    """One value for each level, NaN or the row `rest` for what is none of them."""
    levels, rest = learnt["levels"], learnt.get("rest", np.full(learnt["matrix"].shape[1], np.nan))
    matrix = np.vstack([learnt["matrix"], rest])
    codes = b.codes(column.value, levels)
    places = b.op("Where", b.op("Less", codes, b.constant(0, "int64")), b.constant([[len(levels)]], "int64"), codes)
    return [_number(b.op("Gather", b.constant(values), places)) for values in matrix.T]


@form(Threshold)
def _threshold(node: Threshold, state: Any, inputs: list[Any], b: Builder) -> list[Any]:
    return [decided(inputs[0], node.of(inputs[0].class_names or ()), b)]


@form(TuneThreshold)
def _tuned(node: TuneThreshold, state: Any, inputs: list[Any], b: Builder) -> list[Any]:
    return [decided(inputs[0], state["thresholds"], b)]


def decided(scores: Scores, thresholds: Any, b: Builder) -> Scores:
    """The class that probabilities and thresholds give: the positive one of two from its threshold on, else the largest ratio."""
    assert scores.prob is not None
    assert scores.class_names is not None
    if isinstance(thresholds, Mapping):
        prob = b.op("Div", scores.prob, b.constant([[max(thresholds[name], 1e-300) for name in scores.class_names]]))
        return scores._replace(response=b.op("ArgMax", prob, axis=1, keepdims=0))
    first = b.op("Gather", scores.prob, b.constant(0, "int64"), axis=1)
    below = b.op("Less", first, b.constant(float(thresholds)))
    return scores._replace(response=b.cast(below, "int64"))


def has_form(node: Any) -> bool:
    """Whether an operator has a form of its own."""
    return type(node) in FORMS


def is_operator(node: Any) -> bool:
    """Whether a node is an operator on columns."""
    return isinstance(node, Preprocess)
