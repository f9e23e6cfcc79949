"""How things show themselves: a block is a title and a table, and renders as text or as a piece of a page.

Whoever derives from `Shown` and says its blocks has a page. Pages need nothing from elsewhere: no script, one small style
sheet in each; everything is escaped; colours follow the page, light or dark; long tables fold. Neighbours: text.py below aligns
columns; graphs add their drawing (`graph/drawings/`).
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import attrs

from pipeops.text import cut, right_aligned, source, table

FOLD = 12
"""Tables with more rows can be folded on a page, and scroll."""
CUT = 160
"""Longer cells are cut where they are shown; the whole text is in their tooltip."""
STYLE = (
    ".pipeops{font:13px/1.5 system-ui,sans-serif;color:inherit;max-width:100%;overflow-x:auto}"
    ".pipeops table{border-collapse:collapse;margin:.3em 0}"
    ".pipeops th,.pipeops td{text-align:left;vertical-align:top;padding:.15em .8em .15em 0;border:0;"
    "border-bottom:1px solid rgba(128,128,128,.3);background:none;color:inherit;font-size:12px}"
    ".pipeops td{font-family:ui-monospace,monospace}"
    ".pipeops summary{cursor:pointer}.pipeops .title{font-weight:600}"
    ".pipeops .long{max-height:26em;overflow:auto;width:fit-content;max-width:100%}"
    ".pipeops svg{display:block}.pipeops svg text{fill:currentColor;font-family:system-ui,sans-serif}"
    ".pipeops .flow{width:fit-content;max-width:100%;padding:.3em 0}.pipeops .flow svg{margin:0 auto}"
    ".pipeops .flow details{overflow-x:auto;margin:0 auto}.pipeops .flow .holder{width:fit-content;max-width:100%}"
    ".pipeops .flow summary,.pipeops .quiet{font-size:11px;opacity:.75;text-align:center}"
    ".pipeops .flow .holder{border:1px solid rgba(128,128,128,.6);border-radius:6px;margin:.2em auto}"
    ".pipeops .flow .holder>summary{font-size:12px;opacity:1;padding:.3em 1em;border-radius:5px}"
    ".pipeops .holder>summary.trained{background:rgba(0,114,178,.2)}.pipeops .holder>summary.skipped{opacity:.6}"
    ".pipeops .quiet{text-align:left}"
)


@attrs.frozen
class Block:
    """A title, a header and rows; any of them may be empty. folded: begin closed on a page. notes: lines below the table.
    right: columns are aligned to the right, as numbers are.

    >>> block = Block("Two <numbers>", ("name", "value"), [("a", 1), ("b", 22)])
    >>> print(block.text())
    Two <numbers>
      name  value
      a     1
      b     22
    >>> "Two &lt;numbers&gt;" in block.html()
    True
    """

    title: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    folded: bool = False
    notes: Sequence[str] = ()
    right: bool = False

    def text(self) -> str:
        """The title, and below it the table, indented."""
        body = self._table() if self.header and (self.rows or any(self.header)) else ""
        return "\n".join(filter(None, (cut(self.title, CUT), body, *self.notes)))

    def _table(self) -> str:
        rows = [[cut(str(cell), CUT) for cell in row] for row in self.rows]
        if self.right:
            return right_aligned(self.header, rows)
        if not any(self.header):
            return table(rows[0], rows[1:], indent="  ")
        return table(self.header, rows, indent="  " if self.title else "")

    def html(self) -> str:
        """A heading and a table, which folds when it is long."""
        title = f'<span class="title">{escape(cut(self.title, CUT))}</span>'
        notes = "".join(f"<div>{escape(note)}</div>" for note in self.notes)
        if not self.rows:
            return f"<div>{title}{notes}</div>"
        head = "".join(f"<th>{escape(str(h))}</th>" for h in self.header)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in self.rows)
        grid = f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"
        scroll = f'<div class="long">{grid}</div>'
        if len(self.rows) <= FOLD and not self.folded:
            return f"<div>{title}{grid}{notes}</div>"
        return f"<details{'' if self.folded else ' open'}><summary>{title} ({len(self.rows)})</summary>{scroll}{notes}</details>"


def _cell(value: object) -> str:
    text = str(value)
    if len(text) <= CUT:
        return f"<td>{escape(text)}</td>"
    return f'<td title="{escape(text)}">{escape(cut(text, CUT))}</td>'


def page(parts: Iterable[Block | str]) -> str:
    """A piece of a page from blocks and ready-made parts (drawings)."""
    body = "".join(part if isinstance(part, str) else part.html() for part in parts)
    return f'<div class="pipeops"><style>{STYLE}</style>{body}</div>'


class Shown:
    """Base of what shows itself by blocks: the first one is the title and facts, further ones are details."""

    __slots__ = ()

    def _blocks(self) -> list[Block]:
        """What is shown on a page."""
        return [Block(repr(self))]

    def _drawing(self) -> str:
        """A picture between the first block and the rest; empty by default."""
        return ""

    def _repr_html_(self) -> str:
        first, *rest = self._blocks()
        return page([first, self._drawing(), *rest])


def params_block(params: Any) -> Block:
    """The hyperparameters of a thing, folded."""
    rows = [(a, s.param.kind, s.param.range, source(s.param.default), source(s.value)) for a, s in params.settings().items()]
    return Block("Hyperparameters", ("id", "kind", "range", "default", "value"), rows, folded=True)
