"""Models that are loaded and not trained: those that this project trained itself."""

from lmtutor.pretrained.own import TrainedModel, available_trained, load_trained

__all__ = ["TrainedModel", "available_trained", "load_trained"]
