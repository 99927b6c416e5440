"""Teach SmolLM2 to rewrite modern verses in the English of the King James Bible: the adapter
"smollm2-king-james", in the format of `peft`.

Run `python -m lmtutor.weights.train_smollm2_king_james FOLDER`. It takes about twenty minutes
of one core.
"""

import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from lmtutor.data import PromptedAnswers, load_task
from lmtutor.models import Llama
from lmtutor.pretrained import load_smollm2, save_peft_adapter, to_hf
from lmtutor.pretrained.hub_tokenizer import HubTokenizer
from lmtutor.pretrained.own import WEIGHTS
from lmtutor.runtime import set_threads
from lmtutor.training import TrainingConfig, TrainingHistory, hugging_face_trainer
from lmtutor.weights.logs import write_log

SEED = 0
REQUEST = "Rewrite in the English of the King James Bible: "
NUM_TRAIN, NUM_VALIDATION = 640, 64
BATCH_TOKENS = 900


def main(folder: Path) -> None:
    """Train, and write the adapter and its log into `folder`."""
    from peft import LoraConfig, get_peft_model

    set_threads()
    folder.mkdir(parents=True, exist_ok=True)
    loaded = load_smollm2(context_length=512)
    assert isinstance(loaded.model, Llama)
    assert isinstance(loaded.tokenizer, HubTokenizer)
    batches = pairs_of(loaded.tokenizer, "train", NUM_TRAIN)
    validation = pairs_of(loaded.tokenizer, "validation", NUM_VALIDATION)
    torch.manual_seed(SEED)
    with warnings.catch_warnings():  # peft asks transformers for something under its old name
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        model = get_peft_model(
            to_hf(loaded.model),
            LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"]),
        )
    config = TrainingConfig(
        num_steps=len(batches),
        learning_rate=1e-3,
        warmup_steps=5,
        evaluate_every=max(1, len(batches) // 4),
        seed=SEED,
    )
    history = TrainingHistory()
    with tempfile.TemporaryDirectory() as scratch:
        trainer = hugging_face_trainer(model, batches, config, validation, output_dir=scratch)
        first = trainer.evaluate()["eval_loss"]
        began = time.perf_counter()
        trainer.train()
        history.seconds = time.perf_counter() - began
    for entry in trainer.state.log_history:
        if "loss" in entry:
            history.losses.append(entry["loss"])
        if "eval_loss" in entry and entry["step"]:
            history.validation_steps.append(int(entry["step"]))
            history.validation_losses.append(entry["eval_loss"])
    history.num_targets = sum(batch.num_targets for batch in batches.epoch(0))
    save_peft_adapter(model, folder)
    write_log(folder / "log.json", config, history, BATCH_TOKENS, loss_before=first)


def pairs_of(tokenizer: HubTokenizer, split: str, count: int) -> PromptedAnswers:
    """Requests with a modern verse, as the model has learnt to read requests, and the old verse
    as the answer.
    """
    rows = load_task("verses_kjv_web", source="package")[split]
    chosen = np.random.default_rng(SEED).choice(len(rows), size=count, replace=False)
    picked = rows.select(chosen.tolist())
    return PromptedAnswers(
        [
            tokenizer.chat_prompt([{"role": "user", "content": REQUEST + verse}])
            for verse in picked["web"]
        ],
        [tokenizer.encode(verse) for verse in picked["kjv"]],
        batch_tokens=BATCH_TOKENS,
        context_length=512,
        seed=SEED,
        bos_id=tokenizer.bos_id,
        eos_id=tokenizer.eos_id,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else WEIGHTS / "smollm2-king-james")
