"""Models that are loaded and not trained: those that this project trained itself, and those of
others.
"""

from lmtutor.pretrained.adapters import (
    available_adapters,
    base_fingerprint,
    load_adapter,
    load_peft_adapter,
    save_adapter,
    save_peft_adapter,
)
from lmtutor.pretrained.folders import SavedModel, load_model, save_model
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
from lmtutor.pretrained.results import (
    EMPTY_REVIEWS,
    REVIEW_ANSWERS,
    LearningCurvePoint,
    ShotScores,
    load_learning_curve,
    load_shot_scores,
    review_examples,
)
from lmtutor.pretrained.smollm2 import load_smollm2

__all__ = [
    "EMPTY_REVIEWS",
    "REVIEW_ANSWERS",
    "Ablation",
    "HubBert",
    "HubModel",
    "HubTokenizer",
    "LearningCurvePoint",
    "SavedModel",
    "ShotScores",
    "TrainedModel",
    "available_adapters",
    "available_pretrained",
    "base_fingerprint",
    "load_ablations",
    "load_adapter",
    "load_bert",
    "load_gpt2",
    "load_learning_curve",
    "load_llama",
    "load_minilm",
    "load_model",
    "load_peft_adapter",
    "load_pretrained",
    "load_shot_scores",
    "load_smollm2",
    "review_examples",
    "save_adapter",
    "save_model",
    "save_peft_adapter",
    "to_hf",
]
