"""One driver for many runs: each gets what it would get alone, and fails alone."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pipeops import Graph, as_task_classif, po
from pipeops.errors import PipeOpsError
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.learn.fits import attempt, drive
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


def driven(graphs, sizes, valids=None):
    Together.company.clear()
    valids = valids or [None] * len(graphs)
    return drive(g.training(task(n), valid) for g, n, valid in zip(graphs, sizes, valids, strict=True))


def test_a_node_class_gets_all_of_its_nodes_at_once():
    made = driven([graph(i) for i in range(3)], (4, 6, 8), [None, task(2), None])
    assert Together.company == [[0, 1, 2]]
    assert [one.state["meet"] for one in made] == [(0, 4, None), (1, 6, 2), (2, 8, None)]
    for one, n in zip(made, (4, 6, 8), strict=True):
        alone = graph()
        alone.train(task(n))
        assert repr(one.state["scale"]) == repr(alone.state["scale"])
        assert one.output.matrix().tolist() == alone.predict(task(n)).matrix().tolist()


def test_graphs_that_differ_before_and_behind_it_meet_too():
    graphs = [
        po("scale") >> po("nop") >> Together(number=0),
        Together(number=1) >> po("scale") >> Together(number=2, id="again"),
        [po("nop"), po("scalerange")] >> po("featureunion", innum=["a", "b"]) >> Together(number=3, id="other"),
        Graph().extend(po("scale")),
    ]
    made = driven(graphs, (4, 6, 8, 4))
    assert Together.company == [[0, 1, 3]], "the one that is left trains by itself"
    assert [list(one.state) for one in made] == [g.ids() for g in graphs]


def test_a_single_run_has_no_company():
    (made,) = driven([graph()], [4])
    assert Together.company == []
    assert made.state["meet"] == (0, 4, None)


def test_one_fails_alone_and_is_not_seen_again():
    graphs = [graph(i) >> Together(number=i, id="again") for i in range(3)]
    made = driven(graphs, (4, 5, 8))
    assert isinstance(made[1], ValueError)
    assert made[1].__notes__ == ["in node 'meet', training"]
    assert Together.company == [[0, 1, 2], [0, 2]]
    assert [list(made[i].state) for i in (0, 2)] == [graphs[0].ids()] * 2
    assert not any(g.is_trained for g in graphs), "a run leaves its graph as it is"


def test_bad_inputs_fail_alone():
    first, second = drive(graph().training(given) for given in (task(4), "no task"))
    assert first.state["meet"] == (0, 4, None)
    assert isinstance(second, PipeOpsError)
