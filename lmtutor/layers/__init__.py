"""The layers of neural models, each proven equal to the reference of its kind."""

from lmtutor.layers.recurrent import GRUCell, LSTMCell, RecurrentCell, RNNCell

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RecurrentCell"]
