"""Changed copies of graphs: other ids, other nodes, nodes between; the graph itself stays as it is."""

import pytest

from pipeops import gunion, lrn, po, tsk
from pipeops.errors import CompositionError, UnknownKeyError

GRAPH = po("scale") >> po("scalerange") >> lrn("classif.featureless")


def edges(graph):
    return [f"{e.source}.{e.output} > {e.target}.{e.input}" for e in graph.edges]


def test_set_names_takes_a_mapping_pairs_and_lists():
    for made in (
        GRAPH.set_names({"scale": "a", "scalerange": "b"}),
        GRAPH.set_names(["scale", "scalerange"], ["a", "b"]),
        GRAPH.set_names("scale", "a").set_names("scalerange", "b"),
    ):
        assert made.ids() == ["a", "b", "classif_featureless"]
        assert edges(made) == ["a.output > b.input", "b.output > classif_featureless.input"]
    assert GRAPH.ids() == ["scale", "scalerange", "classif_featureless"]
    assert GRAPH.set_names({"scale": "scalerange", "scalerange": "scale"}).ids()[:2] == ["scalerange", "scale"]
    with pytest.raises(CompositionError, match="'scalerange' would be there twice"):
        GRAPH.set_names("scale", "scalerange")
    with pytest.raises(CompositionError, match="needs a new id for each"):
        GRAPH.set_names(["scale", "scalerange"], ["a"])
    with pytest.raises(UnknownKeyError, match="no node 'scal'"):
        GRAPH.set_names("scal", "a")


def test_update_ids_changes_every_id_and_keeps_the_ends_in_order():
    graph = gunion([po("scalerange"), po("scale")]).update_ids(prefix="a_", postfix="_z")
    assert [e.name for e in graph.inputs] == ["a_scalerange_z.input", "a_scale_z.input"]
    assert [e.name for e in graph.outputs] == ["a_scalerange_z.output", "a_scale_z.output"]


def test_a_node_is_replaced_with_its_edges():
    graph = GRAPH.replace("scalerange", po("copy", outnum=1))
    assert edges(graph) == ["scale.output > copy.input", "copy.output1 > classif_featureless.input"]
    assert GRAPH.replace("scale", po("scale", center=False)).params["scale.center"] is False
    assert GRAPH.replace("scalerange", po("scale")).ids() == ["scale", "scale_2", "classif_featureless"]
    assert GRAPH.replace("classif_featureless", lrn("classif.lda")).ids()[-1] == "classif_lda"
    with pytest.raises(CompositionError, match=r"gives a PredictionClassif|takes a Task|has the channels"):
        GRAPH.replace("scale", lrn("classif.lda"))
    with pytest.raises(CompositionError, match="takes one node here"):
        GRAPH.replace("scale", "text")
    with pytest.raises(CompositionError, match=r"'scalerange' has the channels 'output'"):
        GRAPH.replace("scalerange", po("copy", outnum=2))


def test_nodes_come_before_and_behind():
    before, after = GRAPH.insert_before("scale", po("nop")), GRAPH.insert_after("scale", po("nop"))
    assert (before.ids()[:2], after.ids()[:2]) == (["nop", "scale"], ["scale", "nop"])
    assert [e.name for e in before.inputs] == ["nop.input"]
    assert edges(after)[:2] == ["scale.output > nop.input", "nop.output > scalerange.input"] or sorted(edges(after)) == sorted(
        ["scale.output > nop.input", "nop.output > scalerange.input", "scalerange.output > classif_featureless.input"]
    )
    wide = po("scale") >> po("copy", outnum=2) >> po("featureunion", innum=["a", "b"])
    one = wide.insert_before("featureunion", po("scalerange"), input="input2")
    task = tsk("iris")
    assert one.train(task).feature_names[4:] == [f"b.{n}" for n in task.feature_names]
    assert one.train(task).matrix()[:, 4:].max() == 1.0
    with pytest.raises(CompositionError, match="choose one: input="):
        wide.insert_before("featureunion", po("nop"))


def test_what_is_edited_trains_like_what_is_composed():
    task = tsk("iris")
    graph = (po("scale") >> lrn("classif.lda")).insert_after("scale", po("scalerange"))
    composed = po("scale") >> po("scalerange") >> lrn("classif.lda")
    graph.train(task)
    composed.train(task)
    assert graph.predict(task).response.tolist() == composed.predict(task).response.tolist()
    assert not graph.copy().is_trained
