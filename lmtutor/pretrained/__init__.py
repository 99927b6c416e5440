"""Models that are loaded and not trained: those that this project trained itself, and those of
others.
"""

from lmtutor.pretrained.hub import HubModel, load_gpt2, load_llama, to_hf
from lmtutor.pretrained.hub_bert import HubBert, load_bert
from lmtutor.pretrained.hub_tokenizer import HubTokenizer
from lmtutor.pretrained.minilm import load_minilm
from lmtutor.pretrained.own import (
    Ablation,
    TrainedModel,
    available_pretrained,
    load_ablations,
    load_pretrained,
)
from lmtutor.pretrained.smollm2 import load_smollm2

__all__ = [
    "Ablation",
    "HubBert",
    "HubModel",
    "HubTokenizer",
    "TrainedModel",
    "available_pretrained",
    "load_ablations",
    "load_bert",
    "load_gpt2",
    "load_llama",
    "load_minilm",
    "load_pretrained",
    "load_smollm2",
    "to_hf",
]
