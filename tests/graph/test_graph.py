"""Composing, looking at, running and changing graphs."""

import copy
import pickle
from functools import reduce
from operator import rshift
from typing import ClassVar

import networkx as nx
import pytest
from graph_nodes import CALLS, Answers, Features, Fresh, Model, Parts, Recorder, Total, Wanting
from hypothesis import given
from hypothesis import strategies as st

from pipeops import Graph, as_learner, chain, gunion, nn, po, tsk
from pipeops.errors import (
    CompositionError,
    ConfigError,
    DataError,
    NotTrainedError,
    UnknownKeyError,
    UnknownParameterError,
)


def edges(graph):
    return [f"{e.source}.{e.output} > {e.target}.{e.input}" for e in graph.edges]


def names(ends):
    return [end.name for end in ends]


# ---------------------------------------------------------------- composing


def test_a_chain():
    graph = po("scale") >> po("nop") >> po("imputemean")
    assert isinstance(graph, Graph)
    assert graph.ids() == list(graph) == ["scale", "nop", "imputemean"]
    assert edges(graph) == ["scale.output > nop.input", "nop.output > imputemean.input"]
    assert (names(graph.inputs), names(graph.outputs)) == (["scale.input"], ["imputemean.output"])
    assert len(graph) == 3
    assert "nop" in graph
    assert "nap" not in graph
    assert graph["scale"] is graph.nodes["scale"]


def test_chain_is_reduce():
    parts = [po("scale"), [po("nop"), po("nop")], po("featureunion"), gunion([po("nop"), po("nop")]), po("featureunion", innum=2)]
    one, other = chain(parts), reduce(rshift, parts)
    assert one.ids() == other.ids() == ["scale", "nop", "nop_2", "featureunion", "nop_3", "nop_4", "featureunion_2"]
    assert one.edges == other.edges
    assert chain(iter(parts)).edges == one.edges


def test_single_nodes_and_empty_graphs():
    single = chain([po("scale")])
    assert (single.ids(), single.edges) == (["scale"], [])
    empty = Graph()
    assert (empty.ids(), len(empty), repr(empty), empty.is_trained) == ([], 0, "Empty Graph.", False)
    assert (empty >> po("scale")).ids() == (po("scale") >> empty).ids() == ["scale"]
    assert (po("scale") >> chain([]) >> po("nop")).ids() == ["scale", "nop"]


def test_lists_on_either_side():
    out = po("scale") >> [po("nop"), po("encode")]
    assert edges(out) == ["scale.output > nop.input", "scale.output > encode.input"]
    assert names(out.outputs) == ["nop.output", "encode.output"]
    into = [po("nop"), po("encode")] >> po("featureunion")
    assert edges(into) == ["nop.output > featureunion....", "encode.output > featureunion...."]
    assert names(into.inputs) == ["nop.input", "encode.input"]
    tuples = po("scale") >> (po("nop"), po("encode") >> po("nop"))
    assert tuples.ids() == ["scale", "nop", "encode", "nop_2"]
    nested = po("scale") >> [po("nop"), [po("nop"), po("nop")]]
    assert names(nested.outputs) == ["nop.output", "nop_2.output", "nop_3.output"]


def test_several_outputs_meet_as_many_inputs_in_order():
    graph = Parts(id="one") >> Parts(id="two")
    assert edges(graph) == ["one.quotient > two.a", "one.rest > two.b"]
    assert edges(po("copy", outnum=3) >> Total()) == [f"copy.output{k} > total...." for k in (1, 2, 3)]
    assert edges(po("nop") >> Parts()) == ["nop.output > parts.a", "nop.output > parts.b"]


def test_composing_leaves_its_parts_alone():
    a, b = po("scale") >> po("nop"), po("nop")
    before = (a.ids(), a.edges, names(a.outputs), b.id)
    joined = a >> b
    assert (a.ids(), a.edges, names(a.outputs), b.id) == before
    assert joined["scale"] is a["scale"], "nothing is cloned"
    assert joined["nop_2"] is not b
    assert joined["nop_2"].id == "nop_2"


def test_mismatched_numbers_name_the_channels():
    with pytest.raises(CompositionError, match=r"3 outputs \('copy.output1', 'copy.output2', 'copy.output3'\) to 2 inputs"):
        po("copy", outnum=3) >> [po("nop"), po("scale")]
    with pytest.raises(CompositionError, match=r"cannot join 1 output \('scale.output'\) to 0 inputs\."):
        po("scale") >> []


