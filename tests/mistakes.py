"""Wrong solutions of the exercises, the mistakes that readers make, and what they must be told.

For each exercise at least three: a function, and a pattern that the answer must hold.
"""

import math
import unicodedata
from collections import Counter
from itertools import pairwise


def _bigrams(sentences, end=("</s>",), per="first"):
    pairs, firsts = {}, {}
    for sentence in sentences:
        marked = ["<s>", *sentence, *end]
        for first, second in pairwise(marked):
            pairs[first, second] = pairs.get((first, second), 0) + 1
            firsts[first] = firsts.get(first, 0) + 1
    total = sum(firsts.values())
    return {
        pair: count / (firsts[pair[0]] if per == "first" else total)
        for pair, count in pairs.items()
    }


def _pair_counts(words):
    counts = Counter()
    for pieces, count in words.items():
        for pair in pairwise(pieces):
            counts[pair] += count
    return counts


def _join(pieces, pair):
    place = 0
    while place < len(pieces) - 1:
        if tuple(pieces[place : place + 2]) == pair:
            pieces[place : place + 2] = ["".join(pair)]
        place += 1
    return pieces


def _encode_longest_first(word, merges):
    known = {"".join(pair) for pair in merges} | set(word)
    pieces = []
    while word:
        length = max(n for n in range(1, len(word) + 1) if word[:n] in known)
        pieces.append(word[:length])
        word = word[length:]
    return pieces


def _encode_once(word, merges):
    pieces = list(word)
    for left, right in merges:
        for place in range(len(pieces) - 1):
            if pieces[place : place + 2] == [left, right]:
                pieces[place : place + 2] = [left + right]
                break
    return pieces


def _encode_by_place(word, merges):
    pieces, place = list(word), 0
    while place < len(pieces) - 1:
        if (pieces[place], pieces[place + 1]) in merges:
            pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
            place = 0
        else:
            place += 1
    return pieces


def _kneser_ney(sentences, discount, first, second, lower="contexts", marks=True, floor=True):
    pairs = Counter()
    for sentence in sentences:
        marked = ["<s>", *sentence, "</s>"] if marks else sentence
        pairs.update(pairwise(marked))
    if lower == "contexts":
        below = sum(b == second for _, b in pairs) / len(pairs)
    else:
        below = sum(n for (_, b), n in pairs.items() if b == second) / sum(pairs.values())
    after = {b: n for (a, b), n in pairs.items() if a == first}
    total = sum(after.values())
    if not total:
        return 0.0 if lower == "none" else below
    own = after.get(second, 0) - discount
    return ((max(own, 0) if floor else own) + discount * len(after) * below) / total


