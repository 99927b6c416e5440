"""What is written down about a training.

Left out: the loss of each single step, which would fill the file.
"""

import json
from dataclasses import asdict
from pathlib import Path

import torch

from lmtutor.training import TrainingConfig, TrainingHistory


def write_log(
    path: Path,
    config: TrainingConfig,
    history: TrainingHistory,
    batch_size: int,
    **results: float,
) -> None:
    """Write the configuration, what it took, the validation losses in nats per target, and the
    results of the finished model, each rounded to four digits.
    """
    log = {
        "config": asdict(config),
        "batch_size": batch_size,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "seconds": round(history.seconds),
        "tokens": history.num_targets,
        "validation_steps": history.validation_steps,
        "validation_losses": [round(loss, 4) for loss in history.validation_losses],
        **{name: round(result, 4) for name, result in results.items()},
    }
    path.write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")