@pytest.mark.parametrize("wrong", ["pca", None, 3, {"a": 1}, tsk, int], ids=repr)
def test_what_is_no_part_of_a_graph_is_refused(wrong):
    for compose in (
        lambda: po("scale") >> wrong,
        lambda: wrong >> po("scale"),
        lambda: (po("scale") >> po("nop")) >> wrong,
        lambda: wrong >> (po("scale") >> po("nop")),
        lambda: po("scale") >> [po("nop"), wrong],
        lambda: chain([po("scale"), wrong]),
        lambda: gunion([po("scale"), wrong]),
        lambda: Graph().add_pipeop(wrong),
    ):
        with pytest.raises(CompositionError, match=r"nodes, graphs and lists|takes one node"):
            compose()


def test_types_are_checked_when_composed():
    with pytest.raises(CompositionError, match=r"'torch_ingress_num' gives a ModelDescriptor in train .*'scale' takes a Task"):
        po("torch_ingress_num") >> po("scale")
    with pytest.raises(CompositionError, match=r"'scale' gives a Task in train .* 'linear' takes a ModelDescriptor"):
        po("scale") >> nn("linear")
    with pytest.raises(CompositionError, match=r"'model' gives a None in train"):
        Model() >> po("scale")
    assert Features() >> Model(), "a wider type may turn out right"
    assert issubclass(CompositionError, TypeError)


@pytest.mark.parametrize("between", [[po("nop")], [po("nop"), po("nop")], [po("copy", outnum=1)]], ids=len)
def test_pass_through_nodes_pass_types_on(between):
    for compose in (
        lambda: chain([po("torch_ingress_num"), *between, po("scale")]),
        lambda: po("torch_ingress_num") >> (chain(between) >> po("scale")),
        lambda: (po("torch_ingress_num") >> chain(between)) >> po("scale"),
    ):
        with pytest.raises(CompositionError, match=r"gives a ModelDescriptor"):
            compose()
    graph = po("scale") >> chain(between)
    assert [e.channel.predict for e in graph.outputs] == ["Task"]
    with pytest.raises(CompositionError, match=r"must end in one Prediction, its outputs are: .*\(Task\)"):
        as_learner(graph)


def test_pass_through_nodes_pass_types_on_in_graphs_made_by_hand():
    graph = Graph().add_pipeop(po("scale")).add_pipeop(po("nop")).add_pipeop(po("nop")).add_pipeop(nn("relu"))
    graph = graph.add_edge("nop", "nop_2").add_edge("nop_2", "relu")
    before = (graph.edges, graph.inputs, graph.outputs)
    with pytest.raises(CompositionError, match=r"'nop_2' gives a Task in train .*'relu' takes a ModelDescriptor"):
        graph.add_edge("scale", "nop")
    assert (graph.edges, graph.inputs, graph.outputs) == before
    typed = Graph().add_pipeop(Model()).add_pipeop(po("nop")).add_edge("model", "nop")
    assert typed.outputs[0].channel.predict == "PredictionClassif"
    assert as_learner(Features() >> typed).task_type == "classif"


def test_a_join_that_fails_leaves_the_graph_as_it_was():
    graph = po("scale") >> po("nop")
    for wrong in (nn("linear") >> nn("relu"), [po("nop"), nn("relu")], po("scale", id="scale"), "pca"):
        with pytest.raises(CompositionError):
            graph.extend(wrong)
        assert graph.ids() == ["scale", "nop"]
        assert names(graph.outputs) == ["nop.output"]
        assert len(graph.edges) == 1


# ---------------------------------------------------------------- ids


def test_default_ids_are_numbered():
    graph = chain([nn("relu")] * 4)
    assert graph.ids() == ["relu", "relu_2", "relu_3", "relu_4"]
    joined = graph >> graph
    assert joined.ids() == [*graph.ids(), "relu_5", "relu_6", "relu_7", "relu_8"]
    assert sorted((e.source, e.target) for e in joined.edges) == sorted(zip(joined.ids(), joined.ids()[1:], strict=False))


def test_an_explicit_id_that_is_taken_names_both():
    with pytest.raises(CompositionError, match=r"the id 'a' of po\(\"nop\", id=\"a\"\) is taken by po\(\"scale\", id=\"a\"\)"):
        po("scale", id="a") >> po("nop", id="a")
    with pytest.raises(CompositionError, match=r"is taken"):
        po("scale_2") >> po("scale_2")
    with pytest.raises(CompositionError, match=r"is taken"):
        po("scale") >> po("nop", id="scale")


