"""Blocks, pages and drawings: everything escaped, nothing from elsewhere, long things folded and cut."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from pipeops import (
    as_learner,
    as_task_classif,
    benchmark_grid,
    chain,
    gunion,
    lrn,
    msr,
    nn,
    po,
    ppl,
    resample,
    rsmp,
    selector_all,
    selector_grep,
    tsk,
)
from pipeops.display import CUT, FOLD, Block

VOID = {"meta", "br", "hr"}


class Balanced(HTMLParser):
    """Refuses tags that are not closed in order; collects text and tags."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


NASTY = "<b>\"x\" & 'y'</b>"


def things():
    iris = tsk("iris")
    odd = as_task_classif({NASTY: [1.0, 2.0], "y": ["<i>", "b"]}, target="y", id=NASTY)
    graph = po("scale") >> lrn("classif.lda")
    learner = as_learner(graph, id=NASTY).train(iris)
    return {
        "task": (odd, [NASTY, "<i>", "missing"]),
        "graph": (graph, ["scale", "classif_lda", "Hyperparameters"]),
        "learner": (learner, [NASTY, "on 'iris' with 4 features", "classif tasks"]),
        "untrained": (lrn("classif.tree"), ["classif.tree", "max_depth"]),
        "prediction": (learner.predict(iris), ["setosa", "150 observations, the first 10"]),
        "grid": (benchmark_grid(iris, lrn("classif.tree"), rsmp("cv", folds=3)), ["classif.tree", "cv"]),
        "confusion": (learner.predict(iris).confusion, ["columns are the truth", "setosa"]),
        "benchmark": (
            resample(iris, lrn("classif.lda"), rsmp("holdout"), seed=1),
            ["Scores", "classif.ce", "holdout"],
        ),
        "params": (lrn("classif.tree").params, ["Hyperparameters of classif.tree", "max_depth"]),
        "shelf": (po, ["operators>", "imputemean"]),
        "resampling": (rsmp("cv", folds=3).instantiate(iris, seed=1), ["folds", "Iterations on 'iris'"]),
        "empty": (chain([]), ["Graph with 0"]),
    }


@pytest.mark.parametrize("name", list(things()))
def test_pages_are_whole_escaped_and_alone(name):
    thing, texts = things()[name]
    page = thing._repr_html_()
    made = Balanced(page)
    assert all(text in made.text for text in texts), (texts, made.text)
    assert not {"script", "b", "i", "link", "img", "iframe"} & {tag for tag, _ in made.tags}
    assert not any(key in attrs for _, attrs in made.tags for key in ("src", "href", "onclick"))


def test_long_tables_fold_and_long_cells_are_cut_where_they_are_shown():
    rows = [(k, "x" * 500) for k in range(FOLD + 1)]
    made = Balanced(Block("Long", ("a", "b"), rows).html())
    assert ("details", {"open": None}) in made.tags
    assert "x" * CUT not in made.text
    assert any(attrs.get("title") == "x" * 500 for _, attrs in made.tags)
    assert "x" * CUT not in Block("Long", ("a", "b"), rows).text()
    assert not [tag for tag, _ in Balanced(Block("Short", ("a", "b"), rows[:2]).html()).tags if tag == "details"]


def wide():
    return ppl("branch", {"a": po("scale"), "b": po("scalerange")}) >> lrn("classif.tree")


def svgs(page):
    """The drawings on a page, in order."""
    return [ET.fromstring(text) for text in re.findall("<svg.*?</svg>", page, re.DOTALL)]


def boxes(drawing):
    """The boxes of a drawing by their first text, as (left, top, right, bottom), and how they look."""
    found = {}
    for group in drawing.iter("g"):
        rect = group.find("rect")
        if rect is not None:
            x, y, w, h = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
            found[group.find("text").text] = ((x, y, x + w, y + h), rect)
    return found


def words(drawing):
    """What stands beside the lines."""
    return [text.text for text in drawing.iter("text") if text.get("font-size") == "10"]


def test_the_drawing_has_a_box_a_node_and_a_line_an_edge():
    graph = wide()
    graph.train(tsk("iris"))
    (drawing,) = svgs(graph._repr_html_())
    found = boxes(drawing)
    assert set(found) == {*graph.ids(), "input", "output"}
    lines = [path for path in drawing.iter("path") if path.get("fill") == "none"]
    assert len(lines) == len(graph.edges) + 2, "the ends are joined too"
    looks = {name: rect for name, (_, rect) in found.items()}
    filled = [looks[id].get("fill") != "none" for id in graph.ids()]
    assert filled == [True, True, False, True, True], "the way that was not taken has learnt nothing"
    assert looks["scalerange"].get("stroke-dasharray")
    assert not looks["scale"].get("stroke-dasharray")
    assert words(drawing) == ["a", "b", "Task", "Task", "Task", "PredictionClassif"]


