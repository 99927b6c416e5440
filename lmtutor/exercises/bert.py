"""The exercises of the chapter "BERT"."""

import math

from lmtutor.exercises.checker import Case, Exercise

Joint = dict[tuple[str, ...], float]


def mask_some(
    tokens: list[str], chosen: list[bool], draws: list[float], random_tokens: list[str]
) -> tuple[list[str], list[str | None]]:
    """What BERT reads, and the labels: 80/10/10, with the draws given."""
    inputs = list(tokens)
    labels: list[str | None] = [None] * len(tokens)
    for place in (place for place, asked in enumerate(chosen) if asked):
        labels[place] = tokens[place]
        if draws[place] < 0.8:
            inputs[place] = "[MASK]"
        elif draws[place] < 0.9:
            inputs[place] = random_tokens[place]
    return inputs, labels


def words_of(pieces: list[str]) -> list[list[int]]:
    """The places of the pieces of each word; marks are no words."""
    words: list[list[int]] = []
    for place, piece in enumerate(pieces):
        if piece in ("[CLS]", "[SEP]"):
            continue
        if piece.startswith("##"):
            words[-1].append(place)
        else:
            words.append([place])
    return words


def masked_loss(log_probs: list[list[float]], labels: list[int]) -> float:
    """The mean of -log P over the places that have a label."""
    asked = [(row, label) for row, label in zip(log_probs, labels, strict=True) if label >= 0]
    return -sum(row[label] for row, label in asked) / len(asked)


def next_sentence_loss(p_follows: list[float], follows: list[int]) -> float:
    """The mean of -log P(what is true) over the pairs."""
    right = [p if y else 1 - p for p, y in zip(p_follows, follows, strict=True)]
    return -sum(map(math.log, right)) / len(right)


def pseudo_log_likelihood(joint: Joint, text: tuple[str, ...]) -> float:
    """The sum of log P(token | all others), in a language that is known completely."""
    total = 0.0
    for place in range(len(text)):
        rivals = sum(
            p
            for other, p in joint.items()
            if len(other) == len(text)
            and all(
                a == b or k == place for k, (a, b) in enumerate(zip(other, text, strict=True))
            )
        )
        total += math.log(joint[text] / rivals)
    return total


def sentence_vector(vectors: list[list[float]], mask: list[bool]) -> list[float]:
    """The mean of the vectors of the tokens that are there, brought to the length one."""
    there = [vector for vector, is_token in zip(vectors, mask, strict=True) if is_token]
    mean = [sum(column) / len(there) for column in zip(*there, strict=True)]
    length = math.sqrt(sum(x * x for x in mean))
    return [x / length for x in mean]


_TWINS = {("a", "a"): 0.5, ("b", "b"): 0.5}
_WEATHER = {
    ("it", "rains"): 0.4,
    ("it", "snows"): 0.1,
    ("he", "rains"): 0.0,
    ("he", "snows"): 0.05,
    ("he", "sleeps"): 0.25,
    ("she", "sleeps"): 0.2,
}
_SENTENCE = ["[CLS]", "and", "ne", "##bu", "##chad", "spake", "[SEP]"]
_VERSE = ["and", "the", "king", "spake"]
_OTHERS = ["fish", "rod", "ass", "wine"]

EXERCISES = [
    Exercise(
        "mask_some",
        mask_some,
        [
            Case(
                (["king"], [False], [0.1], ["fish"]),
                "A token that was not chosen stays, and has no label: None.",
            ),
            Case(
                (_VERSE, [True, False, True, True], [0.2, 0.3, 0.85, 0.95], _OTHERS),
                "Of the chosen tokens a draw below 0.8 hides the token, one from 0.8 to 0.9 "
                "puts in the random one, and all others leave it. Every chosen token has a "
                "label: what stood there at first.",
            ),
            Case(
                (_VERSE, [True] * 4, [0.0, 0.8, 0.9, 0.7999], _OTHERS),
                "A draw of exactly 0.8 belongs to the random tokens, and one of exactly 0.9 to "
                "those that stay.",
            ),
        ],
    ),
    Exercise(
        "words_of",
        words_of,
        [
            Case((["the", "king"],), "Words of one piece each: two lists of one place."),
            Case(
                (["na", "##bal", "drank"],),
                "A piece that begins with ## goes on with the word before it.",
            ),
            Case((_SENTENCE,), "The marks [CLS] and [SEP] are never masked, and are no words."),
            Case(
                (["[CLS]", "ja", "##el", "[SEP]", "si", "##se", "##ra", "[SEP]"],),
                "There may be a mark in the middle; places are counted with marks.",
            ),
        ],
    ),
    Exercise(
        "masked_loss",
        masked_loss,
        [
            Case(
                ([[math.log(0.25), math.log(0.75)]], [0]),
                "With one label the loss is -ln P of that token.",
            ),
            Case(
                (
                    [
                        [math.log(0.9), math.log(0.1)],
                        [math.log(0.5), math.log(0.5)],
                        [math.log(0.2), math.log(0.8)],
                    ],
                    [-100, 1, -100],
                ),
                "Where the label is -100 nothing is asked: such a place counts neither above "
                "the fraction line nor below.",
            ),
            Case(
                (
                    [
                        [math.log(0.9), math.log(0.1)],
                        [math.log(0.5), math.log(0.5)],
                        [math.log(0.2), math.log(0.8)],
                    ],
                    [0, -100, 0],
                ),
                "It is a mean over the tokens that were asked for.",
            ),
        ],
    ),
    Exercise(
        "next_sentence_loss",
        next_sentence_loss,
        [
            Case(([0.25], [1]), "The second sentence follows, and the model gave it 0.25."),
            Case(
                ([0.25], [0]),
                "The second sentence is a random one, and the model gave that 0.75. Its loss "
                "is not 0.",
            ),
            Case(([0.9, 0.8, 0.1, 0.5], [1, 0, 0, 1]), "It is a mean over all pairs."),
        ],
    ),
    Exercise(
        "pseudo_log_likelihood",
        pseudo_log_likelihood,
        [
            Case(
                ({("a",): 0.25, ("b",): 0.75}, ("a",)),
                "With one token there are no others to look at, and it is ln P.",
            ),
            Case(
                (_TWINS, ("a", "a")),
                "If the other token is an a, this one is an a for certain. So each factor is "
                "1.",
            ),
            Case(
                (_WEATHER, ("it", "snows")),
                "P(token | others) is P(text), divided by the sum of the probabilities of all "
                "texts that differ from it at this place at most. Both sides count, for "
                "every token.",
            ),
            Case((_WEATHER, ("he", "sleeps")), "The logarithms of all factors are added."),
        ],
    ),
    Exercise(
        "sentence_vector",
        sentence_vector,
        [
            Case(
                ([[3.0, 4.0]], [True]),
                "One token: its vector, divided by its length.",
            ),
            Case(
                ([[1.0, 0.0], [3.0, 4.0]], [True, True]),
                "First the mean of the vectors as they are, then the division by its length.",
            ),
            Case(
                ([[2.0, 0.0], [0.0, 2.0], [9.0, 9.5]], [True, True, False]),
                "Where the mask is False there is padding, which takes no part in the mean.",
            ),
            Case(
                ([[1.0, 0.0], [50.0, 3.0], [0.0, 1.0], [0.0, 4.0]], [True, False, True, True]),
                "What the mask hides need not stand at the end.",
            ),
        ],
    ),
]