def test_numbers_give_way_to_ids_that_were_chosen():
    assert (po("nop_2") >> po("nop") >> po("nop")).ids() == ["nop_2", "nop", "nop_3"]
    assert (po("nop") >> (po("nop") >> po("nop_2"))).ids() == ["nop", "nop_3", "nop_2"]
    assert (po("scale", id="nop") >> po("nop")).ids() == ["nop", "nop_2"]
    assert chain([po("nop"), po("nop_2"), po("nop"), po("nop")]).ids() == ["nop", "nop_2", "nop_3", "nop_4"]


@pytest.mark.parametrize("bad", ["", "a.b", "1a", "a b", "class", "a-b", 3, None, "für "], ids=repr)
def test_ids_are_identifiers(bad):
    with pytest.raises(ConfigError, match=r"Scale: an id .* got"):
        po("scale", id=bad)


def test_a_union_by_name_puts_the_names_before_the_ids():
    graph = gunion({"a": po("scale") >> po("nop"), "b": po("scale")})
    assert graph.ids() == ["a_scale", "a_nop", "b_scale"]
    assert edges(graph) == ["a_scale.output > a_nop.input"]
    assert names(graph.inputs) == ["a_scale.input", "b_scale.input"]
    with pytest.raises(ConfigError, match=r"an id is made of letters"):
        gunion({"1": po("scale")})


# ---------------------------------------------------------------- random graphs


@st.composite
def plans(draw):
    """Layers of widths, to be joined one to one, one to all, or all to one."""
    widths = [draw(st.integers(1, 3))]
    for _ in range(draw(st.integers(0, 6))):
        widths.append(draw(st.sampled_from(sorted({1, widths[-1], draw(st.integers(1, 3)) if widths[-1] == 1 else 1}))))
    return widths


def layer(width, last):
    if width == 1:
        return Total() if last > 1 else po("nop")
    return [po("nop") for _ in range(width)]


@given(plans())
def test_layers_of_nops_are_the_graph_that_networkx_makes(widths):
    graph = chain([layer(w, last) for w, last in zip(widths, [1, *widths], strict=False)])
    expected, rows, count = nx.MultiDiGraph(), [], iter(range(99))
    for width in widths:
        row = [next(count) for _ in range(width)]
        if rows:
            before = rows[-1]
            pairs = zip(before, row, strict=True) if len(before) == width else [(a, b) for a in before for b in row]
            expected.add_edges_from(pairs)
        expected.add_nodes_from(row)
        rows.append(row)
    place = {id: k for k, id in enumerate(graph.ids())}
    assert sorted((place[e.source], place[e.target]) for e in graph.edges) == sorted((a, b) for a, b, _ in expected.edges)
    view = graph.to_networkx()
    assert nx.is_directed_acyclic_graph(view)
    assert list(view) == graph.ids()
    assert len(graph.inputs) == widths[0]
    assert len(graph.outputs) == widths[-1]
    assert {e.source for e in graph.edges} & set(names(graph.outputs)) == set()
    ways = dict.fromkeys(rows[0], 1)
    for n in nx.topological_sort(expected):
        ways[n] = ways.get(n, 0) + sum(ways[a] for a, _, _ in expected.in_edges(n, keys=True))
    given_one = graph.train(1)
    total = sum(given_one.values()) if isinstance(given_one, dict) else given_one
    assert total == sum(ways[n] for n in rows[-1]), "each way through the graph adds one"


@given(st.permutations(range(5)), st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=10))
def test_edges_by_hand_agree_with_networkx(order, wanted):
    graph, expected = Graph(), nx.DiGraph()
    for k in order:
        graph = graph.add_pipeop(Total(id=f"n{k}"))
        expected.add_node(f"n{k}")
    for a, b in sorted(wanted):
        trial = expected.copy()
        trial.add_edge(f"n{a}", f"n{b}")
        if nx.is_directed_acyclic_graph(trial):
            graph = graph.add_edge(f"n{a}", f"n{b}")
            expected = trial
        else:
            with pytest.raises(CompositionError, match=r"closes a cycle: n"):
                graph.add_edge(f"n{a}", f"n{b}")
    assert sorted((e.source, e.target) for e in graph.edges) == sorted(expected.edges)
    place = {id: k for k, id in enumerate(graph.ids())}
    assert all(place[e.source] < place[e.target] for e in graph.edges)
    assert sorted(names(graph.inputs)) == sorted(f"{n}...." for n in expected if not expected.in_degree(n))
    assert sorted(names(graph.outputs)) == sorted(f"{n}.output" for n in expected if not expected.out_degree(n))


