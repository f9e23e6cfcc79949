"""Texts as lists of terms: words, characters or sentences, and what stands near each other.

Neighbours: `words` counts them.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

URL = r"(?:https?://|www\.)\S+"
NUMBER = r"\d+(?:[.,]\d+)*(?!\w)"
WORD = r"\w+(?:['\u2019.]\w+)*"
HYPHENS = rf"{WORD}(?:-{WORD})*"
SENTENCE = re.compile(r"(?<=[.!?])\s+")


class Cut(NamedTuple):
    """How texts are cut: what into, which tokens are left out, and how many stand together in a term, with which gaps."""

    what: str = "word"
    tolower: bool = True
    remove: tuple[str, ...] = ()
    split_hyphens: bool = False
    n: tuple[int, ...] = (1,)
    skip: tuple[int, ...] = (0,)

    def terms(self, text: str) -> list[str]:
        """The terms of a text, in their order.

        >>> Cut(n=(2,)).terms("A well-known fox, 3.5 m")
        ['a_well-known', 'well-known_fox', 'fox_,', ',_3.5', '3.5_m']
        >>> Cut(remove=("punct", "numbers"), split_hyphens=True).terms("A well-known fox, 3.5 m")
        ['a', 'well', 'known', 'fox', 'm']
        """
        tokens = self._tokens(text.lower() if self.tolower else text)
        kept = [token for token in tokens if not any(LEFT_OUT[what](token) for what in self.remove)]
        return ["_".join(term) for size in self.n for term in _together(kept, size, self.skip)]

    def _tokens(self, text: str) -> list[str]:
        if self.what == "character":
            return [letter for letter in text if not letter.isspace()]
        if self.what == "sentence":
            return [sentence for sentence in SENTENCE.split(text.strip()) if sentence]
        if self.what in ("fasterword", "fastestword"):
            return text.split()
        return _pattern(self.split_hyphens).findall(text)


@lru_cache
def _pattern(split_hyphens: bool) -> "re.Pattern[str]":
    """Addresses, numbers, words, and every other character that is no space."""
    return re.compile("|".join([URL, NUMBER, WORD if split_hyphens else HYPHENS, r"[^\w\s]"]))


def _categories(token: str) -> set[str]:
    return {unicodedata.category(letter)[0] for letter in token}


LEFT_OUT = {
    "punct": lambda token: _categories(token) == {"P"},
    "symbols": lambda token: _categories(token) == {"S"},
    "numbers": lambda token: re.fullmatch(NUMBER, token) is not None,
    "url": lambda token: re.fullmatch(URL, token) is not None,
}
"""Which tokens are punctuation, symbols, numbers and addresses."""


def _together(tokens: Sequence[str], size: int, skip: Iterable[int]) -> Iterator[list[str]]:
    """So many tokens each, with any of these numbers of others between two of them."""
    for start in range(len(tokens)):
        for gaps in product(skip, repeat=size - 1):
            places = [start]
            for gap in gaps:
                places.append(places[-1] + gap + 1)
            if places[-1] < len(tokens):
                yield [tokens[place] for place in places]
