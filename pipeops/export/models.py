"""How models look in an exported graph: networks through torch.onnx, linear models by hand, trees through skl2onnx.

Neighbours: `builder` and `operators` below; `file` walks the graph. This file alone of the room knows torch.
"""

import io
import logging
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeops.errors import ConfigError, listing
from pipeops.export.builder import OPSET, Builder, Column, Columns, Scores
from pipeops.export.operators import decided, form
from pipeops.extras import extra
from pipeops.graph.learner_node import LearnerOp
from pipeops.learn.learners.sklearn_learner import SklearnModel
from pipeops.net.inputs.link_multi import MultilabelLink, MultiRegrLink
from pipeops.net.inputs.link_regr import NumberLink, QuantileLink

TREES = ("DecisionTree", "RandomForest", "ExtraTrees", "GradientBoosting", "HistGradientBoosting")
LINEAR = (
    "LogisticRegression", "LinearDiscriminantAnalysis", "LinearRegression", "Ridge", "Lasso", "ElasticNet", "LinearSVR",
)  # fmt: skip


def why_not(node: Any, state: Any) -> str:
    """Why a node that holds a learner has no exported form; empty where it has one."""
    model = getattr(state, "model", None)
    name = type(getattr(model, "estimator", model)).__name__
    if not isinstance(model, SklearnModel):
        return f"a {name} has no form in ONNX"
    if name in LINEAR:
        return ""
    if not name.startswith(TREES):
        return f"scikit-learn's {name} has no form in ONNX"
    try:
        extra("skl2onnx", "onnx", "export")
    except ImportError:
        return f"scikit-learn's {name} needs skl2onnx, which is not installed"
    return ""


@form(LearnerOp)
def _learner(node: Any, state: Any, inputs: list[Any], b: Builder) -> list[Any]:
    model: SklearnModel = state.model
    (columns,) = inputs
    linear = type(model.estimator).__name__ in LINEAR
    return [_linear(model, columns, b) if linear else _trees(model, columns, b)]


def _linear(model: SklearnModel, columns: Columns, b: Builder) -> Scores:
    x, estimator = b.concat([columns[name] for name in model.features]), model.estimator
    coefficients = np.atleast_2d(estimator.coef_).T
    score = b.op("Add", b.op("MatMul", x, b.constant(coefficients)), b.constant(np.ravel(estimator.intercept_)))
    if model.class_names is None:
        return Scores(None, _flat(score, b), None)
    seen = estimator.classes_.tolist()
    if coefficients.shape[1] == 1:
        second = b.op("Sigmoid", score)
        prob = b.op("Concat", b.op("Sub", b.constant(1.0), second), second, axis=1)
    else:
        prob = b.op("Softmax", score, axis=1)
    return _classes(prob, seen, model.class_names, b)


def _flat(value: str, b: Builder) -> str:
    return b.op("Reshape", value, b.constant([-1], "int64"))


def _classes(prob: str, seen: list[Any], class_names: list[Any], b: Builder) -> Scores:
    """Probabilities in the order of the task's classes; those that training did not see have 0."""
    zero = b.op("Mul", b.op("Gather", prob, b.constant([0], "int64"), axis=1), b.constant(0.0))
    columns = [
        b.op("Gather", prob, b.constant([seen.index(name)], "int64"), axis=1) if name in seen else zero for name in class_names
    ]
    return by_probability(b.op("Concat", *columns, axis=1), class_names, b)


def by_probability(prob: str, class_names: list[Any], b: Builder) -> Scores:
    """Probabilities and the class that they give."""
    scores = Scores(prob, "", class_names)
    if len(class_names) == 2:
        return decided(scores, 0.5, b)
    return scores._replace(response=b.op("ArgMax", prob, axis=1, keepdims=0))


def _trees(model: SklearnModel, columns: Columns, b: Builder) -> Scores:
    skl2onnx = extra("skl2onnx", "onnx", "export")
    kind = extra("skl2onnx.common.data_types", "onnx", "export").FloatTensorType([None, len(model.features)])
    options = {} if model.class_names is None else {id(model.estimator): {"zipmap": False}}
    made = skl2onnx.to_onnx(
        model.estimator, initial_types=[("X", kind)], options=options, target_opset={"": OPSET, "ai.onnx.ml": 3}
    )
    x = b.cast(b.concat([columns[name] for name in model.features]), "float32")
    outputs = b.inline(made, {"X": x})
    if model.class_names is None:
        return Scores(None, _flat(b.cast(outputs[0], "float64"), b), None)
    return _classes(b.cast(outputs[1], "float64"), model.estimator.classes_.tolist(), model.class_names, b)