# ---------------------------------------------------------------- by hand


def test_add_edge_refuses():
    graph = Graph().add_pipeop(po("scale")).add_pipeop(po("nop")).add_pipeop(po("encode")).add_pipeop(Parts())
    graph = graph.add_edge("scale", "encode")
    with pytest.raises(UnknownKeyError, match=r"no node 'scal'. Did you mean 'scale'"):
        graph.add_edge("scal", "nop")
    with pytest.raises(UnknownKeyError, match=r"no node 'nope'"):
        graph.add_edge("scale", "nope")
    with pytest.raises(CompositionError, match=r"'scale' has no output 'nochan'; its outputs are 'output'"):
        graph.add_edge("scale", "nop", output="nochan")
    with pytest.raises(CompositionError, match=r"'parts' has 2 inputs; choose one: input= one of 'a', 'b'"):
        graph.add_edge("nop", "parts")
    with pytest.raises(CompositionError, match=r"input 'input' of 'encode' is fed already"):
        graph.add_edge("nop", "encode")
    with pytest.raises(CompositionError, match=r"closes a cycle: (encode|scale) >> (encode|scale) >> \1"):
        graph.add_edge("encode", "scale")
    with pytest.raises(CompositionError, match=r"closes a cycle: nop >> nop"):
        graph.add_edge("nop", "nop")
    assert edges(graph) == ["scale.output > encode.input"]


def test_nodes_added_in_any_order_run_in_order():
    graph = Graph()
    for k in (3, 1, 2):
        graph = graph.add_pipeop(Recorder(id=f"n{k}", n=10**k))
    graph = graph.add_edge("n1", "n2").add_edge("n2", "n3")
    assert graph.ids() == ["n1", "n2", "n3"]
    assert graph.train(0) == 1110
    assert (names(graph.inputs), names(graph.outputs)) == (["n1.input"], ["n3.output"])


# ---------------------------------------------------------------- running


def test_train_and_predict_keep_states():
    graph = Recorder(id="one") >> Recorder(id="two", n=5)
    assert not graph.is_trained
    assert graph.train(10) == 16
    assert graph.is_trained
    assert graph.state == {"one": {"seen": 10}, "two": {"seen": 11}}
    assert graph.predict(0) == 6


def test_nodes_are_shared_and_states_are_not():
    node = Recorder(id="shared")
    one, two = node >> Recorder(), node >> Recorder()
    one.train(1)
    two.train(100)
    assert one["shared"] is two["shared"]
    assert (one.state["shared"], two.state["shared"]) == ({"seen": 1}, {"seen": 100})


def test_copies_are_untrained_and_apart():
    graph = Recorder() >> po("nop")
    graph.train(1)
    twin = graph.copy()
    assert not twin.is_trained
    assert not (graph >> po("nop")).is_trained
    twin.params["recorder.n"] = 7
    assert graph["recorder"].n == 1
    assert graph.is_trained


def test_predict_before_train_is_refused():
    with pytest.raises(NotTrainedError, match=r"train it before predicting"):
        (po("nop") >> po("nop")).predict(1)
    with pytest.raises(NotTrainedError):
        Graph().predict(1)


def test_a_run_that_fails_leaves_the_graph_untrained_and_names_the_node():
    graph = Recorder(id="good") >> Recorder(id="bad")
    with pytest.raises(TypeError) as caught:
        graph.train("text")
    assert caught.value.__notes__ == ["in node 'good', training"]
    assert not graph.is_trained
    assert graph.state == {}
    graph.train(1)
    with pytest.raises(TypeError) as caught:
        graph.predict("text")
    assert caught.value.__notes__ == ["in node 'good', predicting"]
    with pytest.raises(TypeError):
        graph.train("text")
    assert graph.state == {}


