"""Structures of graphs beside the reference's: ids, edges, open channels, and what it refuses to join.

The reference's call is translated into ours; operators and learners that are not registered here are stood in for by nodes
with the same channels, since only channels matter to composing. Calls of templates (`ppl`) are not translated.
"""

import re
from typing import Any

import pytest
from graph_nodes import ClassifFeatures, Features, Model

from pipeops import Graph, gunion, po
from pipeops.errors import PipeOpsError

POSITIONAL = {"copy": "outnum", "featureunion": "innum"}
SAME_KEYS = re.compile(r"%>>%|\bTRUE\b|\bFALSE\b|\bNULL\b|\bGraph\$new\(|\bas_graph\(|\blist\(|\bc\(")
PYTHON = {
    "%>>%": ">>", "TRUE": "True", "FALSE": "False", "NULL": "None", "Graph$new(": "Graph(", "as_graph(": "Graph() >> (",
    "list(": "listed(", "c(": "listed(",
}  # fmt: skip
CLASSIF_ONLY = ("classbalancing", "classweights", "smote", "adas", "blsmote", "nearmiss", "tomek")
DIFFERENT = {
    "dup_ids": "a default id that is taken gets a number here",
    "add_pipeop_clone": "nodes are immutable, so none is cloned",
    "id_dot": "ids are Python identifiers here",
    "null_both": "None >> None is Python's own TypeError",
    "set_id": "nodes are immutable; renamed(id) makes another",
}


def python(call: str) -> str:
    """The reference's call as Python source."""
    text = SAME_KEYS.sub(lambda m: PYTHON[m[0]], call).replace("$", ".").replace(";", "\n")
    text = text.replace("src_channel", "output").replace("dst_channel", "input")
    return re.sub(r'(?<=add_edge\(")[^"]+', lambda m: own(m[0]), text)


def listed(*args: Any, **named: Any) -> Any:
    return named or list(args)


def node(key: str, *args: Any, **arguments: Any) -> Any:
    """An operator, or a stand-in with the channels of one that is not registered."""
    arguments |= dict(zip([POSITIONAL.get(key, "")], args, strict=False))
    stem = key.rpartition("_")[0] if key[-1].isdigit() else key
    if key in po or stem in po:
        return po(key, **arguments)
    known = {n: v for n, v in arguments.items() if n == "id"}
    return (ClassifFeatures if key in CLASSIF_ONLY else Features)(**({"id": key} | known))


def learner(key: str, **arguments: Any) -> Model:
    return Model(id=key.replace(".", "_"), task_type=key.split(".")[0].title())


SCOPE: dict[str, Any] = {"po": node, "lrn": learner, "listed": listed, "gunion": gunion, "Graph": Graph}


def build(call: str) -> Any:
    *steps, result = python(call).split("\n")
    scope = dict(SCOPE)
    for step in steps:
        name, eq, value = step.partition(" = ")
        if eq and name.strip().isidentifier():
            scope[name.strip()] = eval(value.strip(), scope)
        elif step.strip():
            changed = step.strip().partition(".")[0]
            scope[changed] = eval(step.strip(), scope)
    return eval(result.strip(), scope)


def columns(table: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    found = {column["name"]: column["values"] for column in table}
    return list(zip(*(found[n] for n in names), strict=True))


def here(name: str) -> str:
    return {"NULL": "None"}.get(name, name)


def own(id: str) -> str:
    """Ids are identifiers: an underscore where the reference has a dot."""
    return id.replace(".", "_")


def compare(graph: Graph, expected: dict[str, Any]) -> None:
    assert graph.ids() == [own(i) for i in expected["ids_sorted"]] or sorted(graph.ids()) == sorted(map(own, expected["ids"]))
    edges = columns(expected["edges"], "src_id", "src_channel", "dst_id", "dst_channel")
    assert set(graph.edges) == {(own(a), b, own(c), d) for a, b, c, d in edges}
    for ends, side in ((graph.inputs, "input"), (graph.outputs, "output")):
        rows = columns(expected[side], "op.id", "channel.name", "train", "predict")
        said = [(e.node, e.channel.name, e.channel.train, e.channel.predict) for e in ends]
        assert {s[:2] for s in said} == {(own(i), c) for i, c, *_ in rows}
        wanted = {(own(i), c): (here(t), here(p)) for i, c, t, p in rows}
        for id, channel, *types in said:
            assert tuple(types) == wanted[id, channel] or "*" in wanted[id, channel] or learns(graph, id), (id, types)


def learns(graph: Graph, id: str) -> bool:
    """Stand-ins for learners say their task type, where some of the reference's say Task."""
    return isinstance(graph[id], Model)


def test_structures(reference):
    done = []
    for case in reference("08_graph")["graphs"]:
        call, expected = case["r"], case.get("graph", case)
        if "ppl(" in call or "TASKS" in call or "branch" in call or "= po" in call or case["case"] in DIFFERENT:
            continue
        if "error" in expected:
            with pytest.raises(PipeOpsError):
                build(call)
        else:
            graph = build(call)
            compare(graph if isinstance(graph, Graph) else Graph() >> graph, expected)
        done.append(case["case"])
    assert len(done) >= 10, done


def test_what_the_reference_refuses_is_refused(reference):
    cases = {c["case"]: c for c in reference("08_graph")["errors_and_facts"] if "error" in c}
    tried = 0
    for name, case in cases.items():
        call = case["r"]
        if name in DIFFERENT or re.search(r"ppl\(|tsk\(|param_set|param_vals|train\(|rank\.", call):
            continue
        with pytest.raises(PipeOpsError):
            build(call)
        tried += 1
    assert tried >= 6


def test_the_order_of_ids_and_the_names_of_outputs(reference):
    facts = {c["case"]: c for c in reference("08_graph")["errors_and_facts"]}
    ids = build(facts["graph_ids_order"]["r"].split(";")[0].removeprefix("g = ")).ids()
    assert ids == re.findall(r'"(\w+)"', facts["graph_ids_order"]["value"])
    outputs = build('po("copy", 2) %>>% list(po("scale"), po("pca"))').outputs
    assert [e.name for e in outputs] == re.findall(r'"([\w.]+)"', facts["out_names"]["value"])
