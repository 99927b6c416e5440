"""What a model knows about a closing bracket, by how far away its partner is."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from lmtutor.models.language_model import LanguageModel, inference

if TYPE_CHECKING:
    from lmtutor.tokenizers import Vocabulary


def bracket_sureness(
    model: LanguageModel,
    vocabulary: "Vocabulary",
    kinds: Sequence[str],
    documents: Sequence[str],
) -> dict[int, float]:
    """The mean probability of the right kind of bracket, given that one closes here.

    Args:
        model: a language model over the ids of `vocabulary`.
        vocabulary: with every bracket as a token.
        kinds: pairs of an opening and a closing bracket, such as "()".
        documents: text of nothing but properly nested brackets.

    Returns:
        Distance to the partner, in symbols, to a probability.

    Raises:
        ValueError: documents are one string, or one of them is not properly nested or holds a
            symbol that is no bracket.

    >>> from lmtutor.models import UniformModel
    >>> from lmtutor.tokenizers import Vocabulary
    >>> vocabulary = Vocabulary(["<s>", "</s>", *"()[]"])
    >>> bracket_sureness(UniformModel(6), vocabulary, ["()", "[]"], ["([])"])
    {1: 0.5, 3: 0.5}
    """
    if isinstance(documents, str):
        raise ValueError("documents must be a list, and is one string; write [text]")
    partner = {kind[1]: kind[0] for kind in kinds}
    ids = {symbol: vocabulary.id_of(symbol) for kind in kinds for symbol in kind}
    closing = [ids[symbol] for symbol in partner]
    sure: dict[int, list[float]] = defaultdict(list)
    for document in filter(None, documents):
        unknown = set(document) - ids.keys()
        if unknown:
            raise ValueError(f"{document!r} holds {min(unknown)!r}, and the kinds are {kinds}")
        read = torch.tensor([[model.bos_id, *(ids[symbol] for symbol in document)]])
        with inference(model):
            rows = model.log_probs(read)[0][:-1, closing].softmax(dim=-1)  # (T, kinds)
        open_at: list[int] = []
        for place, symbol in enumerate(document):
            if symbol not in partner:
                open_at.append(place)
                continue
            if not open_at or document[open_at[-1]] != partner[symbol]:
                raise ValueError(f"{document!r} is not properly nested at position {place}")
            share = rows[place, closing.index(ids[symbol])]
            sure[place - open_at.pop()].append(float(share))
        if open_at:
            raise ValueError(
                f"{document!r} leaves open what it opens at position {open_at[-1]}"
            )
    return {distance: sum(seen) / len(seen) for distance, seen in sorted(sure.items())}
