"""BERT from the Hugging Face hub into our model.

Left out: heads of other tasks than pre-training; a file that has one is refused, as what it
holds would be lost.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lmtutor.files import PathLike
from lmtutor.models import Bert, BertForClassification, BertForPreTraining
from lmtutor.models.bert_heads import MASKED_HEAD, NEXT_HEAD
from lmtutor.pretrained.checkpoints import (
    check_tensors,
    find_folder,
    read_config,
    read_weights,
    some,
)
from lmtutor.pretrained.hub_configs import bert_config, to_bert_config
from lmtutor.pretrained.hub_names import (
    CLASSIFIER_NAMES,
    MASKED_HEAD_NAMES,
    NEXT_HEAD_NAMES,
    Entry,
    bert_names,
)
from lmtutor.tokenizers import WordPieceTokenizer

_PREFIX = "bert."
_TIED = {
    "cls.predictions.decoder.weight": "embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}

Twins = dict[type, Callable[[Any], tuple[Any, list[Entry]]]]


@dataclass(frozen=True)
class HubBert:
    """A BERT of others in our code, ready to be used and not trained (`eval`)."""

    model: BertForPreTraining
    """Its `untrained` names the heads that the files do not have."""
    tokenizer: WordPieceTokenizer | None
    """None, if none came with the model."""


def load_bert(
    path_or_name: PathLike, cache_dir: PathLike | None = None, revision: str | None = None
) -> HubBert:
    """A BERT with its published weights.

    Many files have the encoder alone, as the heads of pre-training are of no use to most. Such
    heads are new and random here; `model.untrained` names them, and the model refuses to
    predict with them.

    Args:
        path_or_name: a folder with `config.json` and safetensors, or a name on the hub, such as
            "google-bert/bert-base-uncased", which is looked up in the local cache and, if that
            does not hold it and HF_HUB_OFFLINE is not set, downloaded.
        cache_dir: of the hub's library, if it is not where it always is.
        revision: a branch, tag or commit on the hub.

    Returns:
        A `BertForPreTraining` in float32 without dropout, and its tokenizer.

    Raises:
        ValueError: the folder holds another architecture, an option that this model does not
            have, tensors that do not fit the configuration, weights as pickles, or a tokenizer
            of a larger vocabulary than the model's.
        ConnectionError: the name is not in the cache, and the hub cannot be reached.
    """
    folder = find_folder(path_or_name, cache_dir, revision)
    model = BertForPreTraining(bert_config(read_config(folder)))
    # Old files carry the numbers of the positions.
    tensors = read_weights(folder, ignored=r".*\bembeddings\.position_ids")
    theirs = {_new_name(name): tensor for name, tensor in tensors.items()}
    if len(theirs) < len(tensors):
        twice = {name for name in tensors if f"{_PREFIX}{name}" in tensors}
        raise ValueError(f"the files hold {some(twice)} under two names; leave one of them out")
    _fill(model, theirs)
    tokenizer = _load_tokenizer(folder)
    if tokenizer is not None and tokenizer.vocab_size > model.vocab_size:
        raise ValueError(
            f"the tokenizer in {folder} has {tokenizer.vocab_size} ids, and the model "
            f"{model.vocab_size}; they do not belong together"
        )
    return HubBert(model.eval(), tokenizer)


def _encoder_twin(model: Bert) -> tuple[Any, list[Entry]]:
    from transformers import BertModel

    return BertModel(to_bert_config(model.config)), bert_names(model)


def _pretraining_twin(model: BertForPreTraining) -> tuple[Any, list[Entry]]:
    import transformers

    names = [entry.under(_PREFIX, _PREFIX) for entry in bert_names(model.bert)]
    tied = [
        Entry(f"output.{kind}", (f"cls.predictions.decoder.{kind}",))
        for kind in ("weight", "bias")
    ]
    theirs = transformers.BertForPreTraining(to_bert_config(model.config))
    return theirs, [*names, *MASKED_HEAD_NAMES, *tied, *NEXT_HEAD_NAMES]


def _classification_twin(model: BertForClassification) -> tuple[Any, list[Entry]]:
    from transformers import BertForSequenceClassification

    names = [entry.under(_PREFIX, _PREFIX) for entry in bert_names(model.bert)]
    config = to_bert_config(
        model.config.encoder,
        num_labels=model.config.num_labels,
        classifier_dropout=model.config.dropout,
    )
    return BertForSequenceClassification(config), [*names, *CLASSIFIER_NAMES]


BERT_TWINS: Twins = {
    Bert: _encoder_twin,
    BertForPreTraining: _pretraining_twin,
    BertForClassification: _classification_twin,
}
"""For each of our classes: theirs with random weights, and which tensors are which."""


def _new_name(name: str) -> str:
    """Without the prefix, which files of the encoder alone lack, and with the present words for
    the factors and shifts of norms, which BERT's first files call gamma and beta.
    """
    name = name.removeprefix(_PREFIX)
    for old, new in {".gamma": ".weight", ".beta": ".bias"}.items():
        if name.endswith(f"LayerNorm{old}"):
            name = name.removesuffix(old) + new
    return name


def _fill(model: BertForPreTraining, theirs: dict[str, torch.Tensor]) -> None:
    """Put these weights into the model, or raise a ValueError that lists what does not fit."""
    for name, twin in _TIED.items():
        tied = theirs.pop(name, None)
        if tied is not None and not torch.equal(tied, theirs.setdefault(twin, tied)):
            raise ValueError(f"{name} holds other numbers than {twin}; here they are one")
    encoder = [entry.under("", _PREFIX) for entry in bert_names(model.bert)]
    pooler = [entry for entry in encoder if entry.ours.startswith(f"{_PREFIX}pooler")]
    untrained = set()
    for head, names in {MASKED_HEAD: MASKED_HEAD_NAMES, NEXT_HEAD: NEXT_HEAD_NAMES}.items():
        if any(name in theirs for entry in names for name in entry.theirs):
            encoder += names
        else:
            untrained.add(head)
    if NEXT_HEAD in untrained and not any(entry.theirs[0] in theirs for entry in pooler):
        encoder = [entry for entry in encoder if entry not in pooler]
    empty = model.state_dict()
    shapes = {
        name: tuple(part.shape)
        for entry in encoder
        for name, part in entry.split(empty[entry.ours]).items()
    }
    check_tensors(shapes, {name: tuple(tensor.shape) for name, tensor in theirs.items()})
    with torch.no_grad():
        for entry in encoder:
            empty[entry.ours].copy_(entry.join(theirs))
    model.untrained = frozenset(untrained)


def _load_tokenizer(folder: Path) -> WordPieceTokenizer | None:
    """From `vocab.txt` or, in new folders, from `tokenizer.json`."""
    settings = _read_json(folder / "tokenizer_config.json")
    lowercase = bool(settings.get("do_lower_case", True))
    _check_cutting(folder / "tokenizer_config.json", settings, lowercase)
    if (folder / "vocab.txt").exists():
        return WordPieceTokenizer.from_file(folder / "vocab.txt", lowercase)
    content = _read_json(folder / "tokenizer.json")
    if not content:
        return None
    kind = content.get("model", {}).get("type")
    if kind != "WordPiece":
        raise ValueError(
            f"the tokenizer in {folder} is of the kind {kind!r}, and a BERT has WordPiece; "
            "load it with transformers"
        )
    ids = content["model"]["vocab"]
    normalizer = content.get("normalizer") or {}
    lowercase = bool(normalizer.get("lowercase", lowercase))
    _check_cutting(folder / "tokenizer.json", content["model"] | normalizer, lowercase)
    tokens = sorted(ids, key=ids.__getitem__)
    gaps = [number for number, token in enumerate(tokens) if ids[token] != number]
    if gaps:
        raise ValueError(f"the vocabulary in {folder / 'tokenizer.json'} has no id {gaps[0]}")
    return WordPieceTokenizer.from_tokens(tokens, lowercase)


def _check_cutting(path: Path, settings: dict[str, Any], lowercase: bool) -> None:
    """Refuse what would cut texts in another way than our tokenizer does."""
    for name, allowed in {
        "type": ("WordPiece", "BertNormalizer"),
        "do_lower_case": (True, False, None),
        "strip_accents": (None, lowercase),
        "tokenize_chinese_chars": (True, None),
        "handle_chinese_chars": (True,),
        "clean_text": (True,),
        "continuing_subword_prefix": ("##",),
        "max_input_chars_per_word": (100,),
    }.items():
        value = settings.get(name, allowed[0])
        if value not in allowed:
            raise ValueError(
                f"{path} says {name} {value!r}, which would change the tokens and is not "
                f"supported; it can be {' or '.join(map(repr, allowed))}"
            )


def _read_json(path: Path) -> dict[str, Any]:
    """What the file says; nothing, if there is none."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, OSError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error})") from error
    return content if isinstance(content, dict) else {}