def overlaps(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def tangled():
    """Lines that pass layers, ways of different length, and many side by side."""
    ways = [po("scale") >> po("pca"), po("nop"), *(po("select", id=f"only_{k}", selector=selector_all()) for k in range(5))]
    return (
        gunion(ways)
        >> po("featureunion")
        >> [po("learner_cv", lrn("classif.tree")), po("nop", id="past")]
        >> po("featureunion", id="last")
        >> lrn("classif.lda")
    )


@pytest.mark.parametrize("make", [wide, tangled])
def test_no_box_stands_on_another_and_no_line_runs_through_one(make):
    for drawing in svgs(make()._repr_html_()):
        spots = {name: spot for name, (spot, _) in boxes(drawing).items()}
        left, top, width, height = map(float, drawing.get("viewBox").split())
        for name, spot in spots.items():
            assert (left, top) <= spot[:2] <= spot[2:] <= (left + width, top + height), name
            assert top <= spot[1] < spot[3] <= top + height, name
            assert not [other for other, far in spots.items() if other != name and overlaps(spot, far)]
        for path in drawing.iter("path"):
            numbers = re.findall(r"[ML]?(-?[\d.]+),(-?[\d.]+)", path.get("d")) if path.get("fill") == "none" else []
            for x, y in ((float(x), float(y)) for x, y in numbers):
                assert not [name for name, (a, b, c, d) in spots.items() if a < x < c and b + 1 < y < d - 1]


def deep():
    body = gunion([nn("linear", out_features=8) >> nn("relu"), nn("identity")]) >> nn("merge_sum")
    layers = [po("torch_ingress_num"), nn("linear", out_features=8), nn("block", block=body, n_blocks=2), nn("head")]
    trained = [po("torch_loss", "cross_entropy"), po("torch_optimizer", "sgd", lr=0.1)]
    return as_learner(chain([*layers, *trained, po("torch_model_classif", epochs=1, batch_size=50, seed=1)]))


def test_shapes_stand_between_the_nodes_of_a_network():
    learner = deep()
    before = [word for drawing in svgs(learner._repr_html_()) for word in words(drawing)]
    assert before[:3] == ["Task", "(batch, ?)", "(batch, 8)"], "what nodes say before there is a network"
    assert before[-3:] == ["ModelDescriptor"] * 2 + ["PredictionClassif"], "the head's size follows from the task"
    after = [word for drawing in svgs(learner.train(tsk("iris"))._repr_html_()) for word in words(drawing)]
    assert after[:3] == ["Task", "(batch, 4)", "(batch, 8)"]
    assert after[-5:] == ["(batch, 8)", "(batch, 3)", "ModelDescriptor", "ModelDescriptor", "PredictionClassif"]
    assert {*after[3:-5]} == {"(batch, 8)"}, "inside of the block"


def test_what_nodes_hold_folds():
    made = Balanced(deep().train(tsk("iris"))._repr_html_())
    assert ("details", {"class": "holder", "open": None}) in made.tags
    assert ("summary", "trained") in [(tag, attrs.get("class")) for tag, attrs in made.tags]
    assert "n_blocks=2" in made.text
    assert "merge_sum" in made.text
    bases = [as_learner(po("pca", rank=2) >> lrn("classif.lda")), lrn("classif.tree", max_depth=3)]
    stacked = ppl("stacking", bases, lrn("classif.log_reg"))
    made = Balanced(stacked._repr_html_())
    assert "in pca.classif_lda, 2 nodes" in made.text
    assert "rank=2" in made.text
    assert "max_depth=3" in made.text
    tree = stacked.plot()
    assert {"pca", "rank=2", "classif_lda", "max_depth=3"} <= {text.get_text() for text in tree.texts}
    assert 'subgraph n0["pca_classif_lda"]' in stacked.to_mermaid()
    assert 'subgraph "cluster pca_classif_lda"' in stacked.to_dot()
    assert 'lhead="cluster pca_classif_lda"' not in stacked.to_dot(), "nothing goes into a node at the top"
    assert 'ltail="cluster pca_classif_lda"' in stacked.to_dot()


def test_long_runs_and_many_ways_begin_closed():
    chained = chain([po("torch_ingress_num"), *(nn("linear", out_features=8) for _ in range(40))])
    made = Balanced(chained._repr_html_())
    assert "linear … linear_40, 40 nodes" in made.text
    assert sum(len(boxes(drawing)) for drawing in svgs(chained._repr_html_())) == 43
    many = gunion([po("scale") for _ in range(20)]) >> po("featureunion")
    made = Balanced(many._repr_html_())
    assert "20 side by side" in made.text
    assert ("details", {}) in made.tags


def test_settings_in_boxes_are_cut_and_only_those_that_differ():
    node = po("select", id="chosen", selector=selector_grep("x" * 200))
    (drawing,) = svgs((node >> po("scale", center=False))._repr_html_())
    texts = [text.text for text in drawing.iter("text")]
    assert "center=False" in texts
    assert not [text for text in texts if text.startswith("robust")]
    assert "select" in texts, "the key where the id does not tell it"
    assert max(map(len, texts)) <= 34
    assert "x" * 200 in "".join(title.text for title in drawing.iter("title")), "whole in the tooltip"


def test_graphs_as_text_for_other_programs():
    graph = wide()
    graph.train(tsk("iris"))
    assert graph.to_mermaid().splitlines() == [
        "flowchart TD",
        '  n0["branch<br>options=[&quot;a&quot;, &quot;b&quot;]"]',
        '  n1["scale"]',
        '  n2["scalerange"]',
        '  n3["unbranch"]',
        '  n4["classif_tree"]',
        '  n0 -->|"a"| n1',
        '  n0 -->|"b"| n2',
        '  n1 -->|"Task"| n3',
        '  n2 -->|"Task"| n3',
        '  n3 -->|"Task"| n4',
        "  classDef trained fill:#0072B233,stroke:#0072B2",
        "  class n0,n1,n3,n4 trained",
        "  classDef skipped fill:none,stroke-dasharray:4 3",
        "  class n2 skipped",
    ]
    dot = graph.to_dot()
    assert '"branch" -> "scale" [label="a"];' in dot
    assert '"branch" [label="branch\\noptions=[\\"a\\", \\"b\\"]" style="rounded,filled" fillcolor="#D6E6F2"];' in dot
    assert po("scale").__rshift__(po("nop")).to_mermaid().startswith("flowchart")


def test_a_graph_is_plotted():
    plt = pytest.importorskip("matplotlib.pyplot")
    ax = wide().plot()
    shown = {text.get_text() for text in ax.texts}
    assert {"branch", "scale", "scalerange", "unbranch", "classif_tree"} <= shown
    assert wide().plot(ax) is ax
    plt.close(ax.figure)


def test_a_long_graph_is_plotted_in_columns():
    plt = pytest.importorskip("matplotlib.pyplot")
    ax = chain([po("nop") for _ in range(40)]).plot()
    places = {text.get_text(): text.get_position() for text in ax.texts if text.get_text()}
    assert len({round(x) for x, _ in places.values()}) == 3
    assert {"input", "nop", "nop_40", "output"} <= set(places)
    assert places["nop"][0] < places["nop_20"][0] < places["nop_40"][0]
    height = ax.figure.get_size_inches()[1]
    assert height < 15
    plt.close(ax.figure)


def test_printouts_say_what_a_thing_is():
    learner = lrn("classif.lda", predict_type="prob")
    lines = [line.split() for line in str(learner).splitlines()]
    assert lines[1:] == [["takes", "classif", "tasks"], ["predicts", "prob", "(of", "response,", "prob)"], ["trained", "no"]]
    assert "trained   on 'iris' with 4 features" in str(learner.train(tsk("iris")))
    assert str(msr("classif.auc")).splitlines()[2].split(maxsplit=1) == ["range", "[0, 1], higher is better"]
    assert repr(msr("classif.auc")) == 'msr("classif.auc")'


def test_long_texts_are_cut_where_they_are_shown():
    long = as_learner(chain([po("nop")] * 40) >> lrn("classif.lda"))
    assert max(map(len, str(long).splitlines())) == CUT
    assert len(long.id) > CUT
    block = Block("t", ("a", "b"), [("x" * 500, 1), ("y", 22)], notes=["below"], right=True)
    assert block.text().splitlines() == ["t", f" {'a':>{CUT}}  b", f" {'x' * (CUT - 1)}…  1", f" {'y':>{CUT}} 22", "below"]
