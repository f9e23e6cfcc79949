"""How operators on values look in an exported model: projections, powers, bins, merged levels, targets scaled and back.

Neighbours: `operators` has the other forms, and `form` and `maps`, which register one; `file` walks the graph.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeops.errors import ConfigError
from pipeops.export.builder import Builder, Column, Columns, Scores
from pipeops.export.operators import form, maps
from pipeops.ops.categories.collapse import CollapseFactors
from pipeops.ops.filters.keep import FilterFeatures
from pipeops.ops.flow import Info
from pipeops.ops.numbers.bins import HistBin, QuantileBin, labels
from pipeops.ops.numbers.powers import BoxCox, YeoJohnson
from pipeops.ops.numbers.project import ICA, NMF, PCA, RandomProjection
from pipeops.ops.target import TargetInvert, TargetMutate, TargetScaleRange
from pipeops.ops.tasks.imbalance import Adas, BLSmote, NearMiss, Smote, Tomek
from pipeops.ops.tasks.smotenc import SmoteNC
from pipeops.ops.tasks.weights_ex import ClassWeightsEx

Back = Callable[[str, Builder], str]
"""From a response in the unit of the model to one in the target's own."""


@form(Info, ClassWeightsEx, Smote, SmoteNC, BLSmote, Adas, NearMiss, Tomek)
def _pass(node: Any, state: Any, inputs: list[Any], b: Builder) -> list[Any]:
    return list(inputs)


@form(FilterFeatures)
def _filter(node: Any, state: Any, inputs: list[Any], b: Builder) -> list[Any]:
    return [{name: inputs[0][name] for name in state["features"]}]


@maps(PCA, ICA, NMF, RandomProjection)
def _project(node: Any, learnt: Mapping[str, Any], columns: Columns, b: Builder) -> Columns:
    if not learnt["size"]:
        return {}
    x = b.op("Sub", b.concat(list(columns.values())), b.constant(learnt["center"]))
    made = b.op("MatMul", b.op("Div", x, b.constant(learnt["scale"])), b.constant(learnt["matrix"]))
    return {f"{node.prefix}{j + 1}": _numeric(_picked(made, j, b)) for j in range(learnt["size"])}


def _picked(matrix: str, j: int, b: Builder) -> str:
    return b.op("Gather", matrix, b.constant([j], "int64"), axis=1)


def _numeric(value: str) -> Column:
    return Column(value, "numeric")


@maps(BoxCox)
def _box_cox(node: BoxCox, learnt: Mapping[str, Any], columns: Columns, b: Builder) -> Columns:
    return {n: _standard(node, _power(c.value, learnt[n]["power"], b), learnt[n], b) for n, c in columns.items()}


@maps(YeoJohnson)
def _yeo_johnson(node: YeoJohnson, learnt: Mapping[str, Any], columns: Columns, b: Builder) -> Columns:
    return {n: _standard(node, _two_sided(c.value, learnt[n]["power"], b), learnt[n], b) for n, c in columns.items()}


def _power(x: str, power: float, b: Builder) -> str:
    """`(x^p - 1) / p`, and `log(x)` for p = 0."""
    if power == 0:
        return b.op("Log", x)
    raised = b.op("Exp", b.op("Mul", b.op("Log", x), b.constant(power)))
    return b.op("Div", b.op("Sub", raised, b.constant(1.0)), b.constant(power))


def _two_sided(x: str, power: float, b: Builder) -> str:
    """The power of x + 1 from 0 on, and minus the opposite power of 1 - x below; missing stays missing."""
    above, one = b.op("GreaterOrEqual", x, b.constant(0.0)), b.constant(1.0)
    size = b.op("Add", b.op("Abs", x), one)
    below = b.op("Neg", _power(size, 2 - power, b))
    return b.op("Where", above, _power(size, power, b), below)


def _standard(node: Any, value: str, learnt: Mapping[str, Any], b: Builder) -> Column:
    if not node.standardize:
        return _numeric(value)
    return _numeric(b.op("Div", b.op("Sub", value, b.constant(learnt["mean"])), b.constant(learnt["sd"])))


@maps(QuantileBin, HistBin)
def _bins(node: Any, learnt: Mapping[str, Sequence[float]], columns: Columns, b: Builder) -> Columns:
    return {name: _cut(column, list(learnt[name]), node.opening, b) for name, column in columns.items()}


def _cut(column: Column, borders: list[float], opening: str, b: Builder) -> Column:
    """The label of the bin, the empty text where missing."""
    first, *others = labels(borders, opening)
    value = b.op("Where", b.missing(column), b.constant([[""]], "string"), b.constant([[first]], "string"))
    for border, label in zip(borders, others, strict=True):
        value = b.op("Where", b.op("Greater", column.value, b.constant(border)), b.constant([[label]], "string"), value)
    return Column(value, "categorical")


@maps(CollapseFactors)
def _collapse(node: Any, learnt: Mapping[str, Mapping[str, Any]], columns: Columns, b: Builder) -> Columns:
    return {n: _merged(c, learnt[n]["into"], b) if n in learnt else c for n, c in columns.items()}


def _merged(column: Column, into: Mapping[str, str], b: Builder) -> Column:
    """What each level became; others as they are."""
    codes = b.codes(column.value, list(into))
    other = b.op("Less", codes, b.constant(0, "int64"))
    return column._replace(
        value=b.op("Where", other, column.value, b.op("Gather", b.constant(list(into.values()), "string"), codes))
    )


@form(TargetScaleRange)
def _scaled(node: TargetScaleRange, state: Mapping[str, float], inputs: list[Any], b: Builder) -> list[Any]:
    def back(response: str, b: Builder) -> str:
        moved = b.op("Div", b.op("Sub", response, b.constant(node.lower)), b.constant(state["scale"]))
        return b.op("Add", moved, b.constant(state["minimum"]))

    return [back, inputs[0]]


KNOWN: dict[Any, str] = {np.exp: "Exp", np.log: "Log", np.sqrt: "Sqrt", np.abs: "Abs"}
"""Functions of numpy that ONNX has."""


@form(TargetMutate)
def _mutated(node: TargetMutate, state: Any, inputs: list[Any], b: Builder) -> list[Any]:
    if node.inverter is not None and node.inverter not in KNOWN:
        known = ", ".join(f"np.{function.__name__}" for function in KNOWN)
        raise ConfigError(f"{node.id}: the inverter {node.inverter!r} has no form in ONNX; {known} have.")

    def back(response: str, b: Builder) -> str:
        return response if node.inverter is None else b.op(KNOWN[node.inverter], response)

    return [back, inputs[0]]


@form(TargetInvert)
def _inverted(node: Any, state: Any, inputs: list[Any], b: Builder) -> list[Any]:
    back: Back = inputs[0]
    scores: Scores = inputs[1]
    return [scores._replace(response=back(b.cast(scores.response, "float64"), b))]
