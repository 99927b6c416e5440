"""The families of transformers: one table, computed from published configurations.

Importing it is quick: torch and transformers are loaded when something is counted.
"""

from lmtutor.families.cost import (
    ACCELERATORS,
    Accelerator,
    TrainingCost,
    training_flops,
    utilization,
)
from lmtutor.families.counting import (
    BYTES_PER_PARAMETER,
    build_on_meta,
    count_flops,
    count_parameters,
    memory_gb,
    training_memory_gb,
)
from lmtutor.families.specs import MODELS, ModelSpec, Published, find_model
from lmtutor.families.table import ModelRow, family_table, show_family_table
from lmtutor.families.tree import FAMILIES, KINDS, Family, find_family

__all__ = [
    "ACCELERATORS",
    "BYTES_PER_PARAMETER",
    "FAMILIES",
    "KINDS",
    "MODELS",
    "Accelerator",
    "Family",
    "ModelRow",
    "ModelSpec",
    "Published",
    "TrainingCost",
    "build_on_meta",
    "count_flops",
    "count_parameters",
    "family_table",
    "find_family",
    "find_model",
    "memory_gb",
    "show_family_table",
    "training_flops",
    "training_memory_gb",
    "utilization",
]
