"""Wrong solutions of the exercises, the mistakes that readers make, and what they must be told.

For each exercise at least three: a function, and a pattern that the answer must hold.
"""

import math
import operator
import unicodedata
from collections import Counter
from itertools import pairwise

import numpy as np


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


def _sigmoid(z):
    return 1 / (1 + math.exp(-z))


def _softmax(z):
    powers = [math.exp(x) for x in z]
    return [power / sum(powers) for power in powers]


def _hidden_gradient(
    x, y, W1, b1, w2, b2, slope=lambda z, h: 1 - h**2, mean=True, turned=False
):
    x, W1, w2 = np.array(x), np.array(W1), np.array(w2)
    z = x @ W1 + b1
    h = np.tanh(z)
    error = h @ w2 + b2 - y
    gradient = x.T @ (error[:, None] * w2 * slope(z, h)) / (len(x) if mean else 1)
    return gradient.T if turned else gradient


def _adam(start, gradients, rate, correct=True, inside=False, squares=True):
    mean, square, path = 0.0, 0.0, []
    for step, g in enumerate(gradients, 1):
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * (g * g if squares else g)
        m = mean / (1 - 0.9**step) if correct else mean
        v = square / (1 - 0.999**step) if correct else square
        start -= rate * m / (math.sqrt(v + 1e-8) if inside else math.sqrt(v) + 1e-8)
        path.append(start)
    return path


def _norm(gradients):
    return math.sqrt(sum(x * x for g in gradients for x in g))


def _windows(words, window, keep):
    return [
        (words[i], words[j])
        for i in range(len(words))
        for j in range(len(words))
        if abs(i - j) <= window and keep(i, j, words)
    ]


def _dot(first, second):
    return sum(x * y for x, y in zip(first, second, strict=True))


def _sgns(centre, context, negatives, sign=-1, share=1.0, safe=True):
    def cost(score):
        if safe:
            return max(-score, 0) + math.log1p(math.exp(-abs(score)))
        return -math.log(1 / (1 + math.exp(-score)))

    noise = sum(cost(sign * _dot(centre, other)) for other in negatives)
    return cost(_dot(centre, context)) + noise * share


def _analogy(vectors, a, b, c, left_out=True, unit=True, cosine=True, signs=(-1, 1, 1)):
    def scaled(vector, wanted):
        return [x / math.hypot(*vector) for x in vector] if wanted else vector

    rows = [scaled(vectors[word], unit) for word in (a, b, c)]
    target = [_dot(signs, column) for column in zip(*rows, strict=True)]
    return max(
        (word for word in vectors if not (left_out and word in (a, b, c))),
        key=lambda word: _dot(target, scaled(vectors[word], cosine)),
    )


def _runs(word, shortest, longest, marks=True):
    text = f"<{word}>" if marks else word
    return [text[i : i + n] for n in range(shortest, longest + 1) for i in range(len(text))]


def _shares(pairs, a, b):
    total = len(pairs)
    return (
        pairs.count((a, b)) / total,
        sum(x == a for x, _ in pairs) / total,
        sum(y == b for _, y in pairs) / total,
    )


def _sigmoid(x):
    return 1 / (1 + math.exp(-x))


def _lstm(sums, cell, gate=_sigmoid, candidate=math.tanh, squash=math.tanh, add=True):
    keep, write, show = (gate(sums[name]) for name in ("forget", "input", "output"))
    new = write * candidate(sums["candidate"])
    cell = keep * cell + new if add else keep * cell + (1 - keep) * new
    return show * squash(cell), cell


def _gru(sums, past, hidden, swap=False, outside=False, reset=True, both=False):
    update, opened = _sigmoid(sums["update"]), _sigmoid(sums["reset"]) if reset else 1.0
    if outside:
        candidate = math.tanh(sums["candidate"]) + opened * past
    else:
        candidate = math.tanh(sums["candidate"] + opened * past)
    if swap:
        update = 1 - update
    return update * hidden + (1 if both else 1 - update) * candidate


def _rnn_states(inputs, h, w, u, b):
    states = []
    for x in inputs:
        h = math.tanh(w * x + u * h + b)
        states.append(h)
    return states


def _rnn_step(x, h, W, U, b, squash=math.tanh, columns=False, bias=True, back=True):
    W, U = (np.array(m).T if columns else np.array(m) for m in (W, U))
    z = W @ np.array(x) + (U @ np.array(h) if back else 0) + (np.array(b) if bias else 0)
    return [squash(float(value)) for value in z]


def _du(inputs, gs, w, u, b, carry=True, before=True, slope=True, own=True):
    states = [0.0, *_rnn_states(inputs, 0.0, w, u, b)]
    total = later = 0.0
    for t in reversed(range(len(inputs))):
        direct = gs[t] if own or t == len(inputs) - 1 else 0.0
        dz = (1 - states[t + 1] ** 2 if slope else 1) * (direct + later)
        total += dz * states[t if before else t + 1]
        later = u * dz if carry else 0.0
    return total


def _streams(tokens, count, length, shift=1, wrap=False):
    size = (len(tokens) - 1) // count
    batches = []
    for first in range(0, size - length + 1 if wrap else size, length):
        last = min(first + length, size)
        parts = [tokens[s * size + first : s * size + last + shift] for s in range(count)]
        inputs = [part[: last - first] for part in parts]
        batches.append((inputs, [part[shift:] for part in parts]))
    return batches


def _stacked_windows(tokens, count, length):
    starts = range(0, len(tokens) - length, length)
    rows = [(tokens[s : s + length], tokens[s + 1 : s + length + 1]) for s in starts]
    return [
        ([row[0] for row in rows[k : k + count]], [row[1] for row in rows[k : k + count]])
        for k in range(0, len(rows) - count + 1, count)
    ]


def _context(scores, states, weight, mean=True):
    weights = [weight(score) for score in scores]
    total = sum(weights) if mean else 1
    columns = zip(*states, strict=True)
    return [sum(map(operator.mul, weights, column)) / total for column in columns]


def _precision(hypothesis, reference, order, clip=True):
    pieces = [
        [tuple(words[k : k + order]) for k in range(len(words) - order + 1)]
        for words in (hypothesis, reference)
    ]
    found, wanted = map(Counter, pieces)
    hits = (found & wanted).total() if clip else sum(n for p, n in found.items() if p in wanted)
    return hits / found.total()


def _beam(beams, next_log_probs, width, total=True, apart=False, best=True):
    groups = [
        [((*words, word), more + log_prob * total) for word, more in continuations.items()]
        for (words, log_prob), continuations in zip(beams, next_log_probs, strict=True)
    ]
    if apart and len(groups) > 1:
        groups = [[max(group, key=lambda beam: beam[1])] for group in groups]
    sign = -1 if best else 1
    return sorted(sum(groups, []), key=lambda beam: sign * beam[1])[:width]


def _weights(scores):
    return _softmax([score - max(scores) for score in scores])


def _look(query, keys, values, root=None, weigh=_weights):
    root = math.sqrt(len(query)) if root is None else root(query, keys)
    weights = weigh([_dot(query, key) / root for key in keys])
    return [_dot(weights, numbers) for numbers in zip(*values, strict=False)]


