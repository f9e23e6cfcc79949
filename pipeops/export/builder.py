"""An ONNX graph under construction: nodes, constants and fresh names, and the columns that flow through it.

Numbers are computed in float64, as operators do; missing numbers are NaN, missing text is the empty string.
Neighbours: `operators` and `models` add nodes; `file` makes the model.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeops.extras import extra

OPSET = 20
ML = "ai.onnx.ml"


class Column(NamedTuple):
    """A column `(rows, 1)`: the name of its value, and its kind; numbers and booleans are float64, the others strings."""

    value: str
    kind: str


Columns = dict[str, Column]


class Scores(NamedTuple):
    """What a model gives: probabilities `(rows, classes)` float64 or None, class positions or numbers `(rows,)`, the classes."""

    prob: str | None
    response: str
    class_names: list[Any] | None


class Builder:
    """Collects the nodes of one graph; each method answers the name of the value that it adds."""

    def __init__(self) -> None:
        self.onnx = extra("onnx", "onnx", "export")
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._taken = 0

    def fresh(self, stem: str) -> str:
        """A name that nothing has."""
        self._taken += 1
        return f"{stem}_{self._taken}"

    def constant(self, value: Any, dtype: str = "float64") -> str:
        """A constant array; texts as strings."""
        name = self.fresh("constant")
        array = np.asarray(value, dtype=object if dtype == "string" else dtype)
        if dtype == "string":
            array = np.vectorize(str, otypes=[object])(array) if array.size else array
        self.initializers.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def op(self, kind: str, *inputs: str, domain: str = "", unused: int = 0, **attributes: Any) -> str:
        """One node, and its first output; unused: how many more it has."""
        name = self.fresh(kind.lower())
        outputs = [name, *(self.fresh("unused") for _ in range(unused))]
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), outputs, name=name, domain=domain, **attributes))
        return name

    def cast(self, value: str, to: str) -> str:
        """A value in another type: "float32", "float64", "int64" or "bool"."""
        types = {"float32": "FLOAT", "float64": "DOUBLE", "int64": "INT64", "bool": "BOOL"}
        return self.op("Cast", value, to=getattr(self.onnx.TensorProto, types[to]))

    def codes(self, text: str, levels: Sequence[str]) -> str:
        """The position of each text among the levels, int64, -1 for others."""
        numbers = list(range(len(levels)))
        if not levels:
            return self.op("Sub", self.codes(text, [""]), self.constant(1, "int64"))
        return self.op(
            "LabelEncoder", text, domain=ML, keys_strings=list(levels), values_int64s=numbers, default_int64=-1
        )  # fmt: skip

    def missing(self, column: Column) -> str:
        """Where a column is missing, as booleans."""
        if column.kind == "categorical":
            return self.op("Equal", self.codes(column.value, [""]), self.constant(0, "int64"))
        return self.op("IsNaN", column.value)

    def concat(self, columns: Sequence[Column]) -> str:
        """Columns side by side `(rows, columns)`, float64."""
        return self.op("Concat", *(c.value for c in columns), axis=1)

    def inline(self, model: Any, inputs: Mapping[str, str]) -> list[str]:
        """Another model's nodes, its inputs fed by these values; the names of its outputs."""
        prefix = self.fresh("inner") + "/"
        model = self.onnx.compose.add_prefix(model, prefix)
        for name, value in inputs.items():
            self.nodes.append(self.onnx.helper.make_node("Identity", [value], [prefix + name]))
        self.nodes.extend(model.graph.node)
        self.initializers.extend(model.graph.initializer)
        return [output.name for output in model.graph.output]
