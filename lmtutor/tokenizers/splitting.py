"""Cut a text into chunks, across which no sub-word reaches.

Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2,
    with the pattern of the code released with it.
Left out: scripts that write no spaces, such as Chinese, are not cut into words; accents written
as code points of their own end a run of letters, as they do in GPT-2.
"""

import re

from lmtutor.tokenizers.unicode_tables import LETTERS, NUMBERS, SPACES, inside


def _pattern(letters: str, numbers: str, spaces: str) -> str:
    """GPT-2's pattern, with the members of each class written out."""
    return (
        "'(?:[sdmt]|ll|ve|re)"  # the ends of isn't, we'll, ...
        f"| ?[{letters}]+"  # with the space in front of them
        f"| ?[{numbers}]+"
        f"| ?[^{spaces}{letters}{numbers}]+"  # punctuation and all else
        f"|[{spaces}]+(?![^{spaces}])"  # white space, but for the last before a word
        f"|[{spaces}]+"
    )


PATTERN = _pattern(inside(LETTERS), inside(NUMBERS), inside(SPACES))
"""The regular expression, for Python and for Oniguruma. It is GPT-2's with the tables of
Unicode written out, so that it means the same wherever it is used.
"""

_find = re.compile(PATTERN).findall
_find_in_ascii = re.compile(_pattern("A-Za-z", "0-9", "\t-\r ")).findall  # three times as fast


def split_chunks(text: str) -> list[str]:
    """The chunks of a text; joined, they are the text again.

    >>> split_chunks("In the year 1611, isn't it?  No")
    ['In', ' the', ' year', ' 1611', ',', ' isn', "'t", ' it', '?', ' ', ' No']
    """
    chunks: list[str] = _find_in_ascii(text) if text.isascii() else _find(text)
    return chunks
