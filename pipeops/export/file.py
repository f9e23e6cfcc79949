"""export: a trained learner as one file, `model.onnx` (all of it) or `network.pt2` (the network alone).

Everything is checked before anything is written: nodes without a form are named. Neighbours: `operators` and `models` know the
forms; `graph.driver` says in which order nodes come.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeops.errors import ConfigError, NotTrainedError
from pipeops.export.builder import ML, OPSET, Builder, Column, Columns, Scores
from pipeops.export.models import ingress, network, to_pt2, why_not
from pipeops.export.operators import FORMS
from pipeops.extras import extra
from pipeops.files import write_bytes
from pipeops.graph.graph import Graph
from pipeops.graph.graph_learner import GraphLearner
from pipeops.graph.learner_node import LearnerOp
from pipeops.learn.learner import Learner
from pipeops.saving import versions

TYPES = {"numeric": "FLOAT", "boolean": "BOOL", "categorical": "STRING"}


def export(learner: Learner, path: str | Path) -> None:
    """Write a trained learner for other programs: `*.onnx` or `*.pt2`; see `Learner.export`."""
    if not learner.is_trained:
        raise NotTrainedError(f"{learner.id}: train it before it is exported.")
    makers = {".onnx": _onnx, ".pt2": _pt2}
    suffix = Path(path).suffix
    if suffix not in makers:
        raise ConfigError(f'{learner.id}: exports to "*.onnx" (the whole graph) or "*.pt2" (the network), got {str(path)!r}.')
    write_bytes(path, makers[suffix](learner))


def _pt2(learner: Learner) -> bytes:
    states = [s for s in learner.model.values() if hasattr(s, "network")] if isinstance(learner, GraphLearner) else []
    if len(states) != 1:
        raise ConfigError(f"{learner.id}: *.pt2 holds one network, this learner has {len(states)}; export it as *.onnx.")
    return to_pt2(states[0])


def _graph(learner: Learner) -> tuple[Graph, Mapping[str, Any]]:
    """The learner as nodes and states."""
    if isinstance(learner, GraphLearner):
        return learner.graph, learner.model
    node = LearnerOp(learner)
    return Graph().extend(node), {str(node.id): learner.state}


def _onnx(learner: Learner) -> bytes:
    (graph, states), onnx = _graph(learner), extra("onnx", "onnx", "export")
    prototype: Any = learner.state.prototype  # type: ignore[union-attr]
    _check(learner.id, graph, states, prototype.feature_types)
    b = Builder()
    inputs, columns = _inputs(prototype.feature_types, b)
    scores = _walked(graph, states, columns, b)
    outputs = _outputs(scores, b)
    made = onnx.helper.make_graph(b.nodes, "pipeops", inputs, outputs, b.initializers)
    domains = {node.domain for node in b.nodes} - {"", ML}
    opsets = [("", OPSET), (ML, 4), *((domain, 1) for domain in sorted(domains))]
    model = onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid(*one) for one in opsets], ir_version=10)
    onnx.helper.set_model_props(model, _metadata(learner, prototype, scores))
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _check(who: str, graph: Graph, states: Mapping[str, Any], types: Mapping[str, str]) -> None:
    """Name every node and column without a form."""
    from pipeops.net.inputs.ingress import Ingress
    from pipeops.net.network.node import NetworkNode

    problems = [f"'{n}' is {kind}" for n, kind in types.items() if kind not in TYPES]
    for step in graph._plan():
        if isinstance(step.node, LearnerOp):
            reason = why_not(step.node, states[step.id])
            problems += [f"{step.id}: {reason}"] if reason else []
        elif type(step.node) not in FORMS and not isinstance(step.node, Ingress | NetworkNode) and not _of_network(step.node):
            problems.append(f"{step.id}: a {type(step.node).__name__} has no form in ONNX")
    if problems:
        raise ConfigError(f"{who}: cannot be exported: {'; '.join(problems)}.")


def _of_network(node: Any) -> bool:
    """Whether a node only passes on what flows into a network, or ends one."""
    return bool(node.inputs) and all(c.predict == "Feed" for c in node.inputs)


def _inputs(types: Mapping[str, str], b: Builder) -> tuple[list[Any], Columns]:
    """One input a feature, `(batch, 1)`, and the columns that they make."""
    inputs = [
        b.onnx.helper.make_tensor_value_info(name, getattr(b.onnx.TensorProto, TYPES[kind]), ["batch", 1])
        for name, kind in types.items()
    ]
    return inputs, {n: Column(n if kind == "categorical" else b.cast(n, "float64"), kind) for n, kind in types.items()}


def _walked(graph: Graph, states: Mapping[str, Any], columns: Columns, b: Builder) -> Scores:
    """What the graph predicts: its nodes in order, on columns, feeds of networks, and scores."""
    from pipeops.net.inputs.ingress import Ingress

    lane: dict[str, list[Any]] = {"": [columns] * len(graph.inputs)}
    last: Any = None
    for step in graph._plan():
        given, state = [lane[slot][k] for slot, k in step.sources], states[step.id]
        if isinstance(step.node, Ingress):
            lane[step.id] = [ingress(step.node, state, given[0], b)]
        elif type(step.node) in FORMS:
            lane[step.id] = FORMS[type(step.node)](step.node, state, given, b)
        elif hasattr(state, "network"):
            lane[step.id] = [network(state, given[0], b)]
        else:
            lane[step.id] = [{name: value for feed in given for name, value in feed.items()}]
        last = lane[step.id][0]
    return last


def _outputs(scores: Scores, b: Builder) -> list[Any]:
    """`label` and `probabilities`, or `prediction`."""
    helper, proto = b.onnx.helper, b.onnx.TensorProto
    if scores.class_names is None:
        b.nodes.append(helper.make_node("Cast", [scores.response], ["prediction"], to=proto.FLOAT))
        return [helper.make_tensor_value_info("prediction", proto.FLOAT, ["batch"])]
    whole = all(isinstance(name, int) for name in scores.class_names)
    labels = b.constant(scores.class_names, "int64" if whole else "string")
    b.nodes.append(helper.make_node("Gather", [labels, scores.response], ["label"]))
    outputs = [helper.make_tensor_value_info("label", proto.INT64 if whole else proto.STRING, ["batch"])]
    if scores.prob is not None:
        b.nodes.append(helper.make_node("Cast", [scores.prob], ["probabilities"], to=proto.FLOAT))
        outputs.append(helper.make_tensor_value_info("probabilities", proto.FLOAT, ["batch", len(scores.class_names)]))
    return outputs


def _metadata(learner: Learner, prototype: Any, scores: Scores) -> dict[str, str]:
    """What a reader must know: the learner, its columns and classes, versions, and how missing values are written."""
    own = {
        "id": learner.id,
        "task_type": str(prototype.task_type),
        "features": dict(prototype.feature_types),
        "versions": versions(),
        "missing": {"numeric": "NaN", "categorical": ""},
    }
    own |= {} if scores.class_names is None else {"class_names": list(scores.class_names)}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in own.items()}
