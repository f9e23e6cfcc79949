"""A page for every key of every shelf, and one for the public names, made from docstrings when the site is built.

Nothing is written by hand: what a page says of a hyperparameter is what the docstring says (or that of the class that it wraps),
and its kind, range and default are those that are checked. The pages go to `reference/` beside the sources and are not kept.
"""

import inspect
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pipeops
import pipeops.testing
from pipeops.params import UNSET
from pipeops.registry import Registry

TITLES = {
    "po": "Operators and torch nodes",
    "nn": "Layers",
    "ppl": "Templates of graphs",
    "lrn": "Learners",
    "msr": "Measures",
    "rsmp": "Resamplings",
    "tsk": "Tasks",
    "flt": "Filters",
    "t_loss": "Losses",
    "t_opt": "Optimizers",
    "t_clbk": "Callbacks",
    "t_sampler": "Batch samplers",
}
HOMES = {
    "torch": "https://docs.pytorch.org/docs/stable/generated/torch.nn.{name}.html",
    "sklearn": "https://scikit-learn.org/stable/modules/generated/{module}.{name}.html",
}
NUMPY_FIELD = re.compile(r"^(\w+) : .*\n((?:[ ]{4,}.*\n?|\n)+)", re.MULTILINE)
GOOGLE_FIELD = re.compile(r"^ {4,}(\w+)(?: ?\([^)]*\))?: (.*(?:\n {8,}.*)*)", re.MULTILINE)


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", lambda app: write_reference(Path(app.srcdir)))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_reference(docs: Path) -> None:
    """All pages, in a folder that is made anew."""
    folder = docs / "reference"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shelves = [Registry.all[name] for name in (*TITLES, *sorted(set(Registry.all) - set(TITLES))) if name in Registry.all]
    for shelf in shelves:
        (folder / shelf.name).mkdir()
        for key in _own(shelf):
            (folder / shelf.name / f"{key}.md").write_text(page(shelf, key))
        (folder / f"{shelf.name}.md").write_text(index(shelf))
    (folder / "names.md").write_text(names())
    lines = "\n".join(["names", *(shelf.name for shelf in shelves)])
    (folder / "index.md").write_text(
        f"# Reference\n\nPublic names, and a page for each key of each shelf.\n\n```{{toctree}}\n:maxdepth: 1\n\n{lines}\n```\n"
    )


def _own(shelf: Registry) -> list[str]:
    foreign = {key for key, _ in shelf.foreign()}
    return [key for key in shelf if key not in foreign]


# ---------------------------------------------------------------- one key


def page(shelf: Registry, key: str) -> str:
    """Docstring, channels and hyperparameters of one key."""
    holder = shelf[key]
    text = documentation(holder)
    thing = made(shelf, key)
    parts = [
        f'# `{shelf.name}("{key}")`',
        markdown(text),
        channels(holder),
        parameters(holder, thing, text),
        wrapped(holder, thing),
    ]
    return "\n\n".join(["---\norphan: true\n---", *filter(None, parts)]) + "\n"


def documentation(holder: Any) -> str:
    """The docstring, or the label where there is none."""
    return inspect.cleandoc(getattr(holder, "__doc__", None) or getattr(holder, "label", "") or "")


def markdown(text: str) -> str:
    """A docstring as Markdown: examples become code; what stands in angle brackets stays text."""
    blocks = []
    for block in re.split(r"\n\s*\n", text):
        if block.lstrip().startswith(">>>"):
            blocks.append(f"```pycon\n{inspect.cleandoc(block)}\n```")
        else:
            blocks.append(_escaped(block))
    return "\n\n".join(blocks)


