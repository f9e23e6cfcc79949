"""How a search shows itself: what it tunes and how it is judged, what was found, the archive, and its pictures.

Neighbours: `searching` derives from it; the pictures are in plots/searches.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from pipeops.display import Block, Shown
from pipeops.learn.plots.searches import plot_search
from pipeops.text import source

BEST = 10
"""So many trials are shown, the best first."""


class ShownSearch(Shown):
    """The printout, the page and the pictures of a learner that searches."""

    __slots__ = ()

    def plot(self: Any, kind: str = "history", ax: Any = None, *, params: Sequence[str] | None = None) -> Any:
        """Draw the trials (extra `plot`) and return the axes, once trained.

        kind: "history", the score of each trial and the best so far; "surface", the score over two hyperparameters; "parallel",
        a line a trial across all of them; "importance", how much of the scores' variance goes back to each (mean decrease of
        impurity in a random forest). params: which hyperparameters, by address; the searched ones by default, for a surface the
        two most important.
        """
        log = {address for address, token in self._ranges().items() if token.log}
        return plot_search(self.model.archive, self.measures[0], kind, ax, params, log)

    def _ranges(self) -> Mapping[str, Any]:
        """What is searched at each address, where that is a range."""
        return {}

    def _drawing(self: Any) -> str:
        """That of the learner."""
        return self.learner._drawing()

    def _blocks(self: Any) -> list[Block]:
        first, *rest = super()._blocks()  # type: ignore[misc]
        found = [] if self.state is None else [self._archive_block()]
        rows = [(address, repr(token)) for address, token in self._ranges().items()]
        space = [Block("Search space", ("hyperparameter", "range"), rows)] if rows else []
        return [attrs.evolve(first, rows=[*first.rows, *self._facts()]), *space, *found, *rest]

    def _facts(self: Any) -> list[tuple[str, str]]:
        """How it searches; what was found, once it is trained."""
        limits = {n: v for n, v in attrs.asdict(self.limits).items() if v is not None}
        better = ["lower" if m.minimize else "higher" for m in self.measures]
        facts = [
            ("searches for", self.learner.id),
            ("judged by", ", ".join(f"{m.id} ({b} is better)" for m, b in zip(self.measures, better, strict=True))),
            ("resampling", repr(self.resampling.without_sets())),
            ("ends", ", ".join(f"{n}={source(v)}" for n, v in limits.items()) or "by itself"),
        ]
        return facts if self.state is None else [*facts, *self._found()]

    def _found(self: Any) -> list[tuple[str, str]]:
        model = self.model
        states: list[str] = model.archive["state"]
        counts = {state: states.count(state) for state in dict.fromkeys(sorted(states))}
        scores = ", ".join(f"{m.id}={model.archive[m.id][model.best]:.4g}" for m in self.measures)
        best = ", ".join(f"{n}={f'{v:.4g}' if isinstance(v, float) else source(v)}" for n, v in model.best_params.items())
        return [("trials", ", ".join(f"{n} {state}" for state, n in counts.items())), ("best", f"{scores} with {best}")]

    def _archive_block(self: Any) -> Block:
        """The best trials; what stands in every row of the archive but its history."""
        archive, measure = self.model.archive, self.measures[0]
        names = [name for name in archive if name not in ("history", "error")]
        scored = [k for k, score in enumerate(archive[measure.id]) if score is not None]
        order = sorted(scored, key=lambda k: archive[measure.id][k], reverse=not measure.minimize)
        rows = [tuple(_text(archive[name][k]) for name in names) for k in order[:BEST]]
        title = f"Archive of {len(archive['state'])} trials" + (f", the best {BEST}" if len(scored) > BEST else "")
        return Block(title, names, rows, folded=True)


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