WRONG = {
    "perplexity": [
        (lambda p: math.exp(sum(map(math.log, p)) / len(p)), "which of the two is yours"),
        (lambda p: 1 / (sum(p) / len(p)), "geometric mean"),
        (lambda p: math.prod(p) ** (-1 / len(p)) if 0 not in p else math.inf, "underflow"),
        (lambda p: math.exp(-sum(map(math.log, p)) / len(p)), "infinite surprise"),
        (lambda p: 1 / math.prod(p), "take a mean"),
    ],
    "bigram_probabilities": [
        (
            lambda s: {pair: 1.0 for x in s for pair in pairwise(x)},
            "begins after <s>",
        ),
        (lambda s: _bigrams(s, end=[]), "ends with </s>"),
        (lambda s: _bigrams([sum(s, [])]), "from the end of one sentence"),
        (lambda s: _bigrams(s, per="all"), "must sum to one"),
        (lambda s: _bigrams([x for x in s if x]), "empty sentence"),
    ],
    "bits_per_byte": [
        (
            lambda nats, d: nats / sum(len(x.encode()) + 1 for x in d),
            "Nats are not bits|That is 1|that is 1",
        ),
        (lambda nats, d: nats / math.log(2) / sum(len(x) + 1 for x in d), "not characters"),
        (lambda nats, d: nats / math.log(2) / (len("".join(d).encode()) + 1), "end of its own"),
    ],
    "same_text": [
        (lambda a, b: a == b, "normalise both before you compare"),
        (lambda a, b: a.casefold() == b.casefold(), "Capitals are part"),
        (
            lambda a, b: unicodedata.normalize("NFKC", a) == unicodedata.normalize("NFKC", b),
            "change the meaning",
        ),
        (
            lambda a, b: (
                unicodedata.normalize("NFD", a).encode("ascii", "ignore")
                == unicodedata.normalize("NFD", b).encode("ascii", "ignore")
            ),
            "must not be dropped",
        ),
    ],
    "unknown_share": [
        (
            lambda train, test, least: len(set(test) - set(train)) / len(set(test)),
            "as often as they occur there",
        ),
        (
            lambda train, test, least: sum(word not in train for word in test) / len(test),
            "fewer than min_count times is unknown",
        ),
        (
            lambda train, test, least: sum(train.count(w) <= least for w in test) / len(test),
            "never seen is unknown|min_count times is enough",
        ),
        (
            lambda train, test, least: sum(train.count(w) >= least for w in test) / len(test),
            "never seen is unknown|as often as they occur",
        ),
    ],
    "most_frequent_pair": [
        (
            lambda words: max(
                Counter(pair for w in words for pair in pairwise(w)).items(),
                key=lambda item: item[1],
            )[0],
            "as often as the word",
        ),
        (
            lambda words: (lambda c: max(c, key=c.get))(_pair_counts(words)),
            "the smallest tuple",
        ),
        (
            lambda words: (lambda c: min(c, key=lambda p: (-c[p], p)))(
                _pair_counts({tuple("".join(w)): n for w, n in words.items()})
            ),
            "pair pieces, not letters",
        ),
        (
            lambda words: (lambda c: min(c, key=lambda p: (-c[p], p)))(
                Counter({p: n for w, n in words.items() for p in set(pairwise(w))})
            ),
            "every place in a word",
        ),
    ],
    "encode_word": [
        (_encode_longest_first, "was learnt first is joined first|longest piece does not win"),
        (_encode_once, "not only once"),
        (_encode_by_place, "was learnt first is joined first"),
        (
            lambda word, merges: _join(list(word), merges[0]) if merges else list(word),
            "joined once more",
        ),
    ],
    "good_turing": [
        (lambda counts, r: r * counts.count(r + 1) / counts.count(r), "2 times 1/4"),
        (lambda counts, r: (r + 1) * counts.count(r) / counts.count(r + 1), "2 times 1/4"),
        (
            lambda counts, r: (
                (r + 1) * sum(c > r for c in counts) / sum(c >= r for c in counts)
            ),
            "2 times 1/4|exactly r times",
        ),
    ],
    "discounts": [
        (lambda n1, n2, n3, n4: n1 / (n1 + 2 * n2), "There are three"),
        (
            lambda n1, n2, n3, n4: (1 - 2 * n2 / n1, 2 - 3 * n3 / n2, 3 - 4 * n4 / n3),
            "There are three|share the factor",
        ),
        (
            lambda n1, n2, n3, n4: tuple([n1 / (n1 + 2 * n2)] * 3),
            "There are three",
        ),
        (
            lambda n1, n2, n3, n4: (
                lambda y: (
                    1 - 2 * y * n2 / n1,
                    2 - 3 * y * n3 / n2,
                    3 - 4 * y * n4 / n3 if n4 else 0.0,
                )
            )(n1 / (n1 + 2 * n2)),
            "n4 may be 0",
        ),
    ],
    "interpolate": [
        (
            lambda counts, lower, d: {
                w: counts.get(w, 0) / sum(counts.values()) for w in counts
            },
            "Take the discount from each",
        ),
        (
            lambda counts, lower, d: {
                w: max(counts.get(w, 0) - d, 0) / sum(counts.values())
                + d / sum(counts.values()) * lower[w]
                for w in lower
            },
            "must sum to one",
        ),
        (
            lambda counts, lower, d: {
                w: (counts.get(w, 0) - d) / sum(counts.values())
                + d * len(counts) / sum(counts.values()) * lower[w]
                for w in lower
            },
            "must sum to one",
        ),
        (
            lambda counts, lower, d: {
                w: (counts[w] - d) / sum(counts.values())
                if w in counts
                else d
                * len(counts)
                / sum(counts.values())
                * lower[w]
                / sum(p for v, p in lower.items() if v not in counts)
                for w in lower
            },
            "also for words that were seen",
        ),
    ],
    "continuation_counts": [
        (
            lambda s: Counter(w for x in s for w in [*x, "</s>"]),
            "not how often it occurs",
        ),
        (
            lambda s: Counter(b for _, b in {p for x in s for p in pairwise(x)}),
            "Before the first word stands <s>",
        ),
        (
            lambda s: Counter(
                a for a, _ in {p for x in s for p in pairwise(["<s>", *x, "</s>"])}
            ),
            "Before the first word stands <s>",
        ),
        (
            lambda s: Counter(
                b for a, b in {p for x in s for p in pairwise(["<s>", *x, "</s>"])} if a != b
            ),
            "may stand before itself",
        ),
    ],
    "kneser_ney": [
        (
            lambda s, d, a, b: _kneser_ney(s, d, a, b, lower="counts"),
            "continuation probability",
        ),
        (
            lambda s, d, a, b: _kneser_ney(s, d, a, b, marks=False),
            "with the weight of all that was taken",
        ),
        (lambda s, d, a, b: _kneser_ney(s, d, a, b, floor=False), "a count of 0, not -D"),
        (
            lambda s, d, a, b: _kneser_ney(s, d, a, b) if any(a in x for x in s) else 0.0,
            "begins after <s>",
        ),
        (
            lambda s, d, a, b: 0.0 if a == "z" else _kneser_ney(s, d, a, b),
            "only the continuation probability speaks",
        ),
    ],
}
