"""The ARPA format, in which n-gram models travel between programs.

Source: SRILM's manual page ngram-format(5). A line holds the logarithm to base 10 of a
probability, the n-gram, and, where longer n-grams may go on from it, the logarithm of its
back-off weight (0 if it is missing). Left out: class-based models and compressed files.
"""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lmtutor.files import PathLike, write_aside
from lmtutor.models.ngram.smoothing import BackoffTable

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
_NEVER = -99.0  # stands for log10 of 0, as in SRILM
_SPACE = re.compile(r"[ \t\r\n]+")  # and no other: U+00A0 can be part of a token


def write(
    path: PathLike,
    tables: Sequence[BackoffTable],
    tokens: Sequence[str],
    marks: tuple[int, int],
) -> None:
    """Write the tables of a model.

    Args:
        path: where to.
        tables: from the unigrams up.
        tokens: (V,) how each id is written.
        marks: the ids of the begin and the end mark.

    Raises:
        ValueError: there is not one token an id, one stands there twice, is empty or holds
            white space, or the marks are not written `<s>` and `</s>`.
    """
    size = len(tables[0].keys)
    if len(tokens) != size or len(set(tokens)) != size:
        raise ValueError(
            f"the model has {size} ids, but there are {len(tokens)} tokens, {len(set(tokens))} "
            "of them different; give each id a token of its own"
        )
    if [tokens[mark] for mark in marks] != [BEGIN, END]:
        raise ValueError(
            f"the marks have the ids {marks}, which are written "
            f"{[tokens[mark] for mark in marks]}; an ARPA file calls them {BEGIN} and {END}"
        )
    for number, token in enumerate(tokens):
        if not token or _SPACE.search(token):
            raise ValueError(
                f"token {number} is {token!r}, but an ARPA file separates tokens by white "
                "space; write it otherwise, for instance with '▁' in the place of a space"
            )
    lines = ["", "\\data\\"]
    lines += [f"ngram {order}={len(table.keys)}" for order, table in enumerate(tables, 1)]
    grams = list(tokens)
    for order, table in enumerate(tables, 1):
        if order > 1:
            contexts, last = np.divmod(table.keys, size)
            grams = [
                f"{grams[context]} {tokens[token]}"
                for context, token in zip(contexts.tolist(), last.tolist(), strict=True)
            ]
        log_probs = np.maximum(table.log_probs / math.log(10), _NEVER).tolist()
        lines += ["", f"\\{order}-grams:"]
        if order < len(tables):
            backoffs = (table.backoffs[:-1] / math.log(10)).tolist()
            lines += [
                f"{log_prob:.9g}\t{gram}\t{backoff:.9g}"
                for log_prob, gram, backoff in zip(log_probs, grams, backoffs, strict=True)
            ]
        else:
            lines += [
                f"{log_prob:.9g}\t{gram}"
                for log_prob, gram in zip(log_probs, grams, strict=True)
            ]
    write_aside(path, "\n".join([*lines, "", "\\end\\", ""]).encode())


def arpa_tokens(path: PathLike) -> list[str]:
    """The tokens that an ARPA file lists: the marks, `<unk>` if it is there, and the others as
    they stand.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file does not begin as an ARPA file does, or lists no `<s>` or `</s>`.
    """
    lines = _Lines(path)
    sizes = _header(lines)
    listed = [gram for _, (gram,), _ in _section(lines, 1, sizes)]
    first = [mark for mark in (BEGIN, END, UNKNOWN) if mark in listed]
    if first[:2] != [BEGIN, END]:
        raise ValueError(f"{path} lists no {BEGIN} or no {END} among its unigrams")
    return first + [token for token in listed if token not in first]


def read(path: PathLike, tokens: Sequence[str]) -> list[BackoffTable]:
    """The tables of the model in an ARPA file.

    Args:
        path: the file.
        tokens: (V,) the token of each id.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as `NgramModel.from_arpa`.
    """
    ids = {token: number for number, token in enumerate(tokens)}
    if len(ids) < len(tokens) or not {BEGIN, END} <= ids.keys():
        raise ValueError(
            f"the {len(tokens)} tokens must be different ones, with {BEGIN} and {END} among "
            "them; arpa_tokens(path) gives those of the file"
        )
    lines = _Lines(path)
    sizes = _header(lines)
    tables: list[BackoffTable] = []
    for order in range(1, len(sizes) + 1):
        tables.append(_read_table(lines, order, sizes, ids, tables))
    lines.expect("\\end\\")
    return tables


class _Lines:
    """The lines of a file that are not empty, one after the other, with their numbers."""

    def __init__(self, path: PathLike):
        self.path = path
        try:
            text = Path(path).read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path} is no ARPA file in UTF-8 ({error}); if it is compressed, unpack it "
                "first"
            ) from error
        lines = text.split("\n")
        self.total = len(lines)
        self._rest = iter(enumerate(lines, 1))
        self.number, self.current = 0, ""
        self.advance()

    def advance(self) -> None:
        """Go on to the next line that is not empty; "" behind the last."""
        for number, line in self._rest:
            self.number, self.current = number, line.strip(" \t\r")
            if self.current:
                return
        self.current = ""

    def expect(self, wanted: str) -> None:
        """Pass over a line that must stand here."""
        if self.current != wanted:
            raise self.error(f"should be {wanted!r}")
        self.advance()

    def error(self, reason: str) -> ValueError:
        """What is wrong with the current line."""
        found = repr(self.current[:60]) if self.current else "the end of the file"
        return ValueError(f"{self.path}, line {self.number}: {found} {reason}")


