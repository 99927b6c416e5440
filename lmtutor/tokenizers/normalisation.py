"""What BERT does to a text before it looks for pieces: clean it, and cut it into words.

Source: the code released with Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional
    Transformers for Language Understanding", in the form that Hugging Face's `tokenizers` gives
    it.
What is removed and where a word is cut is read from tables of Unicode 8.0, the same in both.
Decomposition and lower case are Python's (Unicode 14.0 in Python 3.11). The engine takes apart
and orders accents as Unicode 9.0 did, and has newer capitals than Python, so the two can differ
on newer accents and capitals, and on nothing else. Left out: the words of Chinese; each
ideograph is a word by itself.
"""

import re
import unicodedata
from itertools import groupby

from lmtutor.tokenizers.unicode_tables import (
    CONTROLS,
    NONSPACING_MARKS,
    PUNCTUATION,
    SPACES,
    inside,
)

# 2B920 is what Hugging Face's engine has; in BERT's own code that range begins with 2B820.
_IDEOGRAPHS = "3400-4DBF 4E00-9FFF F900-FAFF 20000-2A6DF 2A700-2B81F 2B920-2CEAF 2F800-2FA1F"
_ASCII_SIGNS = r"!-/:-@\[-`{-~"

_removed = re.compile(f"[{inside(CONTROLS)}\ufffd]")
_ideograph = re.compile(f"[{inside(_IDEOGRAPHS)}]")
_accent = re.compile(f"[{inside(NONSPACING_MARKS)}]")


def _pattern(signs: str, spaces: str) -> str:
    return f"[{signs}]|[^{signs}{spaces}]+"


_find = re.compile(_pattern(_ASCII_SIGNS + inside(PUNCTUATION), inside(SPACES)))
_find_in_ascii = re.compile(_pattern(_ASCII_SIGNS, "\t-\r "))


def normalise(text: str, lowercase: bool) -> str:
    """The text without control characters, and with spaces around ideographs.

    Args:
        text: what to clean.
        lowercase: whether to take away accents and capitals as well.

    >>> normalise("Où\\u200b est\\tJérémie?", lowercase=True)
    'ou est\\tjeremie?'
    """
    text = _removed.sub("", text)
    if text.isascii():
        return text.lower() if lowercase else text
    text = _ideograph.sub(r" \g<0> ", text)
    if not lowercase:
        return text
    return _lower(_accent.sub("", unicodedata.normalize("NFD", text)))


def normalise_with_places(text: str, lowercase: bool) -> tuple[str, list[int]]:
    """`normalise`, and for each character of the result the place in `text` it comes from."""
    pairs: list[tuple[str, int]] = []
    for place, character in enumerate(text):
        spaced = _ideograph.sub(r" \g<0> ", _removed.sub("", character))
        pairs += [(c, place) for c in (_decompose(spaced) if lowercase else spaced)]
    if lowercase:
        # Unicode orders the accents behind a letter, whatever order they came in.
        runs = groupby(pairs, key=lambda pair: unicodedata.combining(pair[0]) > 0)
        pairs = [
            (c, place)
            for _, run in runs
            for accented, place in sorted(run, key=lambda p: unicodedata.combining(p[0]))
            for c in _lower(_accent.sub("", accented))
        ]
    return "".join(c for c, _ in pairs), [place for _, place in pairs]


def find_words(text: str) -> list["re.Match[str]"]:
    """The words of a normalised text, each punctuation mark a word by itself.

    >>> [match[0] for match in find_words("isn't it? 太 初")]
    ['isn', "'", 't', 'it', '?', '太', '初']
    """
    return list((_find_in_ascii if text.isascii() else _find).finditer(text))


def split_words(text: str, lowercase: bool) -> list[str]:
    """The words of a text after `normalise`."""
    text = normalise(text, lowercase)
    words: list[str] = (_find_in_ascii if text.isascii() else _find).findall(text)
    return words


def _decompose(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _lower(text: str) -> str:
    """Letter by letter, so that no sigma becomes one that ends a word."""
    return text.replace("Σ", "σ").lower()
