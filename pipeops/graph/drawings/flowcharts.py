"""A graph as text for programs that draw: Mermaid and Graphviz. What nodes hold is a frame around its nodes.

Neighbours: `scene.py` says what is drawn.
"""

from collections.abc import Iterator
from html import escape

from pipeops.graph.drawings.scene import IN, OUT, Box, Scene

MERMAID = {"trained": "fill:#0072B233,stroke:#0072B2", "skipped": "fill:none,stroke-dasharray:4 3"}
DOT = {"trained": ' style="rounded,filled" fillcolor="#D6E6F2"', "skipped": ' style="rounded,dashed"'}


def mermaid(scene: Scene) -> str:
    """The graph for Mermaid: nodes are numbered, since ids may be words of its language."""
    states = list[tuple[str, str]]()
    lines = ["flowchart TD", *_mermaid(scene, "n", "  ", states)]
    for state, look in MERMAID.items():
        names = [name for name, own in states if own == state]
        lines += [f"  classDef {state} {look}", f"  class {','.join(names)} {state}"] if names else []
    return "\n".join(lines)


def _mermaid(scene: Scene, prefix: str, indent: str, states: list[tuple[str, str]]) -> Iterator[str]:
    names = {key: f"{prefix}{k}" for k, key in enumerate(scene.ids)}
    for key, name in names.items():
        box, text = scene.boxes[key], _entities(scene.boxes[key])
        states.append((name, box.state))
        if not box.inside:
            yield f'{indent}{name}["{text}"]'
            continue
        yield f'{indent}subgraph {name}["{text.replace("<br>", ", ")}"]'
        for k, inside in enumerate(box.inside):
            yield from _mermaid(inside.scene, f"{name}_{k}_", f"{indent}  ", states)
        yield f"{indent}end"
    for line in scene.lines:
        if line.source != IN and line.target != OUT:
            label = f'|"{_escaped(line.label)}"|' if line.label else ""
            yield f"{indent}{names[line.source]} -->{label} {names[line.target]}"


def _entities(box: Box) -> str:
    return "<br>".join(_escaped(text) for text in (box.title, *box.lines))


def _escaped(text: str) -> str:
    return escape(text).replace("#", "&#35;")


def dot(scene: Scene) -> str:
    """The graph for Graphviz."""
    head = ["digraph graph_of_pipeops {", "  compound=true;", "  node [shape=box, style=rounded];"]
    return "\n".join([*head, *_dot(scene, "", "  "), "}"])


def _dot(scene: Scene, prefix: str, indent: str) -> Iterator[str]:
    for key in scene.ids:
        box, name = scene.boxes[key], prefix + key
        label = _quoted("\n".join((box.title, *box.lines)))
        if not box.inside:
            yield f"{indent}{_quoted(name)} [label={label}{DOT.get(box.state, '')}];"
            continue
        yield f"{indent}subgraph {_quoted('cluster ' + name)} {{"
        yield f"{indent}  label={label}; style=rounded;"
        for inside in box.inside:
            yield from _dot(inside.scene, f"{name}/", f"{indent}  ")
        yield f"{indent}}}"
    for line in scene.lines:
        if line.source != IN and line.target != OUT:
            yield f"{indent}{_joined(scene, prefix, line.source, line.target, line.label)};"


def _joined(scene: Scene, prefix: str, start: str, end: str, label: str) -> str:
    """An edge; one to or from a frame begins at a node in it and is cut off at the frame."""
    one, tail = _anchor(scene, prefix, start, -1)
    other, head = _anchor(scene, prefix, end, 0)
    given = [f"label={_quoted(label)}"] if label else []
    given += [f"{side}={_quoted('cluster ' + name)}" for side, name in (("ltail", tail), ("lhead", head)) if name]
    return f"{_quoted(one)} -> {_quoted(other)}" + (f" [{', '.join(given)}]" if given else "")


def _anchor(scene: Scene, prefix: str, key: str, place: int) -> tuple[str, str]:
    """A node that stands for one, and the frame that it is in."""
    box, name = scene.boxes[key], prefix + key
    if not box.inside:
        return name, ""
    inside = box.inside[place].scene
    return _anchor(inside, f"{name}/", inside.ids[place], place)[0], name


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
