"""GPT-2 and Llama from the Hugging Face hub into our models, and back.

The names and shapes are mapped here, in the open; nothing is loaded through the models of
`transformers`. Left out: other architectures, and options of these two that change what is
computed; each is refused by its name.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor

from lmtutor.files import PathLike
from lmtutor.models import (
    GPT,
    Bert,
    BertForClassification,
    BertForPreTraining,
    CausalTransformer,
    Llama,
)
from lmtutor.models.stored import check_no_lora
from lmtutor.pretrained.checkpoints import (
    check_tensors,
    find_folder,
    read_config,
    read_weights,
    some,
)
from lmtutor.pretrained.hub_bert import BERT_TWINS, Twins
from lmtutor.pretrained.hub_configs import (
    gpt2_config,
    llama_config,
    to_gpt2_config,
    to_llama_config,
)
from lmtutor.pretrained.hub_names import SCORES, Entry, gpt2_names, llama_names
from lmtutor.pretrained.hub_tokenizer import HubTokenizer, load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Model = TypeVar("Model", bound=CausalTransformer)


@dataclass(frozen=True)
class HubModel:
    """A model of others in our code, ready to be used and not trained (`eval`)."""

    model: CausalTransformer
    tokenizer: HubTokenizer | None
    """None, if none came with the model."""


def load_gpt2(
    path_or_name: PathLike, cache_dir: PathLike | None = None, revision: str | None = None
) -> HubModel:
    """A GPT-2 with its published weights.

    Args:
        path_or_name: a folder with `config.json` and safetensors, or a name on the hub, such as
            "openai-community/gpt2", which is looked up in the local cache and, if that does not
            hold it and HF_HUB_OFFLINE is not set, downloaded.
        cache_dir: of the hub's library, if it is not where it always is.
        revision: a branch, tag or commit on the hub.

    Returns:
        A `GPT` in float32, whatever the file has, and its tokenizer. Its dropout is 0: the file
        says what others trained with. A mark that the file does not name, or that is no id of
        the vocabulary, is taken to be the last id, which it is in GPT-2.

    Raises:
        ValueError: the folder holds another architecture, an option that this model does not
            have, tensors that do not fit the configuration, or weights as pickles.
        ConnectionError: the name is not in the cache, and the hub cannot be reached.
    """
    folder = find_folder(path_or_name, cache_dir, revision)
    config = gpt2_config(read_config(folder))
    # Old files carry the causal mask of each block.
    tensors = read_weights(folder, ignored=r".*\bh\.\d+\.attn\.(masked_)?bias")
    model = _fill(GPT, config, config.tied, tensors, "transformer.", gpt2_names)
    return HubModel(model, load_tokenizer(folder, config.bos_id, config.eos_id))


def load_llama(
    path_or_name: PathLike,
    cache_dir: PathLike | None = None,
    revision: str | None = None,
    context_length: int | None = None,
) -> HubModel:
    """A model of Llama's architecture with published weights.

    Args:
        path_or_name: as in `load_gpt2`, and so are the others.
        cache_dir: of the hub's library.
        revision: a branch, tag or commit on the hub.
        context_length: fewer positions than the model has read, so that what a reader keeps of
            a text takes less memory. None: all of them.

    Returns:
        A `Llama` in float32, and its tokenizer. If the file names several end marks, the model
        has the first.

    Raises:
        ValueError: as `load_gpt2`; Llama 3.1 and later, which stretch their positions, are
            among what is refused. Or context_length is below 1 or above the model's.
        ConnectionError: the name is not in the cache, and the hub cannot be reached.
    """
    folder = find_folder(path_or_name, cache_dir, revision)
    config = llama_config(read_config(folder))
    if context_length is not None:
        if context_length > config.context_length:
            raise ValueError(
                f"context_length is {context_length}, and the model has read "
                f"{config.context_length} positions at the most"
            )
        config = replace(config, context_length=context_length)
    # Old files carry the frequencies of the rotary positions.
    tensors = read_weights(folder, ignored=r".*\.rotary_emb\.inv_freq")
    model = _fill(Llama, config, config.variant.tied, tensors, "model.", llama_names)
    return HubModel(model, load_tokenizer(folder, config.bos_id, config.eos_id))


def to_hf(
    model: GPT | Llama | Bert | BertForPreTraining | BertForClassification,
) -> "PreTrainedModel":
    """The same model for `transformers`, with a copy of the weights, in their precision.

    Returns:
        A GPT2LMHeadModel, LlamaForCausalLM, BertModel, BertForPreTraining or
        BertForSequenceClassification.

    Raises:
        ValueError: it is of another class, which `transformers` does not have, or has low-rank
            parts that are not merged.
    """
    twins: Twins = {GPT: _gpt2_twin, Llama: _llama_twin, **BERT_TWINS}
    if type(model) not in twins:
        known = ", ".join(kind.__name__ for kind in twins)
        raise ValueError(f"a {type(model).__name__} has no twin there; these have one: {known}")
    check_no_lora(model)
    with torch.random.fork_rng():  # their first weights, which are overwritten
        theirs, names = twins[type(model)](model)
    state = model.state_dict()
    tensors = {
        name: part for entry in names for name, part in entry.split(state[entry.ours]).items()
    }
    weight = next(model.parameters())
    theirs = theirs.to(device=weight.device, dtype=weight.dtype)
    theirs.load_state_dict(tensors)
    return cast("PreTrainedModel", theirs.eval())


def _gpt2_twin(model: GPT) -> tuple[Any, list[Entry]]:
    from transformers import GPT2LMHeadModel

    names = [entry.under("transformer.") for entry in gpt2_names(model)]
    return GPT2LMHeadModel(to_gpt2_config(model.config)), [*names, SCORES]


def _llama_twin(model: Llama) -> tuple[Any, list[Entry]]:
    from transformers import LlamaForCausalLM

    names = [entry.under("model.") for entry in llama_names(model)]
    return LlamaForCausalLM(to_llama_config(model.config)), [*names, SCORES]


def _fill(
    model_class: type[Model],
    config: Any,
    tied: bool,
    tensors: dict[str, Tensor],
    prefix: str,
    names_of: Callable[[Any], list[Entry]],
) -> Model:
    """A model with these weights, or a ValueError that lists what does not fit."""
    with torch.device("meta"):  # no numbers are drawn that would be overwritten at once
        model = model_class(config)
    names = names_of(model)
    # Files of the model without its scores lack the prefix.
    theirs = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    if len(theirs) < len(tensors):
        twice = {name for name in tensors if f"{prefix}{name}" in tensors}
        raise ValueError(f"the files hold {some(twice)} both with and without {prefix!r}")
    if tied and "lm_head.weight" in theirs:
        _check_tied(theirs.pop("lm_head.weight"), theirs.get(names[0].theirs[0]))
    if not tied:
        names.append(SCORES)
    empty = model.state_dict()
    shapes = {
        name: tuple(part.shape)
        for entry in names
        for name, part in entry.split(empty[entry.ours]).items()
    }
    check_tensors(shapes, {name: tuple(tensor.shape) for name, tensor in theirs.items()})
    state = {entry.ours: entry.join(theirs) for entry in names}
    if tied:
        state["output.weight"] = state["embedding.weight"]
    model.load_state_dict(state, assign=True)
    if tied:
        model.get_submodule("output").weight = model.get_submodule("embedding").weight
    return model.eval()


def _check_tied(scores: Tensor, vectors: Tensor | None) -> None:
    if vectors is not None and not torch.equal(scores, vectors):
        raise ValueError(
            "config.json says that tokens are scored with their own vectors "
            "(tie_word_embeddings), but lm_head.weight holds other numbers; set it to false if "
            "these are meant"
        )
