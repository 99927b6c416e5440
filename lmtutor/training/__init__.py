"""One training loop for every neural model of the book."""

from lmtutor.training.config import OPTIMIZERS, TrainingConfig
from lmtutor.training.distillation import Distillation, soft_target_loss, take_blocks
from lmtutor.training.history import TrainingHistory
from lmtutor.training.hugging_face import classification_metrics, hugging_face_trainer
from lmtutor.training.loop import DivergedError, evaluate_loss, fit_model
from lmtutor.training.muon import Muon, orthogonalize
from lmtutor.training.prediction import class_probabilities
from lmtutor.training.schedules import learning_rate_at

__all__ = [
    "OPTIMIZERS",
    "Distillation",
    "DivergedError",
    "Muon",
    "TrainingConfig",
    "TrainingHistory",
    "class_probabilities",
    "classification_metrics",
    "evaluate_loss",
    "fit_model",
    "hugging_face_trainer",
    "learning_rate_at",
    "orthogonalize",
    "soft_target_loss",
    "take_blocks",
]
