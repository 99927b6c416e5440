"""The exercises of the chapter "Self-attention"."""

import math

from lmtutor.exercises.checker import Case, Exercise


def look_up(
    query: list[float], keys: list[list[float]], values: list[list[float]]
) -> list[float]:
    """What one query brings back: the values, averaged with its weights."""
    scores = [_dot(query, key) / math.sqrt(len(query)) for key in keys]
    weights = masked_weights(scores, [True] * len(keys))
    return [_dot(weights, list(numbers)) for numbers in zip(*values, strict=True)]


def causal_mask(num_queries: int, num_keys: int) -> list[list[bool]]:
    """For each query which keys it may look at; the last query stands at the last key."""
    past = num_keys - num_queries
    return [[key <= query + past for key in range(num_keys)] for query in range(num_queries)]


def masked_weights(scores: list[float], allowed: list[bool]) -> list[float]:
    """Softmax over what is allowed, zeros elsewhere; all zeros where nothing is."""
    if not any(allowed):
        return [0.0] * len(scores)
    largest = max(score for score, may in zip(scores, allowed, strict=True) if may)
    powers = [
        math.exp(score - largest) if may else 0.0
        for score, may in zip(scores, allowed, strict=True)
    ]
    return [power / sum(powers) for power in powers]


def split_heads(vectors: list[list[float]], num_heads: int) -> list[list[list[float]]]:
    """T vectors of E numbers -> for each head T vectors of E / H numbers."""
    size = len(vectors[0]) // num_heads
    return [
        [vector[head * size : (head + 1) * size] for vector in vectors]
        for head in range(num_heads)
    ]


def rotary_score(query: list[float], key: list[float], m: int, n: int, angle: float) -> float:
    """The product of a query at position m and a key at position n, two numbers each, after
    both were turned by the angle, once for each position.
    """
    return _dot(_turn(query, m * angle), _turn(key, n * angle))


def multi_head_parameters(hidden_size: int, num_heads: int, num_key_value_heads: int) -> int:
    """The trained numbers of a layer of attention, biases included."""
    rows = (num_heads + 2 * num_key_value_heads) * (hidden_size // num_heads)
    return rows * (hidden_size + 1) + hidden_size * (hidden_size + 1)


def score_bytes(batch_size: int, num_heads: int, length: int, bytes_per_number: int) -> int:
    """What the scores of one layer take, if all of them are held at once."""
    return batch_size * num_heads * length**2 * bytes_per_number


def _dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _turn(point: list[float], angle: float) -> list[float]:
    x, y = point
    cos, sin = math.cos(angle), math.sin(angle)
    return [x * cos - y * sin, x * sin + y * cos]


_ROWS = [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]

EXERCISES = [
    Exercise(
        "look_up",
        look_up,
        [
            Case(
                ([2.0], [[3.0]], [[5.0, 7.0]]),
                "With a single key, its weight is 1, and its value comes back as it is.",
            ),
            Case(
                ([0.0, 0.0], [[1.0, 2.0], [3.0, 4.0]], [[2.0], [6.0]]),
                "With equal scores, the result is the mean of the values.",
            ),
            Case(
                ([1.0, 2.0], [[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]),
                "A score is the product of the query and a key, divided by the square root of "
                "D, the number of entries of the query. The softmax of the scores gives the "
                "weights.",
            ),
            Case(
                ([1.0, 0.0, 2.0], [[1.0, 1.0, 1.0], [0.0, 2.0, 1.0]], [[1.0], [3.0]]),
                "The root is that of the size of the query, not of the number of keys.",
            ),
            Case(
                ([30.0, 40.0], [[30.0, 40.0], [30.0, 39.99]], [[1.0], [2.0]]),
                "Scores may be large: subtract the largest before the exponential.",
            ),
        ],
    ),
    Exercise(
        "causal_mask",
        causal_mask,
        [
            Case((1, 1), "A query may look at its own position."),
            Case(
                (3, 3),
                "Row t belongs to query t: True at the keys 0 to t, itself included, and "
                "False after them.",
            ),
            Case(
                (2, 4),
                "With more keys than queries, the queries are the last positions: the last "
                "query stands at the last key.",
            ),
        ],
    ),
    Exercise(
        "masked_weights",
        masked_weights,
        [
            Case(
                ([1.0, 2.0, 0.5], [True, True, True]),
                "Where all is allowed, this is the softmax.",
            ),
            Case(
                ([1.0, 2.0, 0.5], [True, False, True]),
                "What is not allowed gets a weight of exactly 0, and the others sum to one, as "
                "if it were not there. A score of 0 is not the same as no key.",
            ),
            Case(
                ([800.0, 9000.0], [True, False]),
                "Subtract the largest of the allowed scores before the exponential.",
            ),
            Case(
                ([1.0, 2.0], [False, False]),
                "A query that may look nowhere gets zeros.",
            ),
        ],
    ),
    Exercise(
        "split_heads",
        split_heads,
        [
            Case((_ROWS, 1), "One head gets all the vectors, as they are: a list of one list."),
            Case(
                (_ROWS, 2),
                "Each head gets a part of every vector, and the vectors of all positions: the "
                "first index is the head, the second the position. Its part is the next D "
                "numbers, side by side.",
            ),
            Case(
                ([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [0.0, 1.0, 2.0]], 3),
                "D is the size of a vector divided by the number of heads.",
            ),
        ],
    ),
    Exercise(
        "rotary_score",
        rotary_score,
        [
            Case(
                ([1.0, 2.0], [3.0, 4.0], 0, 0, 0.5),
                "At position 0 nothing is turned; this is the product of the two.",
            ),
            Case(
                ([1.0, 2.0], [3.0, 4.0], 3, 3, 0.5),
                "At the same position both are turned alike, and their product stays as it is.",
            ),
            Case(
                ([1.0, 0.0], [1.0, 0.0], 1, 0, 1.0),
                "A query that was turned by an angle and a key that was not: the product of "
                "their lengths times the cosine of the angle, which is in radians.",
            ),
            Case(
                ([1.0, 0.5], [-0.3, 2.0], 7, 5, 0.3),
                "Query and key are turned in the same sense, the query m times and the key n "
                "times: x becomes x cos - y sin, and y becomes x sin + y cos.",
            ),
        ],
    ),
    Exercise(
        "multi_head_parameters",
        multi_head_parameters,
        [
            Case(
                (1, 1, 1),
                "Four projections, for queries, keys, values and the output, each with a bias.",
            ),
            Case(
                (8, 2, 2),
                "The heads share the vector between them: together they have as many rows as "
                "one large head. The output projection comes last, with its bias.",
            ),
            Case(
                (768, 12, 4),
                "With fewer heads for keys and values, only these two projections have fewer "
                "rows.",
            ),
        ],
    ),
    Exercise(
        "score_bytes",
        score_bytes,
        [
            Case((1, 1, 3, 4), "Each of the T positions has a score for each of the T."),
            Case((2, 3, 10, 4), "Each head of each text has scores of its own."),
            Case((8, 12, 1024, 2), "The numbers may be of two bytes."),
        ],
    ),
]
