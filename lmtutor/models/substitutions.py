"""A translator without a network: one word for one word, as counted in translated texts.

It stands where old textbooks begin: a table of what each word most often becomes. Left out:
words in another order, and words that become several; the alignment models of Brown et al.
1993, "The Mathematics of Statistical Machine Translation", begin there.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Self

_TOKEN = re.compile(r"\w+(?:['-]\w+)*|[^\w\s]")
_GAP_BEFORE_MARK = re.compile(r" ([,.;:!?)])")


class WordSubstitutions:
    """Says each word as it is most often said on the other side; an unknown word stays.

    For texts whose two sides are of one language or nearly so: where they agree, the words
    between two agreements are taken to stand for one another.

    >>> table = WordSubstitutions().fit(["thou art he", "he hath"], ["you are he", "he has"])
    >>> table.translate("he hath; thou art Dan")
    'he has; you are Dan'
    """

    table_: dict[str, str]
    """Word to word; to "" where it is left out. Words that stay are not in it."""

    def fit(self, sources: Sequence[str], targets: Sequence[str]) -> Self:
        """Count, and keep the most frequent counterpart of each word.

        Raises:
            ValueError: sources and targets differ in number, or there are none.
        """
        if len(sources) != len(targets) or not len(sources):
            raise ValueError(
                f"there are {len(sources)} sources and {len(targets)} targets; give one target "
                "for each source, and one pair at least"
            )
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for source, target in zip(sources, targets, strict=True):
            old, new = _TOKEN.findall(source), _TOKEN.findall(target)
            matcher = SequenceMatcher(None, old, new, autojunk=False)
            for _, start, stop, first, last in matcher.get_opcodes():
                if stop - start == last - first:
                    pairs = zip(old[start:stop], new[first:last], strict=True)
                elif first == last:
                    pairs = zip(old[start:stop], [""] * (stop - start), strict=True)
                else:  # each may stand for each
                    pairs = zip(
                        [a for a in old[start:stop] for _ in range(first, last)],
                        new[first:last] * (stop - start),
                        strict=True,
                    )
                for pair in pairs:
                    counts[pair[0]][pair[1]] += 1
        best = {word: ranked.most_common(1)[0][0] for word, ranked in counts.items()}
        self.table_ = {word: other for word, other in best.items() if word != other}
        return self

    def translate(self, text: str) -> str:
        """The text with each word replaced.

        Raises:
            ValueError: nothing has been counted yet.
        """
        if not hasattr(self, "table_"):
            raise ValueError("this table is empty: call fit(sources, targets) first")
        replaced = _TOKEN.sub(lambda found: self.table_.get(found[0], found[0]), text)
        return _GAP_BEFORE_MARK.sub(r"\1", " ".join(replaced.split()))
