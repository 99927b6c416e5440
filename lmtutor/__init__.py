"""Language models from n-gram counts to fine-tuned transformers: the package under the book.

Its parts, each with a help of its own, such as help(lmtutor.models):

    data         texts to learn from, tasks, batches, and sources whose entropy is known
    tokenizers   from text to numbers and back: characters, words, byte pairs, WordPiece
    models       n-grams, word vectors, recurrent networks, GPT, Llama, BERT, classifiers
    layers       what these are made of, each proven equal to its reference
    training     one loop for all networks, optimisers, distillation
    metrics      bits per byte, BLEU, F1 and others, with intervals
    decoding     greedy, sampled and beam search; streaming; filling gaps
    pretrained   trained models: this project's, and those of others
    families     sizes and costs of published models, computed
    widgets      models that run in the browser, and explorers for notebooks
    plots        the book's figures
    autograd     back-propagation that is small enough to be read
    scoreboard   one table for all models
    exercises    exercises that check themselves

Recipes stand in book/cookbook.md, and `python -m lmtutor` works on text files. Importing the
package is quick: each part, and with it torch, is loaded when it is first used.

>>> import lmtutor
>>> sorted(lmtutor.__all__)
['claim', 'page_cost', 'seed_everything', 'set_threads', 'show_source']
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmtutor.claims import claim
    from lmtutor.display import show_source
    from lmtutor.runtime import page_cost, seed_everything, set_threads

__all__ = ["claim", "page_cost", "seed_everything", "set_threads", "show_source"]

_HOMES = {
    "claim": "claims",
    "page_cost": "runtime",
    "seed_everything": "runtime",
    "set_threads": "runtime",
    "show_source": "display",
}
_PARTS = {
    "autograd",
    "claims",
    "data",
    "decoding",
    "display",
    "exercises",
    "families",
    "layers",
    "metrics",
    "models",
    "plots",
    "pretrained",
    "runtime",
    "scoreboard",
    "tokenizers",
    "training",
    "widgets",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("lmtutor")
    if name in _HOMES:
        return getattr(import_module(f"lmtutor.{_HOMES[name]}"), name)
    if name in _PARTS:
        return import_module(f"lmtutor.{name}")
    raise AttributeError(
        f"lmtutor has no part named {name!r}; it has {sorted(_PARTS | _HOMES.keys())}"
    )


def __dir__() -> list[str]:
    return sorted(_PARTS | _HOMES.keys() | {"__version__"})