def _rotary(query, key, m, n, angle, unit=1.0, back=1):
    def turn(point, angle):
        x, y = point
        return (
            x * math.cos(angle) - y * math.sin(angle),
            x * math.sin(angle) + y * math.cos(angle),
        )

    return _dot(turn(query, m * angle * unit), turn(key, back * n * angle * unit))


def _plus(one, other):
    return [a + b for a, b in zip(one, other, strict=True)]


def _gpt(vocab_size, context_length, size, num_layers):
    blocks = num_layers * (12 * size * size + 13 * size)
    return (vocab_size + context_length) * size + blocks + 2 * size


def _polynomial(value, powers):
    return sum(c * value**p for c, p in zip((3.4445, -4.7750, 2.0315), powers, strict=True))


def _repeat(value, steps, powers):
    for _ in range(steps):
        value = _polynomial(value, powers)
    return value


def _share(weights):
    return [weight / sum(weights) for weight in weights]


def _kept(probabilities, kept):
    return _share([p if token in kept else 0.0 for token, p in enumerate(probabilities)])


def _ranked(probabilities):
    return sorted(range(len(probabilities)), key=lambda token: -probabilities[token])


def _nucleus(probabilities, p, order=_ranked, last=True):
    kept, total = [], 0.0
    for token in order(probabilities):
        if not last and total + probabilities[token] > p:
            break
        kept.append(token)
        total += probabilities[token]
        if total >= p:
            break
    return _kept(probabilities, kept)


def _penalized(log_probs, previous, penalty, change=operator.mul, times=False, norm=True):
    scores = list(log_probs)
    for token in previous if times else set(previous):
        scores[token] = change(scores[token], penalty)
    powers = [math.exp(score) for score in scores]
    return _share(powers) if norm else powers


def _ngrams(texts, n, step=1):
    return [tuple(t[k : k + n]) for t in texts for k in range(0, len(t) - n + 1, step)]


def _stream(tokens, stop, forget=False, show=False, rest=True):
    shown, held = [], []
    for token in tokens:
        held.append(token)
        if held == stop:
            return [*shown, held if show else []]
        if held == stop[: len(held)]:
            shown.append([])
        else:
            shown.append([token] if forget else held)
            held = []
    return [*shown, held if rest else []]


def _nucleus_of_values(probabilities, p):
    """Ties at the limit are all kept."""
    kept = [k for k, x in enumerate(_nucleus(probabilities, p)) if x]
    limit = min(probabilities[k] for k in kept) if p < 1 else 0
    return _share([x if x >= limit else 0.0 for x in probabilities])


def _stream_newest(tokens, stop):
    """Only the newest token is tried as another beginning."""
    shown, held = [], []
    for token in tokens:
        if token == stop[len(held)]:
            held.append(token)
            if held == stop:
                return [*shown, []]
            shown.append([])
        elif token == stop[0]:
            shown.append(held)
            held = [token]
        else:
            shown.append([*held, token])
            held = []
    return [*shown, held]


def _stream_at_once(tokens, stop):
    shown = []
    for place, token in enumerate(tokens):
        if tokens[place + 1 - len(stop) : place + 1] == stop:
            return [*shown, []]
        shown.append([token])
    return [*shown, []]


def _hidden(tokens, chosen, draws, others, label="true", low=0.8, high=0.9, strict=False):
    read = [
        token
        if not asked or draw >= high
        else "[MASK]"
        if (draw < low or (strict and draw == low))
        else other
        for token, asked, draw, other in zip(tokens, chosen, draws, others, strict=True)
    ]
    labels = {
        "true": [token if asked else None for token, asked in zip(tokens, chosen, strict=True)],
        "all": tokens,
        "changed": [a if a != b else None for a, b in zip(tokens, read, strict=True)],
        "read": [b if asked else None for b, asked in zip(read, chosen, strict=True)],
    }
    return read, labels[label]


def _words(pieces, skip=("[CLS]", "[SEP]"), shift=False):
    words = []
    for place, piece in enumerate(piece for piece in pieces if not shift or piece not in skip):
        if piece in skip:
            continue
        if piece.startswith("##") and words:
            words[-1].append(place)
        else:
            words.append([place])
    return words


def _masked_mean(rows, labels, count):
    nats = [-row[label] for row, label in zip(rows, labels, strict=True) if label >= 0]
    return sum(nats) / (len(nats) if count == "asked" else len(rows) if count == "all" else 1)


def _chain(joint, text):
    total = 0.0
    for end in range(1, len(text) + 1):
        begins = [sum(p for t, p in joint.items() if t[:k] == text[:k]) for k in (end, end - 1)]
        total += math.log(begins[0] / begins[1])
    return total


def _single(joint, text):
    at = [sum(p for t, p in joint.items() if t[k] == text[k]) for k in range(len(text))]
    return sum(map(math.log, at))


def _pseudo(joint, text, log=math.log, reduce=sum):
    def others(t, place):
        return t[:place] + t[place + 1 :]

    shares = [
        joint[text] / sum(p for t, p in joint.items() if others(t, k) == others(text, k))
        for k in range(len(text))
    ]
    return reduce([log(share) for share in shares])


def _scaled(vector):
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector]


def _mean(vectors, count=None):
    return [sum(column) / (count or len(vectors)) for column in zip(*vectors, strict=True)]


def _there(vectors, mask):
    return [vector for vector, is_token in zip(vectors, mask, strict=True) if is_token]


def _spans(tokens, spans, end=True, each_token=False, one_mark=False, tail=True):
    read, said, place = [], [], 0
    for number, (start, stop) in enumerate(spans):
        mark = "<0>" if one_mark else f"<{number}>"
        read += [*tokens[place:start], *[mark] * (stop - start if each_token else 1)]
        said += [mark, *tokens[start:stop]]
        place = stop
    return read + (tokens[place:] if tail else []), said + ([f"<{len(spans)}>"] if end else [])


def _soft(student, teacher, temperature, power=2, heat=(1, 1), swap=False, shift=True):
    def log_softmax(logits, t):
        top = max(logits) / t if shift else 0.0
        total = top + math.log(sum(math.exp(x / t - top) for x in logits))
        return [x / t - total for x in logits]

    said = log_softmax(student, temperature if heat[0] else 1.0)
    wanted = log_softmax(teacher, temperature if heat[1] else 1.0)
    first, second = (said, wanted) if swap else (wanted, said)
    return temperature**power * sum(
        math.exp(p) * (p - q) for p, q in zip(first, second, strict=True)
    )


def _chat(messages, end="<|im_end|>\n", last="<|im_start|>assistant\n"):
    return "".join(f"<|im_start|>{role}\n{said}{end}" for role, said in messages) + last


def _rehearsed(new, old, every, cycle=True, first=False, rest=False):
    mixed = []
    for number in range(0, len(new), every):
        some, turn = new[number : number + every], number // every
        whole = rest or len(some) == every
        review = [old[turn % len(old)]] if whole and (cycle or turn < len(old)) else []
        mixed += [*review, *some] if first else [*some, *review]
    return mixed