def test_several_inputs_and_outputs_go_by_name():
    graph = gunion([Recorder(id="one"), Recorder(id="two", n=2), po("nop")])
    assert graph.train({"one.input": 1, "two": 10, "nop": "x"}) == {"one.output": 2, "two.output": 12, "nop.output": "x"}
    assert graph.predict(5) == {"one.output": 6, "two.output": 7, "nop.output": 5}
    parts = chain([Parts()])
    assert parts.train({"parts.a": 17, "parts.b": 5}) == {"parts.quotient": 3, "parts.rest": 2}
    with pytest.raises(ConfigError, match=r"input 'two.input' is missing; got 'one'"):
        graph.train({"one": 1})
    with pytest.raises(UnknownKeyError, match=r"no input 'tow'. Did you mean 'two'"):
        graph.train({"one": 1, "two": 1, "nop": 1, "tow": 3})


def test_what_goes_in_is_checked(regr):
    graph = po("scale") >> po("nop")
    for wrong in (5, "iris", None, [regr], regr.data()):
        with pytest.raises(DataError, match=r"scale: input 'input' takes a Task in train, got .*as_task_classif\("):
            graph.train(wrong)
    graph.train(regr)
    with pytest.raises(DataError, match=r"takes a Task in predict, got int"):
        graph.predict(3)
    with pytest.raises(DataError, match=r"model: input 'input' takes a TaskClassif in train, got TaskRegr"):
        chain([Model()]).train(regr)


def test_a_type_that_turns_out_wider_is_refused_where_it_arrives(regr, binary):
    graph = Features() >> po("nop") >> Model()
    with pytest.raises(DataError, match=r"model: input 'input' takes a TaskClassif in train, got TaskRegr"):
        graph.train(regr)
    graph.train(binary)
    with pytest.raises(DataError, match=r"model: .* takes a TaskClassif in predict, got TaskRegr"):
        graph.predict(regr)


def test_the_order_of_edges_is_the_order_of_inputs():
    graph = [Recorder(id="a", n=1), Recorder(id="b", n=2)] >> Parts()
    assert graph.train(6) == {"parts.quotient": 0, "parts.rest": 7}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, r"answers: train must return \(outputs, state\), got NoneType"),
        ([[1], {}], r"must return \(outputs, state\), got list"),
        ((1, {}), "must return a list of 1, one value for each output, got int"),
        (([], {}), "must return a list of 1, one value for each output, got 0 values"),
        (([1, 2], {}), "got 2 values"),
    ],
)
def test_a_node_that_answers_wrongly_is_named(answer, words):
    with pytest.raises(CompositionError, match=words):
        chain([Answers(answer=answer), po("nop")]).train(1)


def test_results_that_nothing_reads_any_more_are_let_go():
    class Big:
        alive: ClassVar[list[int]] = [0, 0]  # now, and at most

        def __init__(self):
            self.alive[0] += 1
            self.alive[1] = max(self.alive)

        def __del__(self):
            self.alive[0] -= 1

    graph = chain([Fresh(id=f"n{k}", make=Big) for k in range(20)])
    graph.train(None, valid=Big())
    assert Big.alive[1] <= 5
    Big.alive[1] = 0
    graph.predict(None)
    assert Big.alive[1] <= 3


# ---------------------------------------------------------------- validation data


def test_validation_data_is_predicted_on_and_never_fitted_on():
    CALLS.clear()
    graph = Recorder(id="one") >> Recorder(id="two", n=10) >> Wanting(id="model")
    graph.train(0, valid=1000)
    assert CALLS == [
        ("one", "train", 0),
        ("one", "predict", 1000),
        ("two", "train", 1),
        ("two", "predict", 1001),
        ("model", "valid", 1011),
        ("model", "train", 11),
    ]
    assert [s["seen"] for s in graph.state.values()] == [0, 1, 11]
    CALLS.clear()
    graph.train(0)
    assert ("model", "valid", None) in CALLS
    assert "predict" not in {what for _, what, _ in CALLS}


def test_validation_data_takes_every_branch():
    CALLS.clear()
    graph = po("copy", outnum=2) >> [Recorder(id="a", n=1), Recorder(id="b", n=2)] >> Total() >> Wanting(id="model")
    graph.train(0, valid=50)
    assert ("model", "valid", 103) in CALLS
    assert ("model", "train", 3) in CALLS


# ---------------------------------------------------------------- hyperparameters


