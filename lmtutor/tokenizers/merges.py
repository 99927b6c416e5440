"""Byte-pair encoding: which pairs of neighbours to join, and in which order.

Source: Sennrich, Haddow and Birch 2016, "Neural Machine Translation of Rare Words with Subword
    Units", section 3.2.
Two roads lead to the merges. `learn_merges_slowly` counts all pairs anew for each merge and can
be read at a glance; `learn_merges` keeps the counts and changes those that a merge changes.
Left out: dropout, and merges that reach from one chunk of the text into the next.
"""

import heapq
import operator
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

Pair = tuple[int, int]
Piece = TypeVar("Piece", bound=Hashable)


def count_pairs(words: Mapping[tuple[int, ...], int]) -> Counter[Pair]:
    """How often each pair of neighbouring ids occurs, in words that occur so often themselves.

    >>> count_pairs({(5, 6, 5, 6): 10, (6, 5): 1})
    Counter({(5, 6): 20, (6, 5): 11})
    """
    counts: Counter[Pair] = Counter()
    for word, count in words.items():
        for pair in pairwise(word):
            counts[pair] += count
    return counts


def merge_pair(ids: Sequence[int], pair: Pair, new_id: int) -> tuple[int, ...]:
    """The ids with `new_id` in the place of each occurrence of `pair`, from left to right.

    >>> merge_pair((5, 5, 5, 6), (5, 5), 9)
    (9, 5, 6)
    """
    merged, place = [], 0
    while place < len(ids):
        found = tuple(ids[place : place + 2]) == pair
        merged.append(new_id if found else ids[place])
        place += 2 if found else 1
    return tuple(merged)


def learn_merges_slowly(
    words: Mapping[bytes, int], pieces: Sequence[bytes], size: int
) -> tuple[list[Pair], list[bytes]]:
    """`learn_merges`, as one would explain it."""
    pieces, merges = list(pieces), list[Pair]()
    id_of = {piece: number for number, piece in enumerate(pieces)}
    split = {tuple(id_of[bytes([byte])] for byte in word): n for word, n in words.items()}
    while len(pieces) < size:
        counts = count_pairs(split)
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        joined = pieces[best[0]] + pieces[best[1]]
        if joined not in id_of:
            id_of[joined] = len(pieces)
            pieces.append(joined)
        merges.append(best)
        split = {merge_pair(word, best, id_of[joined]): n for word, n in split.items()}
    return merges, pieces


def learn_merges(
    words: Mapping[bytes, int], pieces: Sequence[bytes], size: int
) -> tuple[list[Pair], list[bytes]]:
    """Join the most frequent pair of neighbours, again and again.

    Of pairs that are equally frequent, the one of the lowest ids is joined. Two pairs may spell
    the same bytes, a + bc and ab + c; they share an id.

    Args:
        words: the chunks of the training text in UTF-8, and how often each occurs.
        pieces: the bytes of each id there is before the first merge; every single byte is among
            them.
        size: how many ids to stop at; fewer, if no pairs are left.

    Returns:
        The pairs in the order in which they were joined, and the bytes of all ids.
    """
    id_of = {piece: number for number, piece in enumerate(pieces)}
    byte_ids = [id_of[bytes([byte])] for byte in range(256)]
    split = [[byte_ids[byte] for byte in word] for word in words]
    return learn_merges_of(split, list(words.values()), pieces, size, operator.add)


def learn_merges_of(
    split: list[list[int]],
    often: Sequence[int],
    pieces: Sequence[Piece],
    size: int,
    join: Callable[[Piece, Piece], Piece],
) -> tuple[list[Pair], list[Piece]]:
    """`learn_merges` for pieces of any kind.

    Args:
        split: the ids of each word; they are merged in place.
        often: how often each word occurs.
        pieces: what each id stands for before the first merge.
        size: how many ids to stop at; fewer, if no pairs are left.
        join: the piece that two neighbours make.
    """
    pieces, merges = list(pieces), list[Pair]()
    id_of = {piece: number for number, piece in enumerate(pieces)}
    counts: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)  # in which words a pair occurs
    for number, word in enumerate(split):
        for pair in pairwise(word):
            counts[pair] += often[number]
            places[pair].add(number)
    queue = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(queue)
    while queue and len(pieces) < size:
        count, pair = heapq.heappop(queue)
        if -count != counts[pair]:  # an older count; the pair went back in when it grew
            if counts[pair] > 0:
                heapq.heappush(queue, (-counts[pair], pair))
            continue
        joined = join(pieces[pair[0]], pieces[pair[1]])
        if joined not in id_of:
            id_of[joined] = len(pieces)
            pieces.append(joined)
        merges.append(pair)
        changes = _merge_everywhere(pair, id_of[joined], split, often, places)
        for changed, difference in changes.items():
            counts[changed] += difference
            if difference > 0:
                heapq.heappush(queue, (-counts[changed], changed))
        del counts[pair]  # last, for in a run of one id it overlaps itself
    return merges, pieces


def _merge_everywhere(
    pair: Pair,
    new_id: int,
    split: list[list[int]],
    often: Sequence[int],
    places: defaultdict[Pair, set[int]],
) -> dict[Pair, int]:
    """Join one pair in all words, in place; by how much the counts of other pairs change."""
    changes: defaultdict[Pair, int] = defaultdict(int)
    left, right = pair
    for number in places.pop(pair):
        word, times = split[number], often[number]
        place, last = 0, len(word) - 1
        while place < last:
            if word[place] == left and word[place + 1] == right:
                word[place : place + 2] = [new_id]
                last -= 1
                if place > 0:
                    before = word[place - 1]
                    changes[before, left] -= times
                    changes[before, new_id] += times
                    places[before, new_id].add(number)
                if place < last:
                    after = word[place + 1]
                    changes[right, after] -= times
                    changes[new_id, after] += times
                    places[new_id, after].add(number)
            place += 1
    return changes


def apply_merges(ids: Sequence[int], merged: Mapping[Pair, tuple[int, int]]) -> list[int]:
    """Join pairs in the order in which they were learnt, the leftmost first.

    A queue of what can be joined keeps this quick for a chunk of any length.

    Args:
        ids: of the bytes of a chunk.
        merged: for each pair its rank, 0 for the first that was learnt, and its new id.
    """
    ids = list(ids)
    end = len(ids)
    before, after = list(range(-1, end - 1)), list(range(1, end + 1))
    queue: list[tuple[int, int, int, int]] = []

    def consider(place: int) -> None:
        if place >= 0 and after[place] < end:
            pair = (ids[place], ids[after[place]])
            if pair in merged:
                heapq.heappush(queue, (merged[pair][0], place, *pair))

    for place in range(end - 1):
        consider(place)
    while queue:
        _, place, left, right = heapq.heappop(queue)
        following = after[place]
        if ids[place] != left or following >= end or ids[following] != right:
            continue  # one of the two was joined with another neighbour
        ids[place], ids[following] = merged[left, right][1], -1
        after[place] = after[following]
        if after[place] < end:
            before[after[place]] = place
        consider(before[place])
        consider(place)
    return [number for number in ids if number >= 0]