def _mcnemar(first, second, labels, sides=2, ties=False, least=1.0):
    rows = list(zip(first, second, labels, strict=True))
    one = sum(a == y and b != y for a, b, y in rows)
    other = sum(b == y and a != y for a, b, y in rows)
    n = len(rows) if ties else one + other
    tail = sum(math.comb(n, k) for k in range(min(one, other) + 1))
    return min(least, sides * tail / 2**n)


def _stop(losses, patience, against="best", equal=False, reset=True, rest=False):
    kept, waited, last = 1, 0, losses[0]
    for look, loss in enumerate(losses[1:], 2):
        rival = losses[kept - 1] if against == "best" else last
        if loss < rival or (equal and loss == rival):
            kept, waited = look, 0 if reset else waited
        else:
            waited += 1
        last = loss
        if waited >= patience and not rest:
            return look, kept
    return len(losses), kept


def _calibration(
    confidences, right, num_bins, signed=False, weighted=True, each=False, up=False
):
    bins = {}
    for sure, hit in zip(confidences, right, strict=True):
        place = math.floor(sure * num_bins) if up else math.ceil(sure * num_bins)
        bins.setdefault(place, []).append(sure - hit)
    if each:
        return sum(abs(gap) for gaps in bins.values() for gap in gaps) / len(right)
    if not weighted:
        return sum(abs(sum(gaps)) / len(gaps) for gaps in bins.values()) / len(bins)
    total = sum(sum(gaps) if signed else abs(sum(gaps)) for gaps in bins.values())
    return abs(total) / len(right)