def test_params_of_a_graph():
    graph = po("scale") >> po("imputemean") >> nn_free()
    assert graph.params["scale.center"] is True
    assert [a for a in graph.params if a.startswith("scale.")] == [
        "scale.affect_columns",
        "scale.center",
        "scale.scale",
        "scale.robust",
    ]
    node = graph["scale"]
    graph.params["scale.center"] = False
    assert graph["scale"].center is False
    assert node.center is True
    assert graph["imputemean"] is graph.nodes["imputemean"]
    lines = repr(graph.params).splitlines()
    assert lines[0].split() == ["id", "kind", "range", "default", "value"]
    assert next(line for line in lines if line.startswith("scale.center")).split()[-2:] == ["True", "False"]


def nn_free():
    return po("nop")


def test_setting_a_hyperparameter_drops_the_states():
    graph = Recorder() >> po("nop")
    graph.train(1)
    with pytest.raises(ConfigError, match=r"recorder: 'n' must be an integer, got 1.5"):
        graph.params["recorder.n"] = 1.5
    assert graph.is_trained, "a refused value changes nothing"
    graph.params["recorder.n"] = 2
    assert not graph.is_trained
    assert graph.train(1) == 3


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("scale.centre", "scale: no hyperparameter 'centre'. Did you mean 'center'"),
        ("scal.center", "graph: no hyperparameter 'scal.center'. Did you mean 'scale.center'"),
        ("scale", "graph: no hyperparameter 'scale'"),
        ("center", "graph: no hyperparameter 'center'"),
        ("scale.", "graph: no hyperparameter 'scale.'"),
        ("", "graph: no hyperparameter ''"),
    ],
)
def test_unknown_addresses_are_refused(address, words):
    graph = po("scale") >> po("nop")
    with pytest.raises(UnknownParameterError, match=words):
        graph.params[address] = 1
    with pytest.raises(UnknownParameterError, match=r"no hyperparameter"):
        graph.params[address]


def test_a_hyperparameter_that_decides_the_channels_is_fixed_in_a_graph():
    graph = po("copy", outnum=2) >> [po("nop"), po("nop")]
    with pytest.raises(ConfigError, match=r"copy: 'outnum' decides which channels the node has"):
        graph.params["copy.outnum"] = 3
    graph.params["copy.outnum"] = 2


# ---------------------------------------------------------------- looking


def test_printing():
    graph = po("scale", center=False) >> [po("nop"), po("encode")] >> po("featureunion")
    lines = repr(graph).splitlines()
    assert lines[0] == "Graph with 4 PipeOps:"
    assert lines[1].split() == ["id", "pipeop", "state", "predecessors", "successors"]
    assert lines[2].startswith('  scale         po("scale", center=False)')
    assert lines[2].split("<untrained>")[1].strip() == "nop, encode"
    assert lines[5].split("<untrained>")[1].strip() == "nop, encode"
    graph.train(tsk("iris"))
    assert "<untrained>" not in repr(graph)
    assert repr(chain([po("nop")])).startswith("Graph with 1 PipeOp:")


def test_unknown_nodes_name_near_ones():
    with pytest.raises(UnknownKeyError, match=r"graph: no node 'scal'. Did you mean 'scale'"):
        (po("scale") >> po("nop"))["scal"]


def test_networkx_view_carries_nodes_and_channels():
    view = (po("copy", outnum=2) >> [po("scale"), po("nop")]).to_networkx()
    assert view.nodes["scale"]["pipeop"].key == "scale"
    assert list(view.edges(data=True))[1] == ("copy", "nop", {"output": "output2", "input": "input"})


def test_views_are_copies():
    graph = po("scale") >> po("nop")
    graph.edges.clear()
    graph.inputs.clear()
    graph.outputs.clear()
    graph.to_networkx().clear()
    assert len(graph.edges) == len(graph.inputs) == len(graph.outputs) == 1


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))], ids=["deepcopy", "pickle"])
def test_clones_keep_everything(clone):
    task = tsk("iris")
    graph = po("scale") >> [po("nop"), po("nop")] >> po("featureunion", innum=["a", "b"])
    graph.train(task)
    twin = clone(graph)
    assert repr(twin) == repr(graph)
    assert twin.edges == graph.edges
    assert twin.inputs == graph.inputs
    assert (twin.predict(task).matrix() == graph.predict(task).matrix()).all()
    assert (twin >> twin).ids() == (graph >> graph).ids() == [*graph.ids(), "scale_2", "nop_3", "nop_4", "featureunion_2"]
    twin.train(task.filter(range(10)))
    assert graph.state["scale"] != twin.state["scale"]
