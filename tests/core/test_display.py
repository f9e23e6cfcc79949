"""Blocks, pages and drawings: everything escaped, nothing from elsewhere, long things folded and cut."""

import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from pipeops import as_learner, as_task_classif, benchmark_grid, chain, lrn, msr, nn, po, ppl, rsmp, tsk
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


def test_the_drawing_has_a_box_a_node_and_a_line_an_edge():
    graph = wide()
    graph.train(tsk("iris"))
    page = graph._repr_html_()
    drawing = ET.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    space = "{http://www.w3.org/2000/svg}"
    boxes = drawing.findall(f"{space}g/{space}rect")
    assert (len(boxes), len(drawing.findall(f"{space}path"))) == (len(graph), len(graph.edges)) == (5, 5)
    spots = {(box.get("x"), box.get("y")) for box in boxes}
    assert len(spots) == 5, "no two nodes stand on one another"
    filled = [box.get("fill") != "none" for box in boxes]
    assert filled == [True, True, False, True, True], "the way that was not taken has learnt nothing"


def test_forty_nodes_are_drawn():
    page = chain([po("torch_ingress_num"), *(nn("linear", out_features=8) for _ in range(40))])._repr_html_()
    assert page.count("<rect") == 41
    Balanced(page)


def test_graphs_as_text_for_other_programs():
    graph = wide()
    assert graph.to_mermaid().splitlines() == [
        "flowchart TD",
        '  n0["branch<br>options=[&quot;a&quot;, &quot;b&quot;]"]',
        '  n1["scale"]',
        '  n2["scalerange"]',
        '  n3["unbranch"]',
        '  n4["classif_tree"]',
        "  n0 -->|a| n1",
        "  n0 -->|b| n2",
        "  n1 --> n3",
        "  n2 --> n3",
        "  n3 --> n4",
    ]
    dot = graph.to_dot()
    assert '"branch" -> "scale" [label="a"];' in dot
    assert '"branch" [label="branch\\noptions=[\\"a\\", \\"b\\"]"];' in dot
    assert po("scale").__rshift__(po("nop")).to_mermaid().startswith("flowchart")


def test_a_graph_is_plotted():
    plt = pytest.importorskip("matplotlib.pyplot")
    ax = wide().plot()
    shown = {text.get_text() for text in ax.texts}
    assert {"branch", "scale", "scalerange", "unbranch", "classif_tree"} <= shown
    assert wide().plot(ax) is ax
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