WRONG = {
    "temperature": [
        (lambda v, t: _softmax([x * t for x in v]), "below 1 makes the likely tokens likelier"),
        (lambda v, t: [math.exp(x / t) for x in v], "a sum of one|divided by"),
        (lambda v, t: _softmax([x / t for x in v]), "subtract the largest"),
        (lambda v, t: _share([math.exp(x) / t for x in v]), "divided by the temperature"),
        (lambda v, t: v, "nothing changes"),
    ],
    "top_k": [
        (lambda p, k: _share([x if x >= sorted(p)[-k] else 0 for x in p]), "Exactly k"),
        (lambda p, k: _share(sorted(p)[::-1][:k]), "stay where they are"),
        (lambda p, k: [x if t in _ranked(p)[:k] else 0 for t, x in enumerate(p)], "sum of one"),
        (lambda p, k: _kept(p, range(k)), "in no order"),
        (
            lambda p, k: _kept(p, sorted(range(len(p)), key=lambda t: (p[t], t))[-k:]),
            "with the lowest ids",
        ),
        (lambda p, k: _kept(p, [_ranked(p)[rank] for rank in range(k)]), "larger than"),
    ],
    "top_p": [
        (lambda q, p: _nucleus(q, p, last=False), "is kept as well"),
        (lambda q, p: _nucleus(q, p, order=lambda q: range(len(q))), "wherever it stands"),
        (lambda q, p: _share([x if x >= p else 0.0 for x in q]), "raised|nothing changes"),
        (
            lambda q, p: [x * (y > 0) for x, y in zip(q, _nucleus(q, p), strict=True)],
            "what is kept has at least p|wherever it stands",
        ),
        (_nucleus_of_values, "Count tokens, not values"),
    ],
    "min_p": [
        (lambda q, p: _share([x if x >= p else 0.0 for x in q]), "not p itself"),
        (lambda q, p: _share([x if x > p * max(q) else 0.0 for x in q]), "exactly at it"),
        (lambda q, p: [x if x >= p * max(q) else 0.0 for x in q], "not p itself|sum of one"),
        (lambda q, p: _share([x if x >= p * q[0] else 0.0 for x in q]), "wherever it stands"),
    ],
    "repetition_penalty": [
        (lambda *a: _penalized(*a, change=operator.truediv), "is multiplied by"),
        (lambda *a: _penalized(*a, change=operator.sub), "is multiplied by"),
        (lambda *a: _penalized(*a, times=True), "punished once"),
        (lambda *a: _penalized(*a, norm=False), "a sum of one"),
        (lambda q, previous, p: _penalized(q, previous[-1:], p), "not only the last"),
    ],
    "distinct_ngrams": [
        (lambda t, n: len(set(_ngrams(t, n))), "Two different words"),
        (lambda t, n: len(set(_ngrams(t, n, n))) / len(_ngrams(t, n, n)), "they overlap"),
        (
            lambda t, n: sum(len(set(_ngrams([x], n))) for x in t) / len(_ngrams(t, n)),
            "counted together",
        ),
        (
            lambda t, n: len(set(_ngrams([sum(t, [])], n))) / len(_ngrams([sum(t, [])], n)),
            "counted together|reaches from one text",
        ),
        (lambda t, n: len(set(_ngrams(t, n))) / sum(map(len, t)), "four words have three"),
        (
            lambda t, n: len(set(map("".join, _ngrams(t, n)))) / len(_ngrams(t, n)),
            "only if all their words are",
        ),
    ],
    "stream_until": [
        (_stream_at_once, "held back until"),
        (_stream, "inside it"),
        (_stream_newest, "all that is held"),
        (lambda *a: _stream(*a, forget=True), "in vain"),
        (lambda *a: _stream(*a, show=True), "is not shown"),
        (lambda *a: _stream(*a)[:-1], "one more list"),
        (lambda t, s: [*[[x] for x in t], []], "ends the stream"),
    ],
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
    "neuron": [
        (
            lambda x, w, b: _sigmoid(sum(a * c for a, c in zip(x, w, strict=True))),
            "the bias decides|3 - 2",
        ),
        (lambda x, w, b: b + sum(a * c for a, c in zip(x, w, strict=True)), "gives 1/2"),
        (
            lambda x, w, b: float(b + sum(a * c for a, c in zip(x, w, strict=True)) > 0),
            "gives 1/2",
        ),
        (
            lambda x, w, b: _sigmoid(b + sum(a * c for a, c in zip(x, w, strict=True))),
            "800 overflows",
        ),
        (
            lambda x, w, b: sum(_sigmoid(a * c + b) for a, c in zip(x, w, strict=True)),
            "gives 1/2",
        ),
    ],
    "cross_entropy": [
        (lambda z, t: math.log(_softmax(z)[t]), "every class has 1/4|with a minus"),
        (lambda z, t: -math.log2(_softmax(z)[t]), "every class has 1/4|natural logarithm"),
        (lambda z, t: -math.log(_softmax(_softmax(z))[t]), "with a minus"),
        (lambda z, t: -math.log(_softmax(z)[t]), "subtract the largest"),
        (
            lambda z, t: -math.log(_softmax([x - max(z) for x in z])[t] + 1e-12),
            "its logarithm is not|natural logarithm",
        ),
        (lambda z, t: -math.log(_softmax([x - max(z) for x in z])[t]), "its logarithm is not"),
    ],
    "hidden_gradient": [
        (
            lambda *a: _hidden_gradient(*a, slope=lambda z, h: 1 - np.tanh(h) ** 2),
            "1 - h²",
        ),
        (lambda *a: _hidden_gradient(*a, slope=lambda z, h: 1), "1 - h²"),
        (lambda *a: _hidden_gradient(*a, mean=False), "a mean over the examples"),
        (lambda *a: _hidden_gradient(*a, turned=True), "shape of W1"),
    ],
    "adam": [
        (lambda *a: _adam(*a, correct=False), "The first step is as long"),
        (lambda *a: _adam(*a, inside=True), "The first step is as long|outside the root"),
        (
            lambda start, gradients, rate: [
                start - rate * sum(gradients[: i + 1]) for i in range(len(gradients))
            ],
            "The first step is as long",
        ),
        (lambda *a: _adam(*a, squares=False), "The first step is as long"),
    ],
    "clip_by_norm": [
        (
            lambda gs, n: [[x * min(1, n / _norm([g])) for x in g] for g in gs],
            "points where",
        ),
        (lambda gs, n: [[max(-n, min(n, x)) for x in g] for g in gs], "points where"),
        (lambda gs, n: [[x * n / _norm(gs) for x in g] for g in gs], "stays as it is"),
        (lambda gs, n: [[x * min(1, n / _norm(gs)) for x in g] for g in gs], "nothing to clip"),
        (lambda gs, n: [[x / _norm(gs) for x in g] for g in gs], "stays as it is"),
    ],
    "dropout": [
        (
            lambda h, p, u, training: (
                [x * (d >= p) for x, d in zip(h, u, strict=True)] if training else list(h)
            ),
            "divided by the probability of staying",
        ),
        (
            lambda h, p, u, training: [
                x * (d >= p) / (1 - p) for x, d in zip(h, u, strict=True)
            ],
            "nothing is dropped and nothing is scaled",
        ),
        (
            lambda h, p, u, training: (
                [x * (d < p) / p for x, d in zip(h, u, strict=True)] if training else list(h)
            ),
            "nothing is dropped",
        ),
        (
            lambda h, p, u, training: (
                [x * (d >= p) for x, d in zip(h, u, strict=True)]
                if training
                else [x * (1 - p) for x in h]
            ),
            "divided by the probability of staying",
        ),
    ],
    "bag_of_words": [
        (lambda v, words: [int(w in words) for w in v], "how often"),
        (lambda v, words: [v.index(w) for w in words], "one number for each word"),
        (lambda v, words: [words.count(w) for w in words], "one number for each word"),
        (
            lambda v, words: [words.count(w) for w in dict.fromkeys([*v, *words])],
            "outside the vocabulary has no place",
        ),
    ],
    "cosine": [
        (lambda a, b: _dot(a, b), "Divide the product"),
        (
            lambda a, b: _dot(a, b) / max(1e-9, sum(x * x for x in a)),
            "Divide the product by both",
        ),
        (
            lambda a, b: abs(_dot(a, b)) / (math.hypot(*a) * math.hypot(*b)),
            "can be negative",
        ),
        (
            lambda a, b: _dot(a, b) / (math.hypot(*a) * math.hypot(*b)),
            "no direction",
        ),
    ],
    "skip_gram_pairs": [
        (lambda w, k: _windows(w, k, lambda i, j, _: i < j), "Each word is the centre once"),
        (lambda w, k: _windows(w, 1, lambda i, j, _: i != j), "takes in all words"),
        (lambda w, k: _windows(w, k, lambda i, j, x: x[i] != x[j]), "Leave out the centre"),
        (lambda w, k: _windows(w, k, lambda i, j, _: True), "Each word is the centre once"),
    ],
    "negative_sampling_loss": [
        (lambda u, v, n: -_sgns(u, v, n), "costs log 2"),
        (lambda u, v, n: _sgns(u, v, n, sign=1), "mind the minus"),
        (lambda u, v, n: _sgns(u, v, n, share=1 / max(1, len(n))), "All are added up"),
        (lambda u, v, n: _sgns(u, v, n, safe=False), "must not overflow"),
    ],
    "analogy": [
        (lambda v, a, b, c: _analogy(v, a, b, c, left_out=False), "must not be the answer"),
        (lambda v, a, b, c: _analogy(v, a, b, c, unit=False), "Make unit vectors first"),
        (lambda v, a, b, c: _analogy(v, a, b, c, cosine=False), "Make unit vectors first"),
        (
            lambda v, a, b, c: _analogy(v, a, b, c, signs=(1, -1, 1)),
            "The target is b - a",
        ),
    ],
    "subword_ngrams": [
        (lambda w, n, m: [r for r in _runs(w, n, m, marks=False) if len(r) >= n], "marks <"),
        (lambda w, n, m: [r for r in _runs(w, n, n) if len(r) == n], "All lengths"),
        (lambda w, n, m: [r for r in _runs(w, n, m) if len(r) >= n], "All lengths"),
        (_runs, "The marks < and > belong"),
    ],
    "pointwise_mutual_information": [
        (lambda p, a, b: math.log(_shares(p, a, b)[0]), "product of the shares"),
        (
            lambda p, a, b: max(
                0.0, math.log(_shares(p, a, b)[0] / math.prod(_shares(p, a, b)[1:]))
            ),
            "can be negative|It is negative",
        ),
        (
            lambda p, a, b: math.log(_shares(p, a, b)[0] / math.prod(_shares(p, a, b)[1:])),
            "minus infinity",
        ),
        (
            lambda p, a, b: math.log2(_shares(p, a, b)[0] / math.prod(_shares(p, a, b)[1:])),
            "Compare the share",
        ),
    ],
    "teacher_forcing": [
        (lambda t, b, e: (t, t), "begin mark"),
        (lambda t, b, e: ([b, *t, e], [b, *t, e]), "of the same length|begin mark"),
        (lambda t, b, e: ([*t, e], [b, *t]), "begin mark"),
        (lambda t, b, e: ([0, *t], [*t, 1]), "whatever their ids"),
    ],
    "context_vector": [
        (lambda s, h: _context(s, h, lambda x: x), "one quarter and three|softmax"),
        (lambda s, h: _context(s, h, math.exp), "too large"),
        (lambda s, h: _context(s, h, lambda x: math.exp(x - max(s)), mean=False), "sum to one"),
        (lambda s, h: h[s.index(max(s))], "equal weights"),
    ],
    "clipped_precision": [
        (lambda h, r, n: sum(w in r for w in h) / len(h), "only one of the three"),
        (lambda h, r, n: _precision(h, r, 1), "side by side"),
        (lambda h, r, n: _precision(r, h, n), "one of the three|of the hypothesis"),
        (lambda h, r, n: _precision(h, r, n, clip=False), "only one of the three"),
    ],
    "brevity_penalty": [
        (lambda c, r: math.exp(1 - r / c), "not rewarded"),
        (lambda c, r: min(1.0, c / r), "exp"),
        (lambda c, r: min(1.0, math.exp(1 - c / r)), "not rewarded|exp"),
    ],
    "beam_step": [
        (lambda b, p, w: _beam(b, p, w, total=False), "sum of all its steps"),
        (lambda b, p, w: _beam(b, p, w, apart=True), "both places"),
        (lambda b, p, w: _beam(b, p, w, best=False), "likeliest first"),
        (lambda b, p, w: _beam(b, p, 1), "keep two"),
    ],
    "lstm_step": [
        (lambda g, c: _lstm(g, c)[::-1], "hidden state, then the cell"),
        (lambda g, c: _lstm(g, c, squash=lambda x: x), "through tanh on its way out"),
        (lambda g, c: _lstm(g, c, candidate=lambda x: x), "which goes through tanh"),
        (lambda g, c: _lstm(g, c, gate=math.tanh), "through the sigmoid"),
        (lambda g, c: _lstm(g, c, add=False), "added to what is kept"),
    ],
    "gru_step": [
        (lambda g, p, h: _gru(g, p, h, swap=True), "stays as it is"),
        (lambda g, p, h: _gru(g, p, h, outside=True), "added inside the tanh|does not reach"),
        (lambda g, p, h: _gru(g, p, h, reset=False), "does not reach the candidate"),
        (lambda g, p, h: _gru(g, p, h, both=True), "stays as it is|sum to one"),
    ],
    "half_life": [
        (lambda f: math.log(f) / math.log(0.5), "to the power of n"),
        (lambda f: 0.5 / f, "to the power of n"),
        (lambda f: math.ceil(math.log(0.5) / math.log(f)), "need not be a whole|power of n"),
    ],
    "forget_bias": [
        (lambda n: 0.5 ** (1 / n), "sigmoid of 0"),
        (lambda n: 0.0, "power of 2"),
        (lambda n: math.log(0.5**n / (1 - 0.5**n)), "power of 2"),
        (lambda n: -math.log(n), "power of 2"),
    ],
    "paired_bootstrap": [
        (
            lambda a, b, d: (
                sum(sum(b[k] for k in x) < sum(a[k] for k in x) for x in d) / len(d)
            ),
            "wins every draw",
        ),
        (
            lambda a, b, d: (
                sum(sum(a[k] for k in x) <= sum(b[k] for k in x) for x in d) / len(d)
            ),
            "is not won",
        ),
        (lambda a, b, d: sum(sum(a) < sum(b) for _ in d) / len(d), "some of them twice"),
        (
            lambda a, b, d: sum(a[k] < b[k] for x in d for k in x) / sum(map(len, d)),
            "compare the sums",
        ),
    ],
    "rnn_step": [
        (lambda *a: _rnn_step(*a, squash=lambda z: z), "it is tanh"),
        (lambda *a: _rnn_step(*a, squash=_sigmoid), "it is tanh"),
        (lambda *a: _rnn_step(*a, back=False), "enters through U"),
        (lambda *a: _rnn_step(*a, bias=False), "The bias"),
        (lambda *a: _rnn_step(*a, columns=True), "own row"),
    ],
    "read_sequence": [
        (lambda *a: _rnn_states(*a)[-1], "in a list"),
        (lambda i, h, *a: _rnn_states(i, 0.0, *a), "begins with the state"),
        (lambda i, h, *a: [_rnn_states([x], h, *a)[0] for x in i], "state before the next"),
        (lambda i, h, *a: [h, *_rnn_states(i, h, *a)], "in a list"),
    ],
    "gradient_through_time": [
        (lambda i, h, w, u, b: u ** len(i), "slope of tanh"),
        (
            lambda i, h, w, u, b: math.prod(1 - s**2 for s in _rnn_states(i, h, w, u, b)),
            "is u",
        ),
        (
            lambda i, h, w, u, b: math.prod(u * (1 - s) for s in _rnn_states(i, h, w, u, b)),
            "the square of the state",
        ),
        (
            lambda i, h, w, u, b: sum(u * (1 - s**2) for s in _rnn_states(i, h, w, u, b)),
            "The steps multiply",
        ),
        (
            lambda i, h, w, u, b: math.prod(
                u * (1 - s**2) for s in [h, *_rnn_states(i, h, w, u, b)[:-1]]
            ),
            "after the step",
        ),
    ],
    "recurrent_weight_gradient": [
        (lambda *a: _du(*a, before=False), "the state before is 0"),
        (lambda *a: _du(*a, slope=False), "multiplied by"),
        (lambda *a: _du(*a, carry=False), "through the earlier states"),
        (lambda *a: _du(*a, own=False), "a g of its own"),
    ],
    "streams": [
        (lambda *a: _streams(*a, shift=0), "the tokens that follow"),
        (_stacked_windows, "goes on where"),
        (
            lambda t, n, k: [
                ([b[r::n] for r in range(n)], [b[r + 1 :: n] for r in range(n)])
                for b in [t[s : s + n * k] for s in range(0, len(t) - 1, n * k)]
            ],
            "the tokens that follow|goes on where",
        ),
        (lambda *a: _streams(*a, wrap=True), "may be shorter"),
    ],
    "look_up": [
        (lambda *a: _look(*a, root=lambda q, k: 1.0), "divided by the square root"),
        (lambda *a: _look(*a, root=lambda q, k: len(q)), "divided by the square root"),
        (
            lambda *a: _look(*a, root=lambda q, k: math.sqrt(len(k))),
            "not of the number of keys",
        ),
        (lambda *a: _look(*a, weigh=_softmax), "subtract the largest"),
        (
            lambda *a: _look(*a, weigh=lambda s: [x / sum(s) if any(s) else 0.5 for x in s]),
            "The softmax of the scores",
        ),
        (lambda q, k, v: _look(q, k, k), "its value comes back"),
    ],
    "causal_mask": [
        (lambda t, s: [[k < q for k in range(s)] for q in range(t)], "own position"),
        (lambda t, s: [[k >= q for k in range(s)] for q in range(t)], "False after them"),
        (lambda t, s: [[k <= q for k in range(s)] for q in range(t)], "the last query stands"),
        (lambda t, s: [[True] * s for _ in range(t)], "False after them"),
    ],
    "masked_weights": [
        (
            lambda s, a: _weights([x if may else 0.0 for x, may in zip(s, a, strict=False)]),
            "not the same as no key",
        ),
        (
            lambda s, a: [w if may else 0.0 for w, may in zip(_weights(s), a, strict=False)],
            "others sum to one",
        ),
        (
            lambda s, a: _weights(
                [x if may else -math.inf for x, may in zip(s, a, strict=False)]
            ),
            "gets zeros",
        ),
        (
            lambda s, a: _weights([x for x, may in zip(s, a, strict=False) if may]),
            "weight of exactly 0",
        ),
    ],
    "split_heads": [
        (lambda v, h: [[row[k::h] for row in v] for k in range(h)], "side by side"),
        (
            lambda v, h: [
                [row[k : k + len(row) // h] for k in range(0, len(row), len(row) // h)]
                for row in v
            ],
            "a list of one list|the first index is the head",
        ),
        (
            lambda v, h: [v[k * len(v) // h : (k + 1) * len(v) // h] for k in range(h)],
            "a part of every vector",
        ),
        (
            lambda v, h: np.reshape(v, (h, len(v), -1)).tolist(),
            "the first index is the head",
        ),
    ],
    "rotary_score": [
        (lambda *a: _rotary(*a, back=-1), "both are turned alike"),
        (lambda *a: _rotary(*a, unit=math.pi / 180), "in radians"),
        (lambda q, k, m, n, a: _rotary(q, k, m, 0, a), "both are turned alike"),
        (lambda q, k, m, n, a: _rotary(q, k, n, m, a), "in the same sense"),
        (lambda q, k, m, n, a: _dot(q, k) * math.cos((m - n) * a), "x cos - y sin"),
    ],
    "multi_head_parameters": [
        (lambda e, h, g: 4 * e * e, "each with a bias"),
        (lambda e, h, g: 4 * e * (e + 1), "only these two projections"),
        (lambda e, h, g: 3 * e * (e + 1), "Four projections"),
        (lambda e, h, g: (2 * h + 2 * g) * e * (e + 1), "The heads share the vector"),
        (lambda e, h, g: (h + 2 * g) * (e // h) * (e + 1), "Four projections"),
    ],
    "score_bytes": [
        (lambda b, h, t, n: b * h * t * n, "Each of the T positions"),
        (lambda b, h, t, n: b * t * t * n, "Each head"),
        (lambda b, h, t, n: b * h * t * t * 4, "of two bytes"),
        (lambda b, h, t, n: b * h * t * (t + 1) // 2 * n, "Each of the T positions"),
    ],
    "shift": [
        (lambda ids, b, e: (ids, [*ids[1:], e]), "reads the begin mark"),
        (lambda ids, b, e: ([b, *ids, e], [*ids, e]), "reads the begin mark"),
        (lambda ids, b, e: ([b, *ids], [b, *ids]), "should predict the end mark"),
        (lambda ids, b, e: ([b, *ids], [*ids[::-1], e]), "comes after the input"),
        (lambda ids, b, e: ([b, *ids][: len(ids)], ids), "reads the begin mark"),
    ],
    "pre_norm_block": [
        (lambda x, n, a, m, f: f(m(a(n(x)))), "gives back what it got"),
        (
            lambda x, n, a, m, f: m(_plus(y := n(_plus(x, a(x))), f(y))),
            "gives back what it got",
        ),
        (
            lambda x, n, a, m, f: _plus(y := _plus(x, a(x)), f(y)),
            "Attention reads what its norm makes",
        ),
        (lambda x, n, a, m, f: _plus(_plus(x, a(n(x))), f(m(x))), "the sum of before"),
        (
            lambda x, n, a, m, f: _plus(y := _plus(x, a(n(x))), f(n(y))),
            "a norm of its own",
        ),
        (lambda x, n, a, m, f: _plus(n(x), a(n(x))), "gives back what it got"),
    ],
    "gpt_parameters": [
        (lambda v, c, e, n: _gpt(v, c, e, n) + v * e, "need none of their own"),
        (lambda v, c, e, n: _gpt(v, c, e, n) - c * e, "one for each place"),
        (lambda v, c, e, n: _gpt(v, c, e, n) - 2 * e, "the last norm"),
        (lambda v, c, e, n: _gpt(v, c, e, n) - n * 9 * e, "have biases"),
        (lambda v, c, e, n: _gpt(v, c, e, n) - n * 2 * e, "two norms"),
        (lambda v, c, e, n: _gpt(v, c, e, n) + (n - 1) * (n > 0) * 2 * e, "there once"),
    ],
    "smaller_start": [
        (lambda std, n: std / math.sqrt(n), "each block adds twice"),
        (lambda std, n: std / (2 * n), "each block adds twice"),
        (lambda std, n: std / n, "Variances"),
        (lambda std, n: std * math.sqrt(2 * n), "each block adds twice"),
    ],
    "training_days": [
        (lambda p, t, f: 6 * p * t / f, "86,400 seconds"),
        (lambda p, t, f: 2 * p * t / f / 86_400, "four on the way back"),
        (lambda p, t, f: 6 * p * t / f // 86_400, "need not be whole"),
        (lambda p, t, f: 6 * p * t * f / 86_400, "Six operations"),
    ],
    "cache_bytes": [
        (lambda n, g, d, t, b, s: n * g * d * t * b * s, "two numbers"),
        (lambda n, g, d, t, b, s: 2 * g * d * t * b * s, "Each layer"),
        (lambda n, g, d, t, b, s: 2 * n * d * t * b * s, "each of its heads"),
        (lambda n, g, d, t, b, s: 2 * n * g * d * t * s, "Each text of the batch"),
        (lambda n, g, d, t, b, s: 2 * n * g * d * t * t * b * s, "for each token"),
    ],
    "newton_schulz": [
        (lambda s, n: _polynomial(s, (1, 3, 5)), "Without a step"),
        (lambda s, n: _polynomial(s, (1, 3, 5)) if n else s, "Each step takes"),
        (lambda s, n: _repeat(s, n, (1, 2, 3)), "odd powers"),
        (lambda s, n: _repeat(s, n, (0, 2, 4)), "odd powers"),
        (lambda s, n: s if not n else 3.4445 * s + 4.7750 * s**3 + 2.0315 * s**5, "odd powers"),
    ],
    "mask_some": [
        (lambda t, c, d, o: _hidden(t, c, d, o, "all"), "has no label"),
        (lambda t, c, d, o: _hidden(t, c, d, o, "changed"), "Every chosen token has a label"),
        (lambda t, c, d, o: _hidden(t, c, d, o, "read"), "what stood there at first"),
        (lambda t, c, d, o: _hidden(t, [True] * len(t), d, o), "not chosen stays"),
        (lambda t, c, d, o: _hidden(t, c, d, o, low=1.0), "from 0.8 to 0.9"),
        (lambda t, c, d, o: _hidden(t, c, d, o, high=1.0), "all others leave it"),
        (lambda t, c, d, o: _hidden(t, c, d, o, strict=True), "exactly 0.8"),
    ],
    "words_of": [
        (lambda pieces: _words(pieces, skip=()), "are no words"),
        (lambda pieces: [[k] for k in range(len(pieces))], "goes on with the word"),
        (lambda pieces: [p for p in pieces if p[:2] != "##"], "lists of one place"),
        (lambda pieces: _words(pieces, shift=True), "are no words"),
        (lambda pieces: _words(pieces, skip=("[CLS]",)), "are no words"),
    ],
    "masked_loss": [
        (lambda rows, labels: _masked_mean(rows, labels, "all"), "neither above"),
        (lambda rows, labels: _masked_mean(rows, labels, "none"), "It is a mean"),
        (lambda rows, labels: -_masked_mean(rows, labels, "asked"), "-ln P"),
        (
            lambda rows, labels: -sum(map(max, rows)) / len(rows),
            "With one label",
        ),
        (
            lambda rows, labels: (
                -sum(r[max(k, 0)] for r, k in zip(rows, labels, strict=True)) / len(rows)
            ),
            "nothing is asked",
        ),
    ],
    "next_sentence_loss": [
        (
            lambda p, y: -sum(b * math.log(a) for a, b in zip(p, y, strict=True)) / len(p),
            "Its loss is not 0",
        ),
        (lambda p, y: -sum(map(math.log, p)) / len(p), "gave that 0.75"),
        (
            lambda p, y: -sum(math.log(a if b else 1 - a) for a, b in zip(p, y, strict=True)),
            "It is a mean",
        ),
        (
            lambda p, y: -sum(math.log(1 - a if b else a) for a, b in zip(p, y, strict=True)),
            "the model gave it 0.25",
        ),
        (
            lambda p, y: (
                -sum(math.log2(a if b else 1 - a) for a, b in zip(p, y, strict=True)) / len(p)
            ),
            "the model gave it 0.25",
        ),
    ],
    "pseudo_log_likelihood": [
        (lambda joint, text: math.log(joint[text]), "for certain"),
        (_chain, "for certain"),
        (_single, "for certain"),
        (lambda joint, text: _pseudo(joint, text, math.log2), "it is ln P"),
        (lambda joint, text: _pseudo(joint, text, float, math.prod), "it is ln P"),
        (lambda joint, text: _pseudo(joint, text) / len(text), "Both sides count"),
        (lambda joint, text: -_pseudo(joint, text), "it is ln P"),
    ],
    "sentence_vector": [
        (lambda v, m: _scaled(_mean(v)), "takes no part"),
        (lambda v, m: _scaled(v[0]), "First the mean"),
        (lambda v, m: _mean(_there(v, m)), "divided by its length"),
        (lambda v, m: _scaled(_mean([_scaled(x) for x in _there(v, m)])), "First the mean"),
        (lambda v, m: _mean([_scaled(x) for x in _there(v, m)]), "First the mean"),
        (lambda v, m: _scaled(_mean(v[: sum(m)])), "need not stand at the end"),
        (
            lambda v, m: _scaled([max(c) for c in zip(*_there(v, m), strict=True)]),
            "First the mean",
        ),
    ],
    "corrupt_spans": [
        (lambda t, s: _spans(t, s, end=False), "at its end the next sentinel"),
        (lambda t, s: _spans(t, s, each_token=True), "one for all of its tokens"),
        (lambda t, s: _spans(t, s, one_mark=True), "a sentinel of its own"),
        (lambda t, s: _spans(t, s, tail=False), "becomes <0> in the question"),
        (lambda t, s: (_spans(t, s)[0], t), "The answer has <0>"),
    ],
    "infill": [
        (
            lambda t, s: [
                "[MASK]" if any(a <= k < b for a, b in s) else token
                for k, token in enumerate(t)
            ],
            "One .MASK. for each span",
        ),
        (
            lambda t, s: _spans(t, [(a, b) for a, b in s if a < b])[0],
            "make room for .MASK.",
        ),
        (
            lambda t, s: [
                "[MASK]" if piece[0] == "<" else piece
                for piece in _spans(t, [(a, b) for a, b in s if a < b])[0]
            ],
            "A span of no tokens",
        ),
        (
            lambda t, s: [
                "[MASK]" if piece[0] == "<" else piece
                for piece in _spans(t, [(a, max(b, a + 1)) for a, b in s])[0]
            ],
            "A span of no tokens",
        ),
    ],
    "detect_replaced": [
        (
            lambda t, p: (
                [p.get(k, x) for k, x in enumerate(t)],
                [k in p for k in range(len(t))],
            ),
            "happens to be the true token",
        ),
        (
            lambda t, p: (
                [p.get(k, x) for k, x in enumerate(t)],
                [int(p[k] != t[k]) for k in p],
            ),
            "a label for each token",
        ),
        (
            lambda t, p: (t, [int(k in p and p[k] != x) for k, x in enumerate(t)]),
            "stands in the text that is read",
        ),
        (
            lambda t, p: (
                ["[MASK]" if k in p else x for k, x in enumerate(t)],
                [int(k in p) for k in range(len(t))],
            ),
            "stands in the text that is read",
        ),
        (
            lambda t, p: (
                [p.get(k, x) for k, x in enumerate(t)],
                [int(p.get(k, x) == x) for k, x in enumerate(t)],
            ),
            "nobody touched: 0",
        ),
    ],
    "soft_loss": [
        (lambda *a: _soft(*a, power=0), "multiplied by its square"),
        (lambda *a: _soft(*a, power=1), "multiplied by its square"),
        (lambda *a: _soft(*a, heat=(0, 1)), "Both rows"),
        (lambda *a: _soft(*a, swap=True), "has the teacher's probability"),
        (lambda *a: _soft(*a, shift=False), "largest logit"),
        (
            lambda s, t, h: sum((a - b) ** 2 for a, b in zip(s, t, strict=True)),
            "differ by a constant",
        ),
    ],
    "encoder_weights": [
        (lambda v, e, h, n, s: v * e + n * 12 * h * h, "brings them to the hidden size"),
        (
            lambda v, e, h, n, s: v * e + e * h + 12 * h * h * (1 if s else n),
            "need no projection",
        ),
        (
            lambda v, e, h, n, s: v * e + (e * h if e != h else 0) + n * 12 * h * h,
            "one and the same",
        ),
        (
            lambda v, e, h, n, s: (
                v * e + (e * h if e != h else 0) + 8 * h * h * (1 if s else n)
            ),
            "four square matrices",
        ),
        (lambda v, e, h, n, s: v * h + 12 * h * h * (1 if s else n), "brings them"),
    ],
    "training_bill": [
        (lambda n, d, f, u, p: 6 * n * d / (f * u) * p, "3,600 seconds"),
        (lambda n, d, f, u, p: 6 * n * d / f / 3600 * p, "only a share"),
        (lambda n, d, f, u, p: 6 * n * d / f * u / 3600 * p, "only a share"),
        (lambda n, d, f, u, p: 2 * n * d / (f * u) / 3600 * p, "Six operations"),
    ],
    "fits": [
        (lambda n, b, m, r: n * b / 1e9 <= m * (1 - r), "has 8 bits"),
        (lambda n, b, m, r: n * b / 8 / 2**30 <= m * (1 - r), "must not take more"),
        (lambda n, b, m, r: n * b / 8 / 1e9 <= m, "kept free"),
        (lambda n, b, m, r: n * b / 8 / 1e9 <= m - r, "kept free"),
        (lambda n, b, m, r: n * 4 / 1e9 <= m * (1 - r), "fewer bits"),
    ],
    "instruction_targets": [
        (
            lambda p, a, b, e: ([b, *p, *a, e], [-100] * (len(p) + 1) + [*a, e]),
            "as in any text",
        ),
        (lambda p, a, b, e: ([b, *p, *a], [*p, *a, e]), "have -100 as their target"),
        (
            lambda p, a, b, e: ([b, *p, *a], [-100] * (len(p) + 1) + [*a[1:], e]),
            "as in any text|says the first token",
        ),
        (lambda p, a, b, e: ([b, *p, *a], [-100] * len(p) + [*a, -100]), "the end mark are"),
        (lambda p, a, b, e: ([0, *p, *a], [-100] * len(p) + [*a, 1]), "then the end mark"),
    ],
    "write_chat": [
        (lambda m: _chat(m, last=""), "stays open"),
        (lambda m: _chat(m, end="<|im_end|>"), "stays open"),
        (lambda m: _chat(m, last="<|im_start|>assistant\n<|im_end|>\n"), "stays open"),
        (lambda m: _chat(m[-1:]), "Each turn"),
        (lambda m: _chat([turn for turn in m if turn[0] != "system"]), "Each turn"),
        (lambda m: _chat([(role, said.strip()) for role, said in m]), "white space"),
    ],
    "lora_parameters": [
        (lambda s, r: sum(r * i * o for i, o in s), "one of the output"),
        (lambda s, r: sum(r * (i + o) for i, o in s[:1]), "a part of its own"),
        (lambda s, r: sum(2 * r * i for i, o in s), "a column of outputs"),
        (lambda s, r: sum(i + o for i, o in s), "for each rank"),
        (lambda s, r: sum(r * (i + o) + o for i, o in s), "one of the output"),
    ],
    "training_bytes": [
        (lambda n, t, b: 4 * n * b, "needed all the same"),
        (lambda n, t, b: 4 * t * b, "needed all the same"),
        (lambda n, t, b: (n + 2 * t) * b, "Four numbers"),
        (lambda n, t, b: (n + 3 * t) * 4, "two running means"),
        (lambda n, t, b: (n - t + 3 * t) * b, "Four numbers"),
    ],
    "rehearse": [
        (lambda n, o, k: n + o, "the next old one"),
        (lambda n, o, k: _rehearsed(n, o, k, cycle=False), "begin again"),
        (lambda n, o, k: _rehearsed(n, o, k, first=True), "the next old one"),
        (lambda n, o, k: _rehearsed(n, o, k, rest=True), "none after the last"),
        (lambda n, o, k: _rehearsed(n, o, 1), "after each two"),
        (lambda n, o, k: _rehearsed(n, o[:1], k), "the next old one"),
    ],
    "calibrate": [
        (lambda p, f: p, "tells it nothing"),
        (lambda p, f: [x / y for x, y in zip(p, f[0], strict=True)], "what it says|sum to 1"),
        (lambda p, f: _share([x / y for x, y in zip(p, f[0], strict=True)]), "the mean over"),
        (
            lambda p, f: _share([max(x - y, 0) for x, y in zip(p, f[0], strict=True)]),
            "what it says|tells it nothing",
        ),
        (
            lambda p, f: _share([x * y for x, y in zip(p, f[0], strict=True)]),
            "tells it nothing",
        ),
        (
            lambda p, f: (
                lambda w: (
                    [x * w / (x * w + (1 - x) * (1 - w)) for x in p[:1]]
                    + [1 - p[0] * w / (p[0] * w + (1 - p[0]) * (1 - w))]
                )
            )(sum(row[1] for row in f) / len(f)),
            "more than two",
        ),
    ],
    "word_counts": [
        (lambda w, v: [w.count(x) for x in v], "Capitals"),
        (lambda w, v: [int(x in [y.lower() for y in w]) for x in v], "occurs twice"),
        (
            lambda w, v: [[y.lower() for y in w].count(x) for x in sorted(set(w))],
            "occurs twice",
        ),
        (lambda w, v: [v.index(y.lower()) for y in w], "one count for each"),
    ],
    "f1_of_class": [
        (
            lambda p, y, k: sum(a == b for a, b in zip(p, y, strict=True)) / len(y),
            "precision 1/2",
        ),
        (
            lambda p, y, k: (
                2
                * sum(a == b for a, b in zip(p, y, strict=True))
                / (p.count(k) + y.count(k) or 1)
            ),
            "precision 1/2",
        ),
        (
            lambda p, y, k: (
                2
                * sum(a == b == k for a, b in zip(p, y, strict=True))
                / (p.count(k) + y.count(k))
            ),
            "0 / 0",
        ),
        (
            lambda p, y, k: (
                2
                * sum(a == b == 1 for a, b in zip(p, y, strict=True))
                / (p.count(1) + y.count(1) or 1)
            ),
            "class that was asked for",
        ),
    ],
    "mcnemar_p": [
        (lambda *a: _mcnemar(*a, sides=1), "times two"),
        (lambda *a: _mcnemar(*a, ties=True), "do not count"),
        (lambda *a: _mcnemar(*a, least=9.0), "never above 1"),
        (
            lambda a, b, y: _mcnemar(
                [int(x == z) for x, z in zip(a, y, strict=True)], b, [1] * len(y)
            ),
            "more than two classes",
        ),
    ],
    "early_stop": [
        (lambda *a: _stop(*a, against="last"), "lowest loss so far"),
        (lambda *a: _stop(*a, equal=True), "no improvement"),
        (lambda *a: _stop(*a, reset=False), "back to none"),
        (lambda *a: _stop(*a, rest=True), "never known"),
        (lambda ls, p: (len(ls), ls.index(min(ls))), "the last is kept"),
    ],
    "calibration_error": [
        (lambda *a: _calibration(*a, signed=True), "without its sign"),
        (lambda *a: _calibration(*a, weighted=False), "by how many"),
        (lambda *a: _calibration(*a, each=True), "One bin is filled"),
        (lambda *a: _calibration(*a, up=True), "lower one"),
    ],
    "delete_words": [
        (lambda w, d, r: [x for x, z in zip(w, d, strict=True) if z < r], "is below the rate"),
        (lambda w, d, r: [x for x, z in zip(w, d, strict=True) if z > r], "not below it"),
        (
            lambda w, d, r: [x for x, z in zip(w, d, strict=True) if z >= r],
            "Where all would go",
        ),
        (
            lambda w, d, r: [x for x in w if d[w.index(x)] >= r] or [w[d.index(max(d))]],
            "draw of its own",
        ),
        (
            lambda w, d, r: [x for x, z in zip(w, d, strict=True) if z >= r] or w,
            "largest draw",
        ),
    ],
    "is_distribution": [
        (lambda v: all(x >= 0 for x in v), "Together"),
        (lambda v: abs(sum(v) - 1) < 1e-6, "below zero"),
        (lambda v: min(v) >= 0 and sum(v) == 1, "not exactly 1"),
        (lambda v: min(v) > 0 and abs(sum(v) - 1) < 1e-6, "may be impossible"),
        (lambda v: min(v) >= 0 and round(sum(v), 3) == 1, "off by more"),
    ],
    "changed_parameters": [
        (lambda b, a: [n for n in b if a[n] == b[n]], "not what they were"),
        (lambda b, a: any(a[n] != b[n] for n in b), "A list of names"),
        (lambda b, a: sorted(n for n in b if sum(a[n]) != sum(b[n])), "sums can be equal"),
        (lambda b, a: sorted(n for n in b if not np.allclose(a[n], b[n])), "small change"),
        (lambda b, a: [n for n in b if a[n] != b[n]], "alphabetic order"),
        (lambda b, a: sorted(n for n in b if a[n] is not b[n]), "not what they were"),
    ],
    "compute_optimal": [
        (lambda c, r: (math.sqrt(c / r), math.sqrt(c * r)), "six operations"),
        (lambda c, r: (c / (6 * r), c / 6), "six times the product"),
        (lambda c, r: (math.sqrt(c / 6), r * math.sqrt(c / 6)), "six times the product"),
        (lambda c, r: (math.sqrt(c * r / 6), math.sqrt(c / (6 * r))), "six times the product"),
    ],
    "paper_month": [
        (lambda i: (2000 + int(i[:2]), int(i[2:4])), "behind the archive"),
        (lambda i: (int(i[2:4]), int(i[:2])), "the next two the month"),
        (lambda i: (int(i[:2]), int(i[2:4])), "first two digits are the year"),
        (
            lambda i: (2000 + int(i.split("/")[-1][:2]), int(i.split("/")[-1][2:4])),
            "of the last century",
        ),
    ],
}
