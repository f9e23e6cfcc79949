"""textvectorizer: texts as how often each word occurs, or as sequences of words.

Neighbours: `terms` cuts texts; `collapse` and its like take texts for categories.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import new_frame
from pipeops.data.levels import from_codes
from pipeops.errors import ConfigError, DataError
from pipeops.ops.base import Frame, Preprocess, Series, operator
from pipeops.ops.categories.terms import Cut
from pipeops.params import anything, choice, flag, integer, real
from pipeops.shorthand import po

Counts = npt.NDArray[np.float64]
WHAT = ("word", "fasterword", "fastestword", "character", "sentence")


@po.add("textvectorizer")
@operator
class TextVectorizer(Preprocess):
    """Replace text columns by how often each term of the training data occurs, `<column>.<term>`, terms in alphabetical order.

    what: a term is a word (punctuation is one), what stands between spaces (fasterword, fastestword), a character or a sentence.
    tolower: "A" is "a". remove_punct, remove_symbols, remove_numbers, remove_url, split_hyphens: what is no token. n: how many
    tokens stand together in a term, a number or a list; skip: with how many others between them. stopwords_language: "en" leaves
    out scikit-learn's English stop words; extra_stopwords: more terms. min_termfreq, max_termfreq: how often a term must and may
    occur in training: a count, a share of all (termfreq_type="prop"), a rank or a quantile; sparsity: in how large a share of the
    texts it may be absent. scheme_tf: count; prop, the share of the text's terms; propmax, of its most frequent one; logcount,
    1 + log of the count; boolean; augmented, k_tf + (1 - k_tf) propmax; logave, logcount over that of the text's mean. scheme_df
    multiplies by: 1 (unary), the number of texts with the term more than threshold_df times (count), log(smoothing_df + texts /
    (k_df + that number)) (inverse), the same with the largest such number (inversemax), or the log of the odds against it
    (inverseprob). base_tf, base_df: of the logarithms. return_type: "bow" as above, or the first sequence_length terms of each
    text (0: of the longest in training) as `<column>.V1`, …: "integer_sequence", numbers of the terms in the order in which
    training saw them, 0 for others, or "factor_sequence". A missing text has no term.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"t": ["a red fox", "the red, red hen"], "y": [0, 1]}, target="y")
    >>> made = po("textvectorizer", remove_punct=True).train([task])[0][0]
    >>> made.feature_names, made.matrix().tolist()
    (['t.fox', 't.hen', 't.red'], [[1.0, 0.0, 1.0], [0.0, 1.0, 2.0]])
    """

    kinds: ClassVar[tuple[str, ...]] = ("categorical",)
    example: ClassVar[Any] = {"affect_columns": "text", "stopwords_language": "none"}

    stopwords_language: str = choice("en", "none", default="en")
    extra_stopwords: Sequence[str] = anything(())
    tolower: bool = flag(True)
    what: str = choice(*WHAT, default="word")
    remove_punct: bool = flag(False)
    remove_symbols: bool = flag(False)
    remove_numbers: bool = flag(False)
    remove_url: bool = flag(False)
    split_hyphens: bool = flag(False)
    n: Any = anything(1)
    skip: Any = anything(0)
    sparsity: float | None = real(0, 1, default=None)
    termfreq_type: str = choice("count", "prop", "rank", "quantile", default="count")
    min_termfreq: float | None = real(0, default=None)
    max_termfreq: float | None = real(0, default=None)
    scheme_df: str = choice("count", "inverse", "inversemax", "inverseprob", "unary", default="unary")
    smoothing_df: float = real(0, default=0.0)
    k_df: float = real(0, default=0.0)
    threshold_df: float = real(0, default=0.0)
    base_df: float = real(0, default=10.0)
    scheme_tf: str = choice("count", "prop", "propmax", "logcount", "boolean", "augmented", "logave", default="count")
    k_tf: float = real(0, 1, default=0.5)
    base_tf: float = real(0, default=10.0)
    return_type: str = choice("bow", "integer_sequence", "factor_sequence", default="bow")
    sequence_length: int = integer(0, default=0)

    def __attrs_post_init__(self) -> None:
        for name, least in (("n", 1), ("skip", 0)):
            sizes = _sizes(getattr(self, name))
            if not sizes or not all(isinstance(size, int) and not isinstance(size, bool) and size >= least for size in sizes):
                raise ConfigError(
                    f"{self.id}: '{name}' is a number from {least}, or a list of them, got {getattr(self, name)!r}."
                )
        for name in ("base_df", "base_tf"):
            if getattr(self, name) in (0, 1):
                raise ConfigError(
                    f"{self.id}: '{name}' is the base of a logarithm, above 0 and not 1, got {getattr(self, name)!r}."
                )
        if isinstance(self.extra_stopwords, str) or not all(isinstance(word, str) for word in self.extra_stopwords):
            raise ConfigError(f"{self.id}: 'extra_stopwords' is a list of words, got {self.extra_stopwords!r}.")

    def fit(self, frame: Frame, target: Series | None) -> dict[str, Any]:
        texts = [column for column in frame.iter_columns() if column.dtype == nw.String]
        return {column.name: self._learnt(_texts(column)) for column in texts}

    def _learnt(self, texts: list[str]) -> dict[str, Any]:
        """The terms, and what each counts; their numbers and how long sequences are."""
        every = [self._cut().terms(text) for text in texts]
        order = {term: k + 1 for k, term in enumerate(dict.fromkeys(term for one in every for term in one))}
        found = [self._kept(one) for one in every]
        terms = sorted({term for one in found for term in one})
        counts = _counted(found, terms)
        kept = self._frequent(counts)
        terms, counts = [term for term, keep in zip(terms, kept, strict=True) if keep], counts[:, kept]
        learnt: dict[str, Any] = {"terms": terms, "weights": self._document_weights(counts).tolist()}
        if self.return_type != "bow":
            learnt["numbers"] = [order[term] for term in terms]
            learnt["length"] = self.sequence_length or max(map(len, every), default=0)
        return learnt

    def _cut(self) -> Cut:
        removed = tuple(what for what in ("punct", "symbols", "numbers", "url") if getattr(self, f"remove_{what}"))
        return Cut(self.what, self.tolower, removed, self.split_hyphens, _sizes(self.n), _sizes(self.skip))

    def _kept(self, terms: list[str]) -> list[str]:
        """Terms without stop words, whatever their case."""
        stop = {*(w.lower() for w in self.extra_stopwords), *(_english() if self.stopwords_language == "en" else ())}
        return [term for term in terms if term.lower() not in stop]

    def _frequent(self, counts: Counts) -> Any:
        """Which terms occur as often as they must and may."""
        total = counts.sum(axis=0)
        if not total.size:
            return np.ones(0, dtype=bool)
        low, high = self._limits(total)
        absent = (counts > 0).sum(axis=0) < (0 if self.sparsity is None else (1 - self.sparsity) * len(counts) - 1e-9)
        return (total >= low) & (total <= high) & ~absent

    def _limits(self, total: Counts) -> tuple[float, float]:
        """The least and largest count that terms may have."""
        low, high = self.min_termfreq, self.max_termfreq
        if self.termfreq_type == "rank":
            ranks = np.array([(total > count).sum() + 1 for count in total])
            least = total[ranks <= (len(total) if low is None else low)]
            most = total[ranks >= (1 if high is None else high)]
            return float(least.min(initial=np.inf)), float(most.max(initial=-np.inf))
        if self.termfreq_type == "quantile":
            ends = [0.0 if low is None else low, 1.0 if high is None else high]
            if not all(0 <= end <= 1 for end in ends):
                raise DataError(f"{self.id}: quantiles are from 0 to 1, got {low} and {high}.")
            return tuple(np.quantile(total, ends, method="inverted_cdf").tolist())
        whole = total.sum() if self.termfreq_type == "prop" else 1.0
        return (0.0 if low is None else low * whole), (np.inf if high is None else high * whole)

    def _document_weights(self, counts: Counts) -> Counts:
        """What each term counts, by the texts that have it."""
        has = (counts > self.threshold_df).sum(axis=0).astype(np.float64)
        if self.scheme_df in ("unary", "count"):
            return has if self.scheme_df == "count" else np.ones(len(has))
        most = float(has.max(initial=0)) if self.scheme_df == "inversemax" else float(len(counts))
        with np.errstate(divide="ignore"):
            if self.scheme_df == "inverseprob":
                return np.maximum(np.log((most - has) / (self.k_df + has)) / np.log(self.base_df), 0)
            return np.log(self.smoothing_df + most / (self.k_df + has)) / np.log(self.base_df)

    def apply(self, frame: Frame, state: dict[str, Any]) -> Frame:
        made: dict[str, Any] = {name: frame.get_column(name) for name in frame.columns if name not in state}
        for name, learnt in state.items():
            texts = _texts(frame.get_column(name))
            if self.return_type == "bow":
                values = self._weighted(_counted([self._kept(self._cut().terms(text)) for text in texts], learnt["terms"]))
                values = values * np.asarray(learnt["weights"])
                made.update({f"{name}.{term}": values[:, j] for j, term in enumerate(learnt["terms"])})
            else:
                made.update(self._sequences(name, texts, learnt, frame))
        return new_frame(made, like=frame) if made else frame.select()

    def _sequences(self, name: str, texts: list[str], learnt: dict[str, Any], like: Frame) -> dict[str, Any]:
        """A column for each of the first terms of the texts."""
        places = {term: k for k, term in enumerate(learnt["terms"])}
        codes = np.full((len(texts), learnt["length"]), -1)
        for row, text in zip(codes, texts, strict=True):
            terms = self._cut().terms(text)[: learnt["length"]]
            row[: len(terms)] = [places.get(term, -1) for term in terms]
        names = [f"{name}.V{j + 1}" for j in range(learnt["length"])]
        if self.return_type == "integer_sequence":
            numbers = np.array([*learnt["numbers"], 0], dtype=np.int64)
            return {column: numbers[codes[:, j]] for j, column in enumerate(names)}
        return {column: from_codes(column, codes[:, j].copy(), learnt["terms"], like) for j, column in enumerate(names)}

    def _weighted(self, counts: Counts) -> Counts:
        """The counts of a text's terms as `scheme_tf` wants them."""
        there = counts > 0
        if self.scheme_tf in ("count", "boolean"):
            return counts if self.scheme_tf == "count" else there.astype(np.float64)
        if self.scheme_tf in ("logcount", "logave"):
            logs = np.where(there, 1 + np.log(np.maximum(counts, 1)) / np.log(self.base_tf), 0)
            mean = counts.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
            return (
                logs if self.scheme_tf == "logcount" else logs / (1 + np.log(np.maximum(mean, 1)) / np.log(self.base_tf))[:, None]
            )
        of = counts.sum(axis=1) if self.scheme_tf == "prop" else counts.max(axis=1, initial=0)
        shares = counts / np.maximum(of, 1)[:, None]
        return np.where(there, self.k_tf + (1 - self.k_tf) * shares, 0) if self.scheme_tf == "augmented" else shares


def _sizes(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, list | tuple) else (given,)


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
