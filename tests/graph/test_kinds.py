"""Kinds: which is wider than which, what accepts what, and who says what helps."""

import copy
import pickle
from pathlib import Path

import pytest

import pipeops.graph
from pipeops import Graph, as_task_classif, as_task_regr, nn, po
from pipeops.errors import CompositionError, DataError, PipeOpsError
from pipeops.graph.kinds import INACTIVE, Kind, Multiplicity, declare
from pipeops.graph.pipeop import Channel, PipeOp, operator

CLASSIF = as_task_classif({"x": [1.0, 2.0], "y": ["a", "b"]}, target="y")
REGR = as_task_regr({"x": [1.0, 2.0], "y": [1.0, 2.0]}, target="y")


@pytest.mark.parametrize(
    ("narrow", "wide", "within", "fits"),
    [
        ("TaskClassif", "Task", True, True),
        ("Task", "TaskClassif", False, True),
        ("TaskClassif", "TaskRegr", False, False),
        ("Task", "*", True, True),
        ("*", "Task", False, True),
        ("Prediction", "Task", False, False),
        ("[Task]", "Task", False, True),
        ("Task", "[Task]", False, True),
        ("[TaskRegr]", "TaskClassif", False, False),
        ("Feed", "Task", False, False),
        ("TaskOfMyOwn", "Task", True, True),
    ],
)
def test_within_and_fits(narrow, wide, within, fits):
    assert Kind(narrow).within(Kind(wide)) is within
    assert Kind(narrow).fits(Kind(wide)) is fits


def test_what_accepts_what():
    task, anything, several = Kind("Task"), Kind("*"), Kind("[Task]")
    assert task.accepts(CLASSIF)
    assert not Kind("TaskRegr").accepts(CLASSIF)
    assert not task.accepts(3)
    assert anything.accepts(3)
    assert Kind("int").accepts(3)
    assert Kind("None").accepts(None)
    assert not Kind("None").accepts(0)
    assert all(kind.accepts(INACTIVE) for kind in (task, anything, several))
    assert several.accepts(Multiplicity([CLASSIF, REGR]))
    assert not several.accepts(CLASSIF)
    assert not several.accepts(Multiplicity([CLASSIF, 3]))
    assert task.accepts(Multiplicity([CLASSIF])), "a node is trained on each"


def test_the_narrowest_common_kind():
    assert Kind("TaskClassif").common(Kind("TaskRegr")) == "Task"
    assert Kind("TaskClassif").common(Kind("TaskClassif")) == "TaskClassif"
    assert Kind("Task").common(Kind("Prediction")) == "*"


def test_marks_and_channels_survive_copies_and_processes():
    channel = Channel("input", "Task", "[Task]", many=True)
    for made in (copy.deepcopy((channel, INACTIVE)), pickle.loads(pickle.dumps((channel, INACTIVE)))):
        assert made == (channel, INACTIVE)
        assert made[1] is INACTIVE
        assert made[0].predict.element == "Task"
    assert Channel("input", "Task", "Task") == ("input", "Task", "Task", False)


def test_rooms_above_bring_their_own_advice():
    declare("Sound", how="record one", instead={"Task": ' Put po("listen") between them.'})

    @operator
    class Hears(PipeOp):
        inputs = (Channel("input", "Sound", "Sound"),)

        def train(self, inputs):
            return inputs, {}

        def predict(self, inputs, state):
            return inputs

    with pytest.raises(CompositionError, match=r"takes a Sound \(input 'input'\)\. Put po\(\"listen\"\) between them"):
        po("scale") >> Hears()
    with pytest.raises(DataError, match=r"takes a Sound in train, got int; record one\."):
        Graph().extend(Hears()).train(3)
    with pytest.raises(CompositionError, match="torch_ingress_num"):
        po("scale") >> nn("relu")


def test_no_torch_node_is_named_in_the_graph_room():
    text = "".join(file.read_text() for file in Path(pipeops.graph.__file__).parent.glob("*.py"))
    assert "torch_" not in text


HAND = {"torch_loss": {"loss": "mse"}}


@pytest.mark.parametrize(
    "key",
    [
        "scale",
        "pca",
        "featureunion",
        "unbranch",
        "torch_ingress_num",
        "torch_loss",
        "torch_optimizer",
        "torch_callbacks",
        "torch_model_regr",
    ],
)
@pytest.mark.parametrize("inputs", [[], None, 5, ["a"], [None]], ids=repr)
def test_nodes_trained_by_hand_say_what_they_take(key, inputs):
    node = po(key, **HAND.get(key, {}))
    if any(c.train == "*" for c in node.inputs) and isinstance(inputs, list):
        return
    with pytest.raises(PipeOpsError, match=key):
        node.train(inputs)
