"""Text from sources whose entropy rate is known: the floor that no language model can go below.

Sources: Shannon 1948, "A Mathematical Theory of Communication", sections 4-7 (Markov sources
    and their entropy);
Cover and Thomas 2006, "Elements of Information Theory", theorem 4.2.4 (Markov chains) and
section 4.5 (bounds for functions of a chain); Rabiner 1989, "A Tutorial on Hidden Markov
Models", section III.A (forward algorithm). Left out: learning a source from text; that is what
the rest of the book does.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Self

import numpy as np


class MarkovSource:
    """A stationary Markov chain of order k over the symbols of an alphabet.

    Args:
        alphabet: V different characters.
        transitions: (V ** k, V); row c holds the probabilities of the next symbol after the k
            symbols that spell c in base V, the oldest first. One row, k = 0, is a memoryless
            source.

    Raises:
        ValueError: the alphabet repeats a symbol, the number of rows is no power of V, a row is
            no probability distribution, or the chain has more than one stationary distribution.

    >>> coin = MarkovSource("ht", [[0.5, 0.5]])
    >>> coin.entropy_rate
    1.0
    """

    def __init__(self, alphabet: str, transitions: Sequence[Sequence[float]] | np.ndarray):
        self.alphabet = _check_alphabet(alphabet)
        self.transitions = _check_rows(transitions, "transitions")
        contexts, size = self.transitions.shape
        if size != len(alphabet):
            raise ValueError(
                f"the rows of transitions have {size} entries, but the alphabet has "
                f"{len(alphabet)} symbols"
            )
        self.order = round(math.log(contexts, size)) if size > 1 else 0
        if size**self.order != contexts:
            raise ValueError(
                f"transitions has {contexts} rows, which is no power of the {size} symbols"
            )
        if contexts > 4096:
            raise ValueError(
                f"{contexts} contexts are too many to solve for; 4,096 are the most"
            )
        self.stationary = _stationary(self._context_chain())

    @classmethod
    def random(
        cls, alphabet: str, order: int, concentration: float = 0.5, seed: int = 0
    ) -> Self:
        """A source whose rows are drawn from a symmetric Dirichlet distribution; a small
        concentration makes it predictable, a large one makes it noise.

        Raises:
            ValueError: the order is negative or the concentration is not above 0.
        """
        if order < 0 or concentration <= 0:
            raise ValueError(
                f"order is {order} and concentration {concentration}; they must be >= 0 and > 0"
            )
        size = len(_check_alphabet(alphabet))
        rows = np.random.default_rng(seed).dirichlet(
            np.full(size, concentration), size=size**order
        )
        return cls(alphabet, rows)

    @property
    def entropy_rate(self) -> float:
        """Bits per symbol: the entropy of each row, weighted by how often its context
        occurs.
        """
        return float(self.stationary @ _entropy_bits(self.transitions))

    def sample(self, num_symbols: int, seed: int = 0) -> str:
        """`num_symbols` symbols of a stationary run."""
        _check_count(num_symbols, "num_symbols")
        generator, size = np.random.default_rng(seed), len(self.alphabet)
        context = int(generator.choice(len(self.stationary), p=self.stationary))
        symbols = self._spell(context)
        cumulative = np.cumsum(self.transitions, axis=1)
        for uniform in generator.random(max(0, num_symbols - self.order)):
            symbol = _draw(cumulative[context], uniform)
            symbols.append(symbol)
            context = (context * size + symbol) % len(self.transitions)
        return "".join(self.alphabet[symbol] for symbol in symbols[:num_symbols])

    def log_prob(self, text: str) -> float:
        """The natural logarithm of the probability that a stationary run begins with `text`.

        Raises:
            ValueError: a character is not in the alphabet, or the text is shorter than the
                order.
        """
        symbols, size = _to_symbols(text, self.alphabet), len(self.alphabet)
        if len(symbols) < self.order:
            raise ValueError(
                f"the text has {len(symbols)} symbols; a source of order {self.order} needs "
                "that many"
            )
        context = 0
        for symbol in symbols[: self.order]:
            context = context * size + symbol
        total = _log(self.stationary[context])
        for symbol in symbols[self.order :]:
            total += _log(self.transitions[context, symbol])
            context = (context * size + symbol) % len(self.transitions)
        return total

    def _spell(self, context: int) -> list[int]:
        size = len(self.alphabet)
        return [context // size**place % size for place in reversed(range(self.order))]

    def _context_chain(self) -> np.ndarray:
        """(V ** k, V ** k): the chain whose states are the contexts."""
        contexts, size = self.transitions.shape
        chain = np.zeros((contexts, contexts))
        for context, symbol in itertools.product(range(contexts), range(size)):
            chain[context, (context * size + symbol) % contexts] += self.transitions[
                context, symbol
            ]
        return chain


class HiddenMarkovSource:
    """A Markov chain of hidden states, each of which emits a symbol; only the symbols are seen.

    Args:
        alphabet: V different characters.
        transitions: (S, S), state to next state.
        emissions: (S, V), state to symbol.

    Raises:
        ValueError: the shapes do not fit, a row is no probability distribution, or the chain
            has more than one stationary distribution.
    """

    def __init__(
        self,
        alphabet: str,
        transitions: Sequence[Sequence[float]] | np.ndarray,
        emissions: Sequence[Sequence[float]] | np.ndarray,
    ):
        self.alphabet = _check_alphabet(alphabet)
        self.transitions = _check_rows(transitions, "transitions")
        self.emissions = _check_rows(emissions, "emissions")
        states = len(self.transitions)
        if self.transitions.shape != (states, states) or self.emissions.shape != (
            states,
            len(alphabet),
        ):
            raise ValueError(
                f"transitions is {self.transitions.shape} and emissions "
                f"{self.emissions.shape}; {len(alphabet)} symbols and {states} states need "
                f"{(states, states)} and {(states, len(alphabet))}"
            )
        self.stationary = _stationary(self.transitions)

    def sample(self, num_symbols: int, seed: int = 0) -> str:
        """`num_symbols` symbols of a stationary run."""
        _check_count(num_symbols, "num_symbols")
        generator = np.random.default_rng(seed)
        state = int(generator.choice(len(self.stationary), p=self.stationary))
        moves, emitted = np.cumsum(self.transitions, axis=1), np.cumsum(self.emissions, axis=1)
        symbols = []
        for for_symbol, for_state in generator.random((num_symbols, 2)):
            symbols.append(_draw(emitted[state], for_symbol))
            state = _draw(moves[state], for_state)
        return "".join(self.alphabet[symbol] for symbol in symbols)

    def log_prob(self, text: str) -> float:
        """The natural logarithm of the probability of `text`, summed over all hidden paths by
        the forward algorithm (Rabiner 1989, equations 19-21, rescaled at every step).

        Raises:
            ValueError: a character is not in the alphabet.
        """
        forward, total = self.stationary, 0.0
        for symbol in _to_symbols(text, self.alphabet):
            joint = forward * self.emissions[:, symbol]  # (S,)
            total += _log(joint.sum())
            if total == -math.inf:
                break
            forward = joint / joint.sum() @ self.transitions
        return total

    def entropy_rate_bounds(self, num_symbols: int) -> tuple[float, float]:
        """Bits per symbol between which the entropy rate lies; they close as `num_symbols`
        grows.

        H(Y_n | Y_1 ... Y_{n-1}, X_1) <= rate <= H(Y_n | Y_1 ... Y_{n-1}), Cover and Thomas,
        section 4.5, with every one of the V ** n texts summed over.

        Raises:
            ValueError: `num_symbols` is below 1, or the sum takes more than 2 ** 24 numbers.
        """
        entries = len(self.alphabet) ** max(0, num_symbols) * len(self.stationary) ** 2
        if num_symbols < 1 or entries > 2**24:
            raise ValueError(
                f"num_symbols is {num_symbols}, which takes {entries:,} numbers; give at least "
                f"1, and few enough for {2**24:,} numbers"
            )
        starts = np.diag(self.stationary)  # (S, S): first state, current state
        shorter = longer = starts[None]  # (texts, S, S)
        for _ in range(num_symbols):
            shorter = longer
            emitted = shorter[:, None] * self.emissions.T[None, :, None, :]  # (texts, V, S, S)
            longer = emitted.reshape(-1, *starts.shape) @ self.transitions
        upper = _joint_entropy(longer.sum(axis=(1, 2))) - _joint_entropy(
            shorter.sum(axis=(1, 2))
        )
        lower = _joint_entropy(longer.sum(axis=2)) - _joint_entropy(shorter.sum(axis=2))
        return float(lower), float(upper)


class BracketSource:
    """Well-nested brackets: every opening one must be closed by its own kind, however far away.

    At each step the source opens a bracket with probability p, of a kind drawn uniformly, and
    otherwise closes the one that is open, or ends the document if none is. So each of the
    symbols, the end mark included, costs h(p) + p log2(kinds) bits, where h is the binary
    entropy, and a document has 1 / (1 - 2p) of them on average.

    Args:
        kinds: pairs of brackets, for instance ("()", "[]").
        open_probability: p, above 0 and below 1/2, so that every document ends.

    Raises:
        ValueError: a kind is no pair of two new characters, or p is out of range.
    """

    def __init__(self, kinds: Sequence[str] = ("()", "[]"), open_probability: float = 0.45):
        if (
            not kinds
            or any(len(kind) != 2 for kind in kinds)
            or len(set("".join(kinds))) != 2 * len(kinds)
        ):
            raise ValueError(
                "kinds must be pairs of different characters such as '()', but are "
                f"{list(kinds)}"
            )
        if not 0 < open_probability < 0.5:
            raise ValueError(
                f"open_probability is {open_probability}; it must lie above 0 and below 0.5"
            )
        self.kinds = tuple(kinds)
        self.open_probability = open_probability

    @property
    def alphabet(self) -> str:
        """All brackets."""
        return "".join(self.kinds)

    @property
    def entropy_rate(self) -> float:
        """Bits per symbol, where the end mark of a document counts as a symbol."""
        p = self.open_probability
        return float(_entropy_bits(np.array([p, 1 - p])) + p * math.log2(len(self.kinds)))

    def sample(self, num_documents: int, seed: int = 0) -> list[str]:
        """`num_documents` documents, some of them empty."""
        _check_count(num_documents, "num_documents")
        generator = np.random.default_rng(seed)
        documents = []
        for _ in range(num_documents):
            text: list[str] = []
            awaited: list[str] = []
            while (opens := generator.random() < self.open_probability) or awaited:
                if opens:
                    kind = self.kinds[generator.integers(len(self.kinds))]
                    text.append(kind[0])
                    awaited.append(kind[1])
                else:
                    text.append(awaited.pop())
            documents.append("".join(text))
        return documents

    def log_prob(self, document: str) -> float:
        """The natural logarithm of the probability of `document`, end mark included; -inf where
        it is not well nested.

        Raises:
            ValueError: a character is no bracket of this source.
        """
        _to_symbols(document, self.alphabet)
        closing_of = {kind[0]: kind[1] for kind in self.kinds}
        awaited: list[str] = []
        opened = 0
        for character in document:
            if character in closing_of:
                awaited.append(closing_of[character])
                opened += 1
            elif not awaited or awaited.pop() != character:
                return -math.inf
        if awaited:
            return -math.inf
        p = self.open_probability
        return opened * math.log(p / len(self.kinds)) + (opened + 1) * math.log(1 - p)


def _check_alphabet(alphabet: str) -> str:
    if not alphabet or len(set(alphabet)) != len(alphabet):
        raise ValueError(
            f"the alphabet {alphabet!r} must hold at least one character, and none twice"
        )
    return alphabet


def _check_rows(rows: Sequence[Sequence[float]] | np.ndarray, name: str) -> np.ndarray:
    array = np.array(rows, dtype=np.float64)  # a copy, which nobody else can change
    if array.ndim != 2 or array.size == 0:
        raise ValueError(
            f"{name} must be a matrix with entries, but has the shape {array.shape}"
        )
    wrong = np.flatnonzero(
        (array < 0).any(axis=1) | ~np.isclose(array.sum(axis=1), 1, rtol=0, atol=1e-9)
    )
    if wrong.size:
        raise ValueError(
            f"row {wrong[0]} of {name} is no distribution: {array[wrong[0]]} sums to "
            f"{array[wrong[0]].sum()}"
        )
    return array


def _draw(cumulative: np.ndarray, uniform: float) -> int:
    """The outcome whose share of [0, 1) a uniform number falls into."""
    place = int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
    return min(place, len(cumulative) - 1)


def _check_count(number: int, name: str) -> None:
    if number < 0:
        raise ValueError(f"{name} is {number}; it cannot be negative")


def _stationary(chain: np.ndarray) -> np.ndarray:
    """The distribution that `chain` leaves as it is: pi (P - I) = 0 with the entries of pi
    summing to one.
    """
    size = len(chain)
    equations = np.vstack([chain.T - np.eye(size), np.ones(size)])
    if np.linalg.matrix_rank(equations) < size:
        raise ValueError(
            "the chain has more than one stationary distribution; connect its parts"
        )
    solution = np.linalg.lstsq(equations, np.append(np.zeros(size), 1.0), rcond=None)[0]
    distribution = np.clip(solution, 0, None)
    return np.asarray(distribution / distribution.sum())


def _to_symbols(text: str, alphabet: str) -> list[int]:
    place = {symbol: position for position, symbol in enumerate(alphabet)}
    for position, character in enumerate(text):
        if character not in place:
            raise ValueError(
                f"{character!r} at position {position} is not in the alphabet {alphabet!r}"
            )
    return [place[character] for character in text]


def _entropy_bits(probabilities: np.ndarray) -> np.ndarray:
    """-sum p log2 p over the last axis, with 0 log 0 = 0."""
    return np.asarray(
        -(probabilities * np.log2(np.where(probabilities > 0, probabilities, 1))).sum(axis=-1)
    )


def _joint_entropy(probabilities: np.ndarray) -> np.ndarray:
    return _entropy_bits(probabilities.reshape(-1))


def _log(probability: float) -> float:
    return math.log(probability) if probability > 0 else -math.inf
