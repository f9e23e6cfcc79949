"""textvectorizer: texts as how often each word occurs.

Neighbours: `collapse` and its like take texts for categories.
"""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import new_frame
from pipeops.errors import ConfigError
from pipeops.ops.base import Frame, Preprocess, Series, operator
from pipeops.params import anything, choice, flag, real
from pipeops.shorthand import po

Counts = npt.NDArray[np.float64]


@po.add("textvectorizer")
@operator
class TextVectorizer(Preprocess):
    """Replace text columns by how often each word of the training data occurs, `<column>.<word>`, words in alphabetical order.

    n: how many words stand together in a term, a number or a list of them. what: word or character. tolower: "A" is "a".
    stopwords_language: "en" leaves out scikit-learn's English stop words; extra_stopwords: more of them. min_termfreq,
    max_termfreq: how often a term must and may occur in training. scheme_tf: count; prop, the share of the text's terms; propmax,
    of its most frequent one; logcount, 1 + log10 of the count; boolean. scheme_df: unary leaves that, inverse multiplies by
    log10(texts / texts with the term). A missing text has no word.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"t": ["a red fox", "the red, red hen"], "y": [0, 1]}, target="y")
    >>> made = po("textvectorizer").train([task])[0][0]
    >>> made.feature_names, made.matrix().tolist()
    (['t.fox', 't.hen', 't.red'], [[1.0, 0.0, 1.0], [0.0, 1.0, 2.0]])
    """

    kinds: ClassVar[tuple[str, ...]] = ("categorical",)
    example: ClassVar[Any] = {"affect_columns": "text", "stopwords_language": "none"}

    stopwords_language: str = choice("en", "none", default="en")
    extra_stopwords: Sequence[str] = anything(())
    tolower: bool = flag(True)
    what: str = choice("word", "character", default="word")
    n: Any = anything(1)
    min_termfreq: float = real(0, default=0.0)
    max_termfreq: float | None = real(0, default=None)
    scheme_tf: str = choice("count", "prop", "propmax", "logcount", "boolean", default="count")
    scheme_df: str = choice("unary", "inverse", default="unary")

    def __attrs_post_init__(self) -> None:
        sizes = self.n if isinstance(self.n, list | tuple) else [self.n]
        if not sizes or not all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in sizes):
            raise ConfigError(f"{self.id}: 'n' is a number of words from 1, or a list of them, got {self.n!r}.")
        if isinstance(self.extra_stopwords, str) or not all(isinstance(word, str) for word in self.extra_stopwords):
            raise ConfigError(f"{self.id}: 'extra_stopwords' is a list of words, got {self.extra_stopwords!r}.")

    def fit(self, frame: Frame, target: Series | None) -> dict[str, Any]:
        texts = [column for column in frame.iter_columns() if column.dtype == nw.String]
        return {column.name: self._learnt(_texts(column)) for column in texts}

    def _learnt(self, texts: list[str]) -> dict[str, Any]:
        """The terms, and what each counts."""
        found = [self._terms(text) for text in texts]
        terms = sorted({term for one in found for term in one})
        counts = _counted(found, terms)
        total, high = counts.sum(axis=0), np.inf if self.max_termfreq is None else self.max_termfreq
        kept = (total >= self.min_termfreq) & (total <= high)
        share = (counts > 0).mean(axis=0) if len(texts) else np.ones(len(terms))
        weights = -np.log10(share) if self.scheme_df == "inverse" else np.ones(len(terms))
        return {"terms": [t for t, keep in zip(terms, kept, strict=True) if keep], "weights": weights[kept].tolist()}

    def _terms(self, text: str) -> list[str]:
        """The terms of a text, in their order."""
        text = text.lower() if self.tolower else text
        words = list(text) if self.what == "character" else re.findall(r"\w+", text)
        stop = {*self.extra_stopwords, *(_english() if self.stopwords_language == "en" else ())}
        words = [word for word in words if word not in stop]
        sizes = self.n if isinstance(self.n, list | tuple) else [self.n]
        return ["_".join(words[k : k + size]) for size in sizes for k in range(len(words) - size + 1)]

    def apply(self, frame: Frame, state: dict[str, Any]) -> Frame:
        made: dict[str, Any] = {name: frame.get_column(name) for name in frame.columns if name not in state}
        for name, learnt in state.items():
            counts = _counted([self._terms(text) for text in _texts(frame.get_column(name))], learnt["terms"])
            values = self._weighted(counts) * np.asarray(learnt["weights"])
            made.update({f"{name}.{term}": values[:, j] for j, term in enumerate(learnt["terms"])})
        return new_frame(made, like=frame) if made else frame.select()

    def _weighted(self, counts: Counts) -> Counts:
        """The counts of a text's terms as `scheme_tf` wants them."""
        if self.scheme_tf == "boolean":
            return (counts > 0).astype(np.float64)
        if self.scheme_tf == "logcount":
            return np.where(counts > 0, 1 + np.log10(np.maximum(counts, 1)), 0)
        if self.scheme_tf == "count":
            return counts
        of = counts.sum(axis=1) if self.scheme_tf == "prop" else counts.max(axis=1, initial=0)
        return counts / np.maximum(of, 1)[:, None]


def _english() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return ENGLISH_STOP_WORDS


def _texts(column: Series) -> list[str]:
    return ["" if value is None or value != value else value for value in column.to_list()]


def _counted(found: list[list[str]], terms: list[str]) -> Counts:
    """How often each of the terms occurs `(texts, terms)`."""
    place, counts = {term: j for j, term in enumerate(terms)}, np.zeros((len(found), len(terms)))
    for row, one in zip(counts, found, strict=True):
        for term in one:
            if term in place:
                row[place[term]] += 1
    return counts