def _escaped(text: str) -> str:
    """Text outside backticks with what Markdown would read as markup taken literally."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([<>*_|$\[\]])", r"\\\1", p) for p in parts)


def made(shelf: Registry, key: str) -> Any:
    """An instance where one can be made without arguments, or with those of its example."""
    for make in (shelf, lambda key: pipeops.testing.example(shelf, key)):
        try:
            return None if shelf.name == "tsk" else make(key)
        except Exception:
            continue  # some need more than that; their page does without
    return None


def channels(holder: Any) -> str:
    """What goes in and comes out, in training and prediction."""
    declared = {side: getattr(holder, side, None) for side in ("inputs", "outputs")}
    found = [(side, c) for side, several in declared.items() if isinstance(several, tuple) for c in several]
    if not found:
        return ""
    rows = [f"| {side[:-1]} | `{c.name}` | {_escaped(str(c.train))} | {_escaped(str(c.predict))} |" for side, c in found]
    return "\n".join(["## Channels", "", "| | name | training | prediction |", "| --- | --- | --- | --- |", *rows])


def parameters(holder: Any, thing: Any, text: str) -> str:
    """The table of hyperparameters."""
    rows = list(_parameter_rows(holder, thing, text))
    if not rows:
        return ""
    head = ["## Hyperparameters", "", "| name | kind | range | default | |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])


def _parameter_rows(holder: Any, thing: Any, text: str) -> Iterator[tuple[str, ...]]:
    settings = _settings(thing)
    known = _wrapped_meanings(holder, thing) | meanings(text, settings)
    for name, setting in settings.items():
        param = setting.param
        yield f"`{name}`", param.kind, param.range.replace("|", "\\|"), _default(param.default), _escaped(known.get(name, ""))
    if settings:
        return
    for name, p in _signature(holder).items():
        default = "required" if p.default is p.empty else _default(p.default)
        yield f"`{name}`", "", "", default, _escaped(meanings(text, _signature(holder)).get(name, ""))


def _settings(thing: Any) -> Mapping[str, Any]:
    params = getattr(thing, "params", None)
    return params.settings() if hasattr(params, "settings") else {}


def _signature(holder: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return {n: p for n, p in inspect.signature(holder).parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    except (TypeError, ValueError):
        return {}


def _default(value: Any) -> str:
    if value is UNSET:
        return "required"
    shown = repr(value)
    return f"`{shown if len(shown) <= 60 else shown[:57] + '…'}`".replace("|", "\\|")


def meanings(text: str, names: Mapping[str, Any]) -> dict[str, str]:
    """What a docstring of ours says of each name: the text after `name:` or `name, other:` until the next one."""
    flat = re.sub(r"\s+", " ", re.split(r">>>", text)[0])
    known = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    if not known:
        return {}
    starts = list(re.finditer(rf"(?<![\w.])((?:{known})(?:(?:, | and )(?:{known}))*): ", flat))
    found: dict[str, str] = {}
    for start, end in zip(starts, [*(s.start() for s in starts[1:]), len(flat)], strict=False):
        for name in re.split(r", | and ", start[1]):
            found.setdefault(name, flat[start.end() : end].strip())
    return found


def _wrapped_meanings(holder: Any, thing: Any) -> dict[str, str]:
    """What the class that is wrapped says, the first sentence of each."""
    text = inspect.getdoc(_wraps(holder, thing)) or ""
    fields = [*NUMPY_FIELD.findall(text + "\n"), *GOOGLE_FIELD.findall(text)]
    return {name: re.split(r"(?<=\.)\s", re.sub(r"\s+", " ", body).strip())[0].replace("`", "") for name, body in fields}


def _wraps(holder: Any, thing: Any) -> Any:
    row, estimator = getattr(holder, "row", None), getattr(thing, "estimator", None)
    return getattr(row, "wraps", None) or (type(estimator) if estimator is not None else None)


def wrapped(holder: Any, thing: Any) -> str:
    """A link to the class that is wrapped."""
    cls = _wraps(holder, thing)
    home = HOMES.get(getattr(cls, "__module__", "").split(".")[0])
    if home is None or not isinstance(cls, type):
        return ""
    inner = [part for part in cls.__module__.split(".") if not part.startswith("_")]
    public = ".".join(inner[:2] if inner[0] == "torch" else inner)
    return f"See also [`{public}.{cls.__name__}`]({home.format(name=cls.__name__, module=public)})."


# ---------------------------------------------------------------- shelves and names


def index(shelf: Registry) -> str:
    """The keys of a shelf with their labels."""
    rows = [f"| [`{key}`]({shelf.name}/{key}.md) | {_escaped(_first(documentation(shelf[key])))} |" for key in _own(shelf)]
    head = f"# {TITLES.get(shelf.name, shelf.what)}: `{shelf.name}`"
    return "\n".join([head, "", "| key | |", "| --- | --- |", *rows, ""])


def _first(text: str) -> str:
    return text.strip().split("\n\n")[0].replace("\n", " ")


def names() -> str:
    """Every public name of the package, with the methods and properties of classes."""
    parts = ["# Public names", ""]
    for name in pipeops.__all__:
        thing = getattr(pipeops, name)
        if isinstance(thing, Registry):
            parts.append(f"## `{name}`\n\nA shelf: {thing.what}. [Its keys]({name}.md).\n")
        else:
            parts.append(f"## `{name}{_arguments(thing)}`\n\n{markdown(documentation(thing))}\n")
            parts.extend(_members(thing) if isinstance(thing, type) else [])
    return "\n".join(parts)


def _arguments(thing: Any) -> str:
    try:
        parameters = [p.replace(annotation=inspect.Parameter.empty) for p in inspect.signature(thing).parameters.values()]
        return str(inspect.Signature(p for p in parameters if p.name != "self")).replace("`", "'")
    except (TypeError, ValueError):
        return ""


def _members(cls: type) -> Iterator[str]:
    for name, member in inspect.getmembers(cls, _documented):
        if not name.startswith("_"):
            shown = "" if isinstance(member, property) else _arguments(member)
            yield f"### `{cls.__name__}.{name}{shown}`\n\n{markdown(documentation(member))}\n"


def _documented(member: Any) -> bool:
    ours = inspect.isroutine(member) and "pipeops" in str(getattr(member, "__module__", "") or "pipeops")
    return bool(getattr(member, "__doc__", None)) and (ours or isinstance(member, property))