# ---------------------------------------------------------------- networks


def ingress(node: Any, state: Mapping[str, Any], columns: Columns, b: Builder) -> dict[str, str]:
    """The value that goes into a network through this node."""
    if "levels" in state:
        missing = state.get("missing") or ()
        codes = [_coded(columns[name], levels, name in missing, b) for name, levels in state["levels"].items()]
        return {str(node.id): b.op("Concat", *codes, axis=1)}
    return {str(node.id): b.cast(b.concat([columns[name] for name in state["layout"]]), "float32")}


def _coded(column: Column, levels: list[Any], missing: bool, b: Builder) -> str:
    """The code of each level, then that of missing values where they have one, then that of all others."""
    if column.kind == "boolean":
        return b.cast(column.value, "int64")
    known = [*levels, *([""] if missing else [])]
    codes = b.codes(column.value, known)
    return b.op("Where", b.op("Less", codes, b.constant(0, "int64")), b.constant([[len(known)]], "int64"), codes)


def network(state: Any, feed: Mapping[str, str], b: Builder) -> Scores:
    """A trained network's output as probabilities or numbers."""
    if isinstance(state.link, MultiRegrLink | MultilabelLink):
        raise ConfigError(f"export: networks of several targets ({listing(state.link.target_names)}) have no form in ONNX here.")
    (output,) = b.inline(to_onnx(state), {name: feed[name] for name in state.inputs})
    output = b.cast(output, "float64")
    if state.class_names is None:
        return Scores(None, _flat(_response(state.link, output, b), b), None)
    if len(state.class_names) > 2:
        return by_probability(b.op("Softmax", output, axis=1), state.class_names, b)
    prob = b.op("Concat", b.op("Sigmoid", output), b.op("Sigmoid", b.op("Neg", output)), axis=1)
    return by_probability(prob, state.class_names, b)


def _response(link: Any, output: str, b: Builder) -> str:
    """The predicted number from the outputs `(n, width)`: itself, its exponential, the mean, or the median quantile."""
    if isinstance(link, NumberLink):
        return b.op("Exp", output) if link.exponential else output
    if isinstance(link, QuantileLink):
        output = b.op("Neg", b.op("TopK", b.op("Neg", output), b.constant([link.width], "int64"), axis=1, unused=1))
    place = link.middle if isinstance(link, QuantileLink) else 0
    return b.op("Gather", output, b.constant([place], "int64"), axis=1)


def _examples(state: Any) -> tuple[Any, ...]:
    """Two rows of zeros for each ingress."""
    import torch

    symbols = {s.id: s for s in state.symbol.ancestors()}
    return tuple(torch.zeros((2, *symbols[name].shape[1:]), dtype=symbols[name].dtype) for name in state.inputs)


def _dynamic(state: Any) -> tuple[Any, ...]:
    import torch

    batch = torch.export.Dim("batch")
    return tuple({0: batch} for _ in state.inputs)


def to_onnx(state: Any) -> Any:
    """The network of a model node's state as an ONNX model whose batch may have any size."""
    import torch

    extra("onnxscript", "onnx", "export")
    loud, logger = logging.ERROR, logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(loud)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own deprecations
            program = torch.onnx.export(
                state.network.eval(), _examples(state), dynamo=True, dynamic_shapes=_dynamic(state), opset_version=OPSET,
                verbose=False, input_names=list(state.inputs), output_names=["output"],
            )  # fmt: skip
    except Exception as error:
        raise ConfigError(f"export: torch cannot export this network: {error}") from error
    finally:
        logger.setLevel(before)
    return program.model_proto  # type: ignore[union-attr]


def to_pt2(state: Any) -> bytes:
    """The network as `torch.export` saves it, with a batch of any size."""
    import torch

    program = torch.export.export(state.network.eval(), _examples(state), dynamic_shapes=_dynamic(state))
    stream = io.BytesIO()
    torch.export.save(program, stream)
    return stream.getvalue()
