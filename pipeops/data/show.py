"""How a task prints: size, target, classes, properties, features by type, further roles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeops.data.columns import kind
from pipeops.data.levels import trimmed
from pipeops.data.positions import names_of
from pipeops.display import Block, Shown
from pipeops.guesses import by_name

if TYPE_CHECKING:
    from pipeops.data.task import Task

WIDTH = 100
MANY_CLASSES = 10
ROLE_TITLES = {
    "stratum": "Strata",
    "group": "Groups",
    "weight": "Weights",
    "weights_learner": "Weights for learners",
    "weights_measure": "Weights for measures",
    "subset": "Subsets",
    "order": "Ordered by",
}


def show(task: Task) -> str:
    """The printout of a task.

    >>> from pipeops.data import as_task_classif
    >>> print(show(as_task_classif({"a": [1.5, 2.5], "y": ["n", "p"]}, target="y", id="demo")))
    <TaskClassif:demo> (2 x 2)
    * Target: y
    * Target classes: n (positive class, 50%), p (50%)
    * Properties: twoclass
    * Features (1):
      - numeric (1): a
    """
    lines = [f"<{type(task).__name__}:{task.id}> ({task.nrow} x {task.ncol})"]
    if task.target_names:
        lines += _item("Targets" if len(task.target_names) > 1 else "Target", _targets(task))
    classes = getattr(task, "class_names", None)
    if classes:
        lines += _item("Target classes", _classes(task, classes))
    lines += _item("Properties", task.properties or ["-"])
    lines += [f"* Features ({len(task.feature_names)}):", *_features(task)]
    for role, title in ROLE_TITLES.items():
        if task.roles[role]:
            lines += _item(title, task.roles[role])
    return Block(lines[0], notes=lines[1:]).text()


def blocks(task: Task) -> list[Block]:
    """What a page shows of a task: the same, and each feature with its type and missing values."""
    facts = [("target", ", ".join(_targets(task)))] if task.target_names else []
    classes = getattr(task, "class_names", None)
    facts += [("classes", ", ".join(_classes(task, classes)))] if classes else []
    facts += [("properties", ", ".join(task.properties) or "-")]
    facts += [(title.lower(), ", ".join(task.roles[role])) for role, title in ROLE_TITLES.items() if task.roles[role]]
    missing = task.missings()
    features = [(name, kind(dtype), missing.get(name, 0)) for name, dtype in task.schema.items()]
    title = f"{type(task).__name__} {task.id} ({task.nrow} x {task.ncol})"
    return [Block(title, ("", ""), facts), Block("Features", ("name", "type", "missing"), features)]


def _item(title: str, texts: Iterable[str]) -> list[str]:
    return wrap(f"* {title}: {', '.join(texts)}", WIDTH, subsequent_indent="    ", break_long_words=False)


def _targets(task: Task) -> list[str]:
    return task.target_names if task.has_target else [f"{', '.join(task.target_names)} (absent)"]


def _classes(task: Any, classes: list[Any]) -> list[str]:
    codes = task.class_codes()
    counts = np.bincount(codes[codes >= 0], minlength=len(classes))
    shares = [f"{100 * c / counts.sum():.0f}%" if counts.sum() else "" for c in counts]
    notes = [
        ", ".join(filter(None, ("positive class" if c == task.positive else "", s))) for c, s in zip(classes, shares, strict=True)
    ]
    texts = [f"{c} ({note})" if note else str(c) for c, note in zip(classes, notes, strict=True)]
    if len(classes) <= MANY_CLASSES:
        return texts
    largest = np.argsort(-counts, kind="stable")[:MANY_CLASSES].tolist()
    return [*(texts[i] for i in largest), f"and {len(classes) - MANY_CLASSES} more"]


def _features(task: Task) -> list[str]:
    groups: dict[str, list[str]] = {}
    for name, dtype in task.schema.items():
        groups.setdefault(kind(dtype), []).append(name)
    lines: list[str] = []
    for label, names in sorted(groups.items(), key=lambda g: -len(g[1])):
        texts = wrap(
            f"  - {label} ({len(names)}): {', '.join(names[:100])}", WIDTH, subsequent_indent="      ", break_long_words=False
        )
        lines += texts + ([f"      and {len(names) - 100} more"] if len(names) > 100 else [])
    return lines


def strata(task: Any) -> Any:
    """The strata of a task by size, or None: what `task.strata` answers."""
    import polars as pl

    found = task.role_codes("stratum")
    if found is None:
        return None
    ids = [task.row_ids[found[0] == code].tolist() for code in range(len(found[1]))]
    columns = {"stratum": [str(label) for label in found[1]], "n": [len(one) for one in ids], "row_ids": ids}
    return pl.DataFrame(columns).sort("n", descending=True, maintain_order=True)


class Described(Shown):
    """What a task says of itself, and its levels."""

    __slots__ = ()

    def plot(self, kind: str = "target", ax: Any = None, *, features: Sequence[str] | None = None) -> Any:
        """Draw the "target", or numeric features in "pairs" (extra `plot`; all axes are answered), and return the axes."""
        return import_module("pipeops.learn.plots.splits_and_tasks").plot_task(self, kind, ax, features)

    def __repr__(self) -> str:
        return show(self)  # type: ignore[arg-type]

    def _blocks(self) -> list[Block]:
        """What a page shows: size, target, classes, roles, and every feature with its type and missing values."""
        return blocks(self)  # type: ignore[arg-type]

    @property
    def strata(self) -> Any:
        """A polars frame with a row for each stratum, the largest first: its label, its size `n`, `row_ids`. None without any."""
        return strata(self)

    @by_name
    def droplevels(self: Any, columns: Any = None) -> Any:
        """Without the levels that no row has, in all categorical features (or these) and among the classes of the target."""
        kinds = self.feature_types
        names = [name for name in kinds if kinds[name] == "categorical"] if columns is None else names_of(columns)
        return self.with_features(self.frame().with_columns(*(trimmed(self._column(n)) for n in names))) if names else self
