"""What lossy tokens leave out of a text, paid for by a character model.

If tokens T follow from a text X, then P(X) = P(T) P(X | T). The model of the tokens gives the
first factor; this module bounds the second from below, with a model that reads the text
character by character:

- A character of an unknown word costs -log p(character | text so far), and the end of the word
  costs what the character after it costs.
- Between two known tokens there can be white space or, if they can stand side by side, nothing:
  p is renormalised over the two. Two words of letters cannot, so the space between them is
  certain and costs nothing.

So no probability is counted twice, and what comes out is a true upper bound on -log P(X | T).
"""

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from lmtutor.models.language_model import LanguageModel, inference, windowed_rows

if TYPE_CHECKING:
    from lmtutor.tokenizers import Tokenizer


class Speller:
    """A character model that pays for what one lossy tokenizer loses.

    Args:
        model: a language model over the ids of `characters`.
        characters: a lossless tokenizer with at least one id per character.
        tokenizer: the lossy one.

    Raises:
        ValueError: `characters` is itself lossy, or has more ids than the model.
    """

    def __init__(self, model: LanguageModel, characters: "Tokenizer", tokenizer: "Tokenizer"):
        if not characters.is_lossless or characters.vocab_size > model.vocab_size:
            raise ValueError(
                f"the character model must read every text: its {type(characters).__name__} "
                f"has {characters.vocab_size} ids (lossless: {characters.is_lossless}), the "
                f"model {model.vocab_size}"
            )
        self.model, self.characters, self.tokenizer = model, characters, tokenizer
        self._first_id = functools.cache(lambda character: characters.encode(character)[0])
        self._merge = functools.cache(self._would_merge)
        marks = (characters.bos_id, characters.eos_id)
        # Bytes are among them, for the kinds of white space that were never seen.
        self._spaces = [
            number
            for number, token in enumerate(characters.vocabulary)
            if number not in marks and (token.isspace() or len(token) > 1)
        ]

    def nats(self, document: str) -> float:
        """An upper bound on -log P(document | its tokens), in nats."""
        rows, taken = self._read(document)
        with np.errstate(divide="ignore"):
            space = np.log(np.exp(rows[:, self._spaces]).sum(axis=1))
        unknown = getattr(self.tokenizer, "unk_id", None)
        ids, offsets = self.tokenizer.encode_with_offsets(document)
        tokens = [
            (*offset, token != unknown) for token, offset in zip(ids, offsets, strict=True)
        ]
        nats, position, left, left_known = 0.0, 0, "", True
        for start, stop, known in [*tokens, (len(document), len(document), True)]:
            right = document[start:stop]
            for place in range(
                position, start + known
            ):  # the white space, then what the known token begins with
                nats -= taken[place]
                if known and (left_known or place > position):
                    begins = rows[
                        place, self._first_id(right[0]) if right else self.model.eos_id
                    ]
                    can_begin = (
                        place == start or place > position or not self._merge(left, right)
                    )
                    nats += float(
                        np.logaddexp(space[place], begins) if can_begin else space[place]
                    )
            if not known:
                nats -= sum(taken[start:stop])
            # A known mark right behind an unknown word may belong to it: x' could go on as x'y.
            left_known = known and (left_known or start > position)
            position, left = stop, right
        return (
            math.inf if math.isnan(nats) else nats
        )  # inf - inf: something that happened had the probability 0

    def _read(self, document: str) -> tuple[np.ndarray, list[float]]:
        """For each of the N characters and the end: (N + 1, V) what the model expects there, (N
        + 1,) log p of it.
        """
        ids, offsets = self.characters.encode_with_offsets(document)
        with inference(self.model):
            inputs = torch.tensor([[self.model.bos_id, *ids]])
            pieces = [rows for _, rows in windowed_rows(self.model, inputs)]
        rows = torch.cat(pieces).double().numpy(force=True)  # (len(ids) + 1, V)
        of_ids = rows[range(len(ids) + 1), [*ids, self.model.eos_id]].tolist()
        taken, first = [0.0] * len(document) + of_ids[-1:], [0] * len(document) + [len(ids)]
        for number in reversed(
            range(len(ids))
        ):  # a character of several bytes costs all of them
            place = offsets[number][0]
            taken[place] += of_ids[number]
            first[place] = number
        return (rows if len(ids) == len(document) else rows[first]), taken

    def _would_merge(self, left: str, right: str) -> bool:
        """Whether two tokens would become one, or be cut elsewhere, if nothing stood between
        them.
        """
        return bool(left and right) and self.tokenizer.encode_with_offsets(left + right)[1][
            0
        ] != (0, len(left))
