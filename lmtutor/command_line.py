"""The package from a terminal: train a model on text files, measure it, let it write, show it.

    python -m lmtutor                                 what there is
    python -m lmtutor train book.txt --out mine       an n-gram model; --kind gpt for a GPT
    python -m lmtutor perplexity mine other.txt       bits per byte, and perplexity
    python -m lmtutor generate mine --prompt "In the"
    python -m lmtutor playground mine --out mine.html

Each line of a file that is not empty is a document, unless `--whole` makes each file one. A
MODEL is a folder that `train` wrote, or the name of a model that comes with the package. Left
out: everything that takes more than a few options, which is what the package is for, and
tokenizers of words, which lose a part of the text.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmtutor.models import LanguageModel
    from lmtutor.tokenizers import Tokenizer

KINDS = ("ngram", "rnn", "lstm", "gru", "gpt")
TOKENIZERS = ("byte-pair", "characters")
_HELD_OUT = 20
"""Of so many documents one is held out, to measure the model."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and give its exit code: 0, or 2 with a line that says what was wrong."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        print(f"lmtutor: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lmtutor: stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lmtutor", description="Language models on text files."
    )
    parser.set_defaults(run=_overview)
    commands = parser.add_subparsers(title="commands", metavar="")

    train = commands.add_parser("train", help="train a model on text files")
    _add_files(train)
    train.add_argument("--out", required=True, metavar="FOLDER", help="where the model goes")
    train.add_argument("--kind", choices=KINDS, default="ngram")
    train.add_argument("--tokenizer", choices=TOKENIZERS, default="byte-pair")
    train.add_argument("--vocab-size", type=int, default=4096, help="of byte pairs")
    train.add_argument("--order", type=int, default=5, help="of an n-gram model")
    train.add_argument("--hidden-size", type=int, default=128)
    train.add_argument("--layers", type=int, default=2)
    train.add_argument("--heads", type=int, default=4, help="of a GPT")
    train.add_argument("--context", type=int, default=128, help="in tokens")
    train.add_argument("--steps", type=int, default=1000)
    train.add_argument("--batch-tokens", type=int, default=2048)
    train.add_argument("--learning-rate", type=float, default=3e-3)
    train.add_argument("--seed", type=int, default=0)
    train.set_defaults(run=_train)

    perplexity = commands.add_parser("perplexity", help="measure a model on text files")
    perplexity.add_argument("model", metavar="MODEL")
    _add_files(perplexity)
    perplexity.set_defaults(run=_perplexity)

    generate = commands.add_parser("generate", help="let a model write")
    generate.add_argument("model", metavar="MODEL")
    generate.add_argument("--prompt", default="")
    generate.add_argument("--tokens", type=int, default=100, help="to write at the most")
    generate.add_argument("--temperature", type=float, default=0.8, help="0 is greedy")
    generate.add_argument("--top-k", type=int)
    generate.add_argument("--top-p", type=float, default=0.95)
    generate.add_argument("--seed", type=int, default=0)
    generate.set_defaults(run=_generate)

    playground = commands.add_parser("playground", help="one HTML file to play with models")
    playground.add_argument("models", nargs="+", metavar="MODEL")
    playground.add_argument("--out", required=True, metavar="PAGE")
    playground.add_argument("--prompt", default="")
    playground.set_defaults(run=_playground)
    return parser


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="text in UTF-8")
    parser.add_argument("--whole", action="store_true", help="each file is one document")


def _overview(options: argparse.Namespace) -> None:
    from importlib.metadata import version
    from pkgutil import iter_modules

    from lmtutor.data import available_corpora, available_tasks
    from lmtutor.pretrained import available_pretrained

    rows = {
        "parts": [part.name for part in iter_modules([str(Path(__file__).parent)])],
        "texts": sorted(available_corpora()),
        "tasks": sorted(available_tasks()),
        "trained models": available_pretrained(),
        "commands": ["train", "perplexity", "generate", "playground"],
    }
    print(f"lmtutor {version('lmtutor')}")
    for name, things in rows.items():
        print(f"  {name:<15} {', '.join(things)}")
    print("python -m lmtutor COMMAND --help says more; help(lmtutor.models) in Python, too.")


def read_documents(files: Sequence[str], whole: bool = False) -> list[str]:
    """The documents of text files: their lines that are not empty, or each file as a whole.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is not in UTF-8, or there is nothing in any of them.
    """
    documents: list[str] = []
    for name in files:
        try:
            text = Path(name).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{name} is not in UTF-8 (byte {error.start}: {error.reason}); convert it first"
            ) from error
        documents += [text] if whole else text.splitlines()
    documents = [document for document in documents if document.strip()]
    if not documents:
        raise ValueError(f"there is no text in {', '.join(files)}")
    return documents