def _header(lines: _Lines) -> list[int]:
    """How many n-grams of each order the file says it has."""
    while lines.current and lines.current != "\\data\\":  # other text may stand in front
        lines.advance()
    lines.expect("\\data\\")
    sizes: list[int] = []
    while lines.current.startswith("ngram "):
        order, _, size = lines.current[6:].partition("=")
        wanted = f"'ngram {len(sizes) + 1}=' and a number of at most {lines.total}, the lines"
        if order.strip() != str(len(sizes) + 1) or not size.strip().isdecimal():
            raise lines.error(f"should be {wanted}")
        if len(size) > 12 or int(size) > lines.total:
            raise lines.error(f"should be {wanted}")
        sizes.append(int(size))
        lines.advance()
    if not sizes or not sizes[0]:
        raise lines.error("should be 'ngram 1=' and how many there are, at least one")
    return sizes


def _section(
    lines: _Lines, order: int, sizes: list[int]
) -> Iterator[tuple[float, list[str], float]]:
    """The n-grams of one order: log10 of the probability, tokens, log10 of the back-off
    weight.
    """
    lines.expect(f"\\{order}-grams:")
    for count in range(sizes[order - 1]):
        fields = _SPACE.split(lines.current)
        if len(fields) - order not in (1, 2) or lines.current.startswith("\\"):
            raise lines.error(
                f"should be {order}-gram {count + 1} of the {sizes[order - 1]} that the header "
                f"names: log10 P, {order} tokens and perhaps a back-off weight"
            )
        try:
            log_prob = float(fields[0])
            backoff = float(fields[order + 1]) if len(fields) == order + 2 else 0.0
        except ValueError as error:
            raise lines.error(f"holds no number where one should be ({error})") from error
        if not log_prob < 1e-4 or not backoff < math.inf:
            raise lines.error("is no logarithm of a probability with a back-off weight")
        if order > 1 and fields[order] == BEGIN:
            raise lines.error(f"ends in {BEGIN}, which is never predicted")
        log_prob = -math.inf if log_prob <= _NEVER else min(log_prob, 0.0)
        yield log_prob, fields[1 : order + 1], backoff
        lines.advance()
    if lines.current and not lines.current.startswith("\\"):
        raise lines.error(
            f"is one {order}-gram more than the {sizes[order - 1]} that the header names"
        )


def _read_table(
    lines: _Lines,
    order: int,
    sizes: list[int],
    ids: dict[str, int],
    tables: list[BackoffTable],
) -> BackoffTable:
    """One section as a table; `tables` are those of the orders below."""
    grams = np.empty((sizes[order - 1], order), dtype=np.int64)
    log_probs, backoffs = np.empty(len(grams)), np.empty(len(grams))
    numbers = np.empty(len(grams), dtype=np.int64)  # of the lines
    for row, (log_prob, words, backoff) in enumerate(_section(lines, order, sizes)):
        try:
            grams[row] = [ids[word] for word in words]
        except KeyError as error:
            raise lines.error(
                f"holds the token {error}, which is not among the {len(ids)} given ones; "
                "arpa_tokens(path) gives those of the file"
            ) from error
        log_probs[row], backoffs[row], numbers[row] = log_prob, backoff, lines.number
    keys = grams[:, 0]
    for table, token in zip(tables, grams.T[1:], strict=True):
        place = table.places(keys)
        if (place < 0).any():
            row = int((place < 0).argmax())
            raise ValueError(
                f"{lines.path}, line {numbers[row]}: the context of this {order}-gram is not "
                "listed among the shorter ones"
            )
        keys = place * len(ids) + token
    sort = np.argsort(keys, kind="stable")
    keys = keys[sort]
    twice = (np.diff(keys) == 0).nonzero()[0]
    if len(twice):
        raise ValueError(
            f"{lines.path}, line {numbers[sort[twice[0] + 1]]}: this {order}-gram stands there "
            "twice"
        )
    log_probs, backoffs = log_probs[sort] * math.log(10), backoffs[sort] * math.log(10)
    if order == 1:
        return _all_unigrams(lines, keys, log_probs, backoffs, ids)
    last = order == len(sizes)
    return BackoffTable(keys, log_probs, np.zeros(1) if last else np.append(backoffs, 0.0))


def _all_unigrams(
    lines: _Lines,
    keys: np.ndarray,
    log_probs: np.ndarray,
    backoffs: np.ndarray,
    ids: dict[str, int],
) -> BackoffTable:
    """The table of the unigrams, which must list every id; only `<unk>` may be missing, and
    then has probability 0.
    """
    listed = np.isin(np.arange(len(ids)), keys)
    missing = [token for token, number in ids.items() if not listed[number]]
    if set(missing) - {UNKNOWN}:
        raise ValueError(
            f"{lines.path} has no unigram {min(set(missing) - {UNKNOWN})!r}, and lacks "
            f"{len(missing)} of the {len(ids)} given tokens; arpa_tokens(path) gives those of "
            "the file"
        )
    full_log_probs, full_backoffs = np.full(len(ids), -np.inf), np.zeros(len(ids) + 1)
    full_log_probs[keys], full_backoffs[keys] = log_probs, backoffs
    full_log_probs[ids[BEGIN]] = -np.inf
    return BackoffTable(np.arange(len(ids)), full_log_probs, full_backoffs)
