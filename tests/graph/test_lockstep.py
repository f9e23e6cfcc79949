"""Graphs trained in lockstep: each gets what it would get alone, and fails alone."""

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from pipeops import as_task_classif, po
from pipeops.errors import PipeOpsError
from pipeops.graph.graph import Graph
from pipeops.graph.lockstep import lockstep, same_nodes
from pipeops.graph.pipeop import Channel, PipeOp, attempt, operator
from pipeops.params import integer


@operator
class Together(PipeOp):
    """Notes who was trained in company; refuses tasks of five rows."""

    company: ClassVar[list[list[int]]] = []
    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "Task", "Task"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "Task", "Task"),)
    takes_valid: ClassVar[bool] = True
    number: int = integer(default=0)

    def train(self, inputs: Sequence[Any], valid: Sequence[Any] | None = None) -> tuple[Sequence[Any], Any]:
        if inputs[0].nrow == 5:
            raise ValueError("five rows")
        return inputs, (self.number, inputs[0].nrow, valid and valid[0].nrow)

    @classmethod
    def train_many(cls, nodes: Sequence[Any], inputs: Sequence[Any], valids: Sequence[Any]) -> list[Any]:
        cls.company.append([node.number for node in nodes])
        return [attempt(node.train, *given) for node, *given in zip(nodes, inputs, valids, strict=True)]

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        return inputs


def task(n):
    return as_task_classif({"x": [float(i) for i in range(n)], "y": ["a", "b"] * (n // 2) + ["a"] * (n % 2)}, target="y")


def graph(number=0):
    return po("scale") >> Together(number=number, id="meet") >> po("nop")


def test_a_node_class_gets_all_of_its_nodes_at_once():
    Together.company.clear()
    graphs = [graph(i) for i in range(3)]
    assert lockstep(graphs, [task(n) for n in (4, 6, 8)], [None, task(2), None]) == [None] * 3
    assert Together.company == [[0, 1, 2]]
    assert [g.state["meet"] for g in graphs] == [(0, 4, None), (1, 6, 2), (2, 8, None)]
    for g, n in zip(graphs, (4, 6, 8), strict=True):
        alone = graph()
        alone.train(task(n))
        assert repr(g.state["scale"]) == repr(alone.state["scale"])
        assert g.is_trained


def test_one_fails_alone_and_is_not_seen_again():
    Together.company.clear()
    graphs = [graph(i) >> Together(number=i, id="again") for i in range(3)]
    errors = lockstep(graphs, [task(n) for n in (4, 5, 8)], [None] * 3)
    assert [type(e) for e in errors] == [type(None), ValueError, type(None)]
    assert errors[1].__notes__ == ["in node 'meet', training"]
    assert Together.company == [[0, 1, 2], [0, 2]]
    assert [g.is_trained for g in graphs] == [True, False, True]


def test_bad_inputs_fail_alone():
    errors = lockstep([graph(), graph()], [task(4), "no task"], [None, None])
    assert errors[0] is None
    assert isinstance(errors[1], PipeOpsError)
    assert lockstep([graph()], ["no task"], [None])[0] is not None


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (po("scale", center=False) >> po("nop"), True),
        (po("scale") >> po("nop", id="other"), False),
        (po("scale"), False),
        (Graph().add_pipeop(po("scale")).add_pipeop(po("nop")), False),
    ],
)
def test_which_graphs_can_go_together(other, same):
    assert same_nodes(po("scale") >> po("nop"), Graph().extend(other)) is same