def _load(name: str) -> "tuple[LanguageModel, Tokenizer]":
    """A model that comes with the package, or one in a folder."""
    from lmtutor.models import LanguageModel
    from lmtutor.pretrained import available_pretrained, load_model, load_pretrained

    if name not in available_pretrained():
        if not Path(name).is_dir():
            raise ValueError(
                f"{name} is neither a folder with a model nor one of "
                f"{', '.join(available_pretrained())}"
            )
        found = load_model(name)
        return found.model, found.tokenizer
    trained = load_pretrained(name)
    if not isinstance(trained.model, LanguageModel):
        raise ValueError(f"{name} is a {type(trained.model).__name__} and no language model")
    return trained.model, trained.tokenizer


def _train(options: argparse.Namespace) -> None:
    from lmtutor.metrics import bits_per_byte
    from lmtutor.pretrained import save_model

    documents = read_documents(options.files, options.whole)
    held_out = documents[_HELD_OUT - 1 :: _HELD_OUT]
    kept = [d for place, d in enumerate(documents) if place % _HELD_OUT != _HELD_OUT - 1]
    tokenizer = _make_tokenizer(options).fit(kept)
    ids = [tokenizer.encode(document) for document in kept]
    print(
        f"{len(kept):,} documents to train on, {len(held_out):,} held out; "
        f"{sum(map(len, ids)):,} tokens of a vocabulary of {tokenizer.vocab_size:,}"
    )
    fit = _fit_ngram if options.kind == "ngram" else _fit_network
    model = fit(options, tokenizer, ids)
    save_model(options.out, model, tokenizer)
    print(f"{model.num_parameters:,} numbers learnt, kept in {options.out}")
    if held_out:
        print(f"held-out documents: {bits_per_byte(model, tokenizer, held_out)}")


def _make_tokenizer(options: argparse.Namespace) -> "Tokenizer":
    from lmtutor.tokenizers import BytePairTokenizer, CharacterTokenizer

    if options.tokenizer == "byte-pair":
        return BytePairTokenizer(options.vocab_size)
    return CharacterTokenizer()


def _fit_ngram(options: argparse.Namespace, tokenizer: "Tokenizer", ids: list[Any]) -> Any:
    from lmtutor.models import NgramModel

    model = NgramModel(options.order, "kneser_ney", vocab_size=tokenizer.vocab_size)
    return model.fit(ids)


def _fit_network(options: argparse.Namespace, tokenizer: "Tokenizer", ids: list[Any]) -> Any:
    import torch

    from lmtutor.data import DocumentRuns
    from lmtutor.models import GRULanguageModel, LSTMLanguageModel, ModernGPT, RNNLanguageModel
    from lmtutor.training import TrainingConfig, fit_model

    torch.manual_seed(options.seed)
    sizes = {"vocab_size": tokenizer.vocab_size, "hidden_size": options.hidden_size}
    model: Any
    if options.kind == "gpt":
        model = ModernGPT(
            **sizes,
            context_length=options.context,
            num_layers=options.layers,
            num_heads=options.heads,
        )
    else:
        kinds = {"rnn": RNNLanguageModel, "lstm": LSTMLanguageModel, "gru": GRULanguageModel}
        sizes |= {"num_layers": options.layers, "embedding_size": options.hidden_size}
        model = kinds[options.kind](**sizes)
    batches = DocumentRuns(ids, options.batch_tokens, options.context, seed=options.seed)
    config = TrainingConfig(
        num_steps=options.steps,
        learning_rate=options.learning_rate,
        warmup_steps=options.steps // 20,
        weight_decay=0.1,
        seed=options.seed,
    )
    fit_model(model, batches, config)
    return model.eval()


def _perplexity(options: argparse.Namespace) -> None:
    import math

    from lmtutor.metrics import bits_per_byte

    model, tokenizer = _load(options.model)
    documents = read_documents(options.files, options.whole)
    score = bits_per_byte(model, tokenizer, documents)
    bits = score.value * score.num_bytes / score.num_tokens
    print(
        f"{len(documents):,} documents, {score.num_bytes:,} bytes, {score.num_tokens:,} tokens"
    )
    print(score)
    print(f"perplexity {2**bits:,.2f} per token" if math.isfinite(bits) else "perplexity inf")


def _generate(options: argparse.Namespace) -> None:
    from lmtutor.decoding import Greedy, Sample, Strategy, generate_text

    model, tokenizer = _load(options.model)
    strategy: Strategy = Greedy()
    if options.temperature != 0:
        strategy = Sample(options.temperature, options.top_k, options.top_p)
    pieces = generate_text(
        model, tokenizer, options.prompt, options.tokens, strategy, options.seed, stream=True
    )
    print(options.prompt, end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()


def _playground(options: argparse.Namespace) -> None:
    from lmtutor.widgets import Playground

    pairs = {Path(name).name: _load(name) for name in options.models}
    shown = Playground(pairs, options.prompt)
    shown.save_page(options.out)
    print(f"{options.out}: {', '.join(pairs)}, {shown.num_bytes / 1e6:.1f} MB")
