"""What this is compared with: `transformers` and TRL doing the same work, as their users would have them do it."""

import contextlib
import copy
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import torch

from playground.engine.language_model import LanguageModel
from playground.engine.methods.identity_layer import IdentityLayer
from playground.errors import InvalidInput
from playground.settings import conversation
from playground.training.pairs import Pair


def generate(model: LanguageModel, prompt: str, new_tokens: int, static: bool = False) -> list[int]:
    """The greedy reply of `transformers`, just so many tokens; with a `static` cache its step is compiled on a GPU."""
    ids = torch.tensor([model.prompt_ids(conversation(prompt))], device=model.device)
    stock: Any = model.model
    found = stock.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        min_new_tokens=new_tokens,
        max_new_tokens=new_tokens,
        pad_token_id=0,
        cache_implementation="static" if static else None,
    )
    return found[0, ids.shape[1] :].tolist()


def dpo(
    model: LanguageModel, pairs: Sequence[Pair], ours: Callable[[], float], steps: int, clock: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Seconds of TRL's DPO steps over all pairs and, taken in between, of ours.

    TRL trains the same layer in front of the same decoder, in its dtype, everything else frozen, with its defaults but
    for activation checkpointing, which would slow it. Raises InvalidInput when TRL is not installed.
    """
    try:
        from datasets import Dataset  # pyrefly: ignore[missing-import]
        from transformers.trainer_callback import TrainerCallback
        from trl import DPOConfig, DPOTrainer  # pyrefly: ignore[missing-import]
    except ImportError as error:
        raise InvalidInput("TRL is not installed.", 'Run: pip install -e ".[bench]"') from error

    times = _Times(clock, ours)

    class StepTimer(TrainerCallback):
        """Times TRL's steps and has ours done between them."""

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            times.begin()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.end()

    with tempfile.TemporaryDirectory() as folder:
        trainer = DPOTrainer(
            model=_deepened(model),
            ref_model=model.model,
            args=DPOConfig(output_dir=folder, **_settings(model, len(pairs), steps + 1)),
            train_dataset=Dataset.from_list([_row(pair) for pair in pairs]),
            processing_class=model.tokenizer,
            callbacks=[StepTimer()],
        )
        with contextlib.redirect_stdout(sys.stderr):  # where TRL tells of its losses
            trainer.train()
    return times.theirs[1:], times.ours[1:]  # the first step of each warms up


class _Times:
    """Seconds of their steps and, done after each, of ours."""

    def __init__(self, clock: Callable[[], float], ours: Callable[[], float]) -> None:
        self.clock, self.step = clock, ours
        self.theirs: list[float] = []
        self.ours: list[float] = []

    def begin(self) -> None:
        self.began = self.clock()

    def end(self) -> None:
        self.theirs.append(self.clock() - self.began)
        self.ours.append(self.step())


def _settings(model: LanguageModel, batch: int, steps: int) -> dict[str, Any]:
    """What TRL is told beside its defaults."""
    return {
        "max_steps": steps,
        "per_device_train_batch_size": batch,
        "use_cpu": model.device.type == "cpu",
        "bf16": False,  # the weights are in the model's dtype already
        "gradient_checkpointing": False,
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def _row(pair: Pair) -> dict[str, list[dict[str, str]]]:
    """A pair as TRL's data sets have it."""

    def turn(content: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": content}]

    prompt = [message.model_dump() for message in pair.prompt]
    return {"prompt": prompt, "chosen": turn(pair.chosen), "rejected": turn(pair.rejected)}


def _deepened(model: LanguageModel) -> Any:
    """The stock model with an untrained identity layer as its first; only that one may change."""
    deeper: Any = copy.deepcopy(model.model)
    layer = IdentityLayer(model).layer.to(model.dtype)
    layers = deeper.get_decoder().layers
    layers.insert(0, layer)
    deeper.config.num_hidden_layers += 1
    for place, each in enumerate(layers):
        for module in each.modules():
            if hasattr(module, "layer_idx"):
                module.layer_idx = place
    deeper.requires_grad_(False)
    layer.requires_grad_(True)
    return deeper
