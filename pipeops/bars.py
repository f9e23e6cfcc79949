"""Bars of progress: one at a time, on a terminal or in a notebook, and nothing at all in files.

A bar inside another one is not shown, nor is any inside work that was asked to be quiet, so that folds of a resampling and
trials of a search do not each draw their own. tqdm (imported with the first bar that is seen) draws. Ground floor; neighbours:
training, benchmarks and searches tell what a person waits for.
"""

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from multiprocessing import parent_process
from typing import Any
from weakref import WeakSet

_open: "WeakSet[Bar]" = WeakSet()
"""The bars that are open, seen or not; while there is one no other is seen."""


class Bar:
    """One bar: `tell` moves it and says what there is to know, `close` ends it. shown: True, False, or None for whether anybody
    watches (`watched`)."""

    def __init__(self, what: str, total: int | None, unit: str, *, shown: bool | None = None, begin: int = 0, leave: bool = True):
        seen = (watched() if shown is None else shown) and not _open
        self._tqdm = _made(what, total, unit, begin, leave) if seen else None
        self._at = begin
        _open.add(self)

    @property
    def seen(self) -> bool:
        """Whether it is on the screen; what is costly to know need not be told to one that is not."""
        return self._tqdm is not None

    def tell(self, at: int, facts: Mapping[str, Any] | None = None) -> None:
        """It goes on to `at`; facts are shown behind it, numbers with four significant digits."""
        step, self._at = at - self._at, at
        if self._tqdm is None:
            return
        if facts is not None:
            self._tqdm.set_postfix({name: _text(value) for name, value in facts.items()}, refresh=False)
        self._tqdm.update(step)

    def close(self) -> None:
        """Take it off, or leave its last state; once more does nothing."""
        _open.discard(self)
        if self._tqdm is not None:
            self._tqdm.close()
            self._tqdm = None


@contextmanager
def bar(what: str, total: int | None, unit: str, **options: Any) -> Generator[Bar]:
    """A bar for as long as a block runs, see `Bar`.

    >>> with bar("nothing", 3, "job", shown=False) as hidden:
    ...     hidden.tell(1, {"best": 0.5})
    """
    made = Bar(what, total, unit, **options)
    try:
        yield made
    finally:
        made.close()


def watched() -> bool:
    """Whether somebody sees a bar: stderr is a terminal, or this is a notebook, and no worker of one."""
    if parent_process() is not None:
        return False
    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell is not None else None
    return hasattr(found, "kernel") or bool(sys.stderr is not None and sys.stderr.isatty())


def _made(what: str, total: int | None, unit: str, begin: int, leave: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, initial=begin, desc=what, unit=unit, leave=leave, dynamic_ncols=True)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
