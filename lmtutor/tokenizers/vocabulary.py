"""The list that gives every token a number."""

from collections.abc import Iterable, Iterator

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"


class Vocabulary:
    """Tokens and their ids 0, 1, 2, ..., looked up both ways.

    Args:
        tokens: in the order of their ids.

    Raises:
        ValueError: a token stands there twice.

    >>> vocabulary = Vocabulary(["<s>", "</s>", "the", "cat"])
    >>> vocabulary.id_of("cat"), vocabulary[2], len(vocabulary), "dog" in vocabulary
    (3, 'the', 4, False)
    """

    def __init__(self, tokens: Iterable[str]):
        self.tokens = tuple(tokens)
        self._ids = {token: position for position, token in enumerate(self.tokens)}
        if len(self._ids) < len(self.tokens):
            twice = next(
                token
                for position, token in enumerate(self.tokens)
                if self._ids[token] != position
            )
            raise ValueError(
                f"the token {twice!r} stands in the vocabulary twice; list every token once"
            )

    def id_of(self, token: str, default: int | None = None) -> int:
        """The id of `token`, or `default` where it is given and the token is unknown.

        Raises:
            ValueError: the token is unknown and there is no default.
        """
        found = self._ids.get(token, default)
        if found is None:
            raise ValueError(f"the vocabulary of {len(self)} tokens does not hold {token!r}")
        return found

    def ids_of(self, tokens: Iterable[str], default: int) -> list[int]:
        """The ids of many tokens, `default` for those that are unknown."""
        return [self._ids.get(token, default) for token in tokens]

    def __getitem__(self, token_id: int) -> str:
        if not 0 <= token_id < len(self.tokens):
            raise ValueError(f"id {token_id} is outside the vocabulary of {len(self)} tokens")
        return self.tokens[token_id]

    def __len__(self) -> int:
        return len(self.tokens)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._ids

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} tokens)"
