"""Models that run on a page: no server, no kernel, no network.

Python writes a model into a file (`model_file`, `exporting`). In the browser `model_file.js`
reads it, `engine.js` computes, `tokenizers.js` cuts text, and `component.js` and `explorers.js`
show.
"""

from lmtutor.widgets.playground.element import PageElement
from lmtutor.widgets.playground.explorers import (
    ContextExplorer,
    GateExplorer,
    HeadExplorer,
    TemperatureExplorer,
    TokenExplorer,
    WordMap,
)
from lmtutor.widgets.playground.exporting import export_model, export_tokenizer
from lmtutor.widgets.playground.model_file import ModelFile
from lmtutor.widgets.playground.playground import Playground

__all__ = [
    "ContextExplorer",
    "GateExplorer",
    "HeadExplorer",
    "ModelFile",
    "PageElement",
    "Playground",
    "TemperatureExplorer",
    "TokenExplorer",
    "WordMap",
    "export_model",
    "export_tokenizer",
]
