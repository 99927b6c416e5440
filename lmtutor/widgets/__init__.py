"""What a reader can play with: on the page, with no server and no kernel, and in a notebook.

`Playground` and the explorers of models run in the browser (`lmtutor.widgets.playground`); the
others need a kernel (`lmtutor.widgets.live`).
"""

from lmtutor.widgets.live import (
    AttentionExplorer,
    MergeExplorer,
    TrainingExplorer,
    TrainingSettings,
)
from lmtutor.widgets.playground import (
    ContextExplorer,
    GateExplorer,
    HeadExplorer,
    ModelFile,
    PageElement,
    Playground,
    TemperatureExplorer,
    TokenExplorer,
    WordMap,
    export_model,
    export_tokenizer,
)

__all__ = [
    "AttentionExplorer",
    "ContextExplorer",
    "GateExplorer",
    "HeadExplorer",
    "MergeExplorer",
    "ModelFile",
    "PageElement",
    "Playground",
    "TemperatureExplorer",
    "TokenExplorer",
    "TrainingExplorer",
    "TrainingSettings",
    "WordMap",
    "export_model",
    "export_tokenizer",
]
