"""DPO of other weights than the identity layer's, on the same pairs, with the same loss, budget and schedule.

What learns is held in float32, what is frozen in the model's own dtype. Each training may have a process of its own:
the peak of its memory is then that of the training alone.
"""

import copy
import json
import multiprocessing
import resource
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel

from playground.cli.progress import ProgressPrinter
from playground.engine.caches import run_decoder
from playground.engine.forced import batches, predict
from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.engine.methods.identity_layer import IdentityLayer
from playground.errors import InvalidInput
from playground.files import write_json
from playground.measure.gather import save_in_one_piece
from playground.measure.progress import ProgressMeter
from playground.sources.quiet import no_bars
from playground.training import pairs
from playground.training.clm.dpo import encode, loss, read
from playground.training.recipe import Recipe, schedule
from tools.results.lab import Learner

WEIGHTS, RECORD = "weights.safetensors", "spent.json"
_BRANCH_ENDS = ("self_attn.o_proj", "mlp.down_proj")


@dataclass(frozen=True)
class Training:
    """What a training must know, in values that another process can be given."""

    learner: Learner
    rate: float
    weights: Path
    """The folder of the base model."""
    dtype: torch.dtype
    pairs: Path
    out: Path
    steps: int
    batch: int
    pair_tokens: int
    lora_rank: int

    @property
    def recipe(self) -> Recipe:
        """The loss's numbers: those of the shipped axes."""
        return Recipe(batch=self.batch, pair_tokens=self.pair_tokens)


class Spent(NamedTuple):
    """What a training took: weights trained, seconds of its steps, peak memory in bytes (of the whole process).

    Seconds are processor time, or wall time where a GPU does the work.
    """

    parameters: int
    seconds: float
    memory: int


class Tuned(NamedTuple):
    """A model after its training; its layer, if the identity layer is what learnt."""

    model: LanguageModel
    layer: IdentityLayer | None


class Policy:
    """The model that learns, as `read` asks for it: embeddings, decoder, head, which gradients pass.

    The reference's states, which are read without gradients, meet the head as it was before the training.
    """

    def __init__(self, base: LanguageModel, model: PreTrainedModel) -> None:
        self.base, self.device = base, base.device
        self._decoder: Any = model.get_decoder()
        self._embeddings: Any = model.get_input_embeddings()
        self._output: Any = model.get_output_embeddings()
        self._decoder.config._attn_implementation = "eager"  # as the identity layer is trained: faster on short texts

    def embed(self, ids: Tensor) -> Tensor:
        """See LanguageModel."""
        return self._embeddings(ids)

    def decode(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """See LanguageModel."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.base.dtype == torch.bfloat16):
            return run_decoder(self._decoder, embeddings, mask)

    def head(self, hidden: Tensor) -> Tensor:
        """See LanguageModel."""
        if not torch.is_grad_enabled() or not self._output.weight.requires_grad:
            return self.base.head(hidden)
        with self.base.products():
            return nn.functional.linear(hidden.float(), self._output.weight, self._output.bias)


class Pupil:
    """A base model of which some weights learn."""

    def __init__(self, learner: Learner, base: LanguageModel, lora_rank: int) -> None:
        self.base, self.layer = base, None
        self.model: PreTrainedModel = base.model
        self._adapter: Any = None
        if learner == "identity layer":
            self.layer = IdentityLayer(base).float()
            self.weights = dict(self.layer.layer.named_parameters())
            return
        self.model = copy.deepcopy(base.model)
        if learner == "all weights":
            self.model.float().requires_grad_(True)
        elif learner == "LoRA":
            self._adapter = _adapter(self.model, lora_rank)
        else:
            _grow(self.model).float().requires_grad_(True)
        self.weights = {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    def taught(self) -> Tuned:
        """The model as it has become, ready to reply."""
        if self._adapter is not None:
            self.model = self._adapter.merge_and_unload()
        if self.layer is not None:
            return Tuned(self.base, self.layer.requires_grad_(False))
        return Tuned(LanguageModel(self.model, self.base.tokenizer, self.base.name, ""), None)


def lora() -> Any:
    """The module peft. Raises InvalidInput where it is not installed."""
    try:
        import peft  # pyrefly: ignore[missing-import]
    except ImportError as error:
        raise InvalidInput("peft is not installed, which LoRA needs.", "Run: pip install -e '.[results]'") from error
    return peft


def _adapter(model: PreTrainedModel, rank: int) -> Any:
    """LoRA on all linear layers, in float32."""
    peft = lora()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that will go
        return peft.get_peft_model(model, peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"))


def _grow(model: PreTrainedModel) -> nn.Module:
    """Append a copy of the last decoder layer that adds nothing yet: the identity layer's like, at the other end."""
    decoder: Any = model.get_decoder()
    layer = copy.deepcopy(decoder.layers[-1])
    layer.self_attn.layer_idx = len(decoder.layers)
    for end in _BRANCH_ENDS:
        for parameter in layer.get_submodule(end).parameters():
            nn.init.zeros_(parameter)
    decoder.layers.append(layer)
    config: Any = decoder.config
    config.num_hidden_layers = len(decoder.layers)
    if getattr(config, "layer_types", None) is not None:
        config.layer_types = [*config.layer_types, config.layer_types[-1]]
    return layer


def train(job: Training) -> None:
    """Train, and keep the weights in `job.out` with a record of what it took."""
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with no_bars():
        base = load_model(job.weights, job.dtype, device)
    pupil = Pupil(job.learner, base, job.lora_rank)
    data = encode(base, pairs.load(job.pairs), job.pair_tokens)
    policy = base if pupil.layer is not None else cast(LanguageModel, Policy(base, pupil.model))
    layer = cast(IdentityLayer, pupil.layer)  # `read` takes the model itself as what learns where there is none
    weights = list(pupil.weights.values())
    optimizer = torch.optim.Adam(weights, lr=job.rate)
    tell, pace = ProgressPrinter(as_json=False), ProgressMeter(f"{job.learner} at {job.rate:g}", job.steps, "steps")
    clock = time.perf_counter if device == "cuda" else time.process_time
    tell(pace(0))
    began = clock()
    for step, which in zip(range(job.steps), _draws(len(data.prompts), job.batch), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = job.rate * schedule(step, job.steps)
        cost = loss(read(policy, data, which, layer), job.recipe)
        optimizer.zero_grad()
        with base.products():
            cost.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        tell(pace(step + 1, f"loss {cost.item():.3f}"))
    spent = Spent(sum(weight.numel() for weight in weights), clock() - began, _peak(device))
    job.out.mkdir(parents=True, exist_ok=True)
    kept = {name: weight.detach().cpu().contiguous() for name, weight in pupil.weights.items()}
    save_in_one_piece(kept, job.out / WEIGHTS)
    write_json(job.out / RECORD, spent._asdict())


def trained(job: Training, apart: bool) -> Spent:
    """What the training took; it is only run where it has left no record, in a process of its own if `apart`."""
    if not (job.out / RECORD).exists():
        if apart:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                process.submit(train, job).result()
        else:
            train(job)
    return Spent(**json.loads((job.out / RECORD).read_text(encoding="utf-8")))


def taught(job: Training, base: LanguageModel) -> Tuned:
    """The model a training left behind, on a float32 base."""
    pupil = Pupil(job.learner, base, job.lora_rank)
    for name, tensor in load_file(job.out / WEIGHTS).items():
        pupil.weights[name].data.copy_(tensor)
    return pupil.taught()


@torch.inference_mode()
def beside_the_base(
    base: LanguageModel, tuned: Tuned, prompts: Sequence[list[int]], replies: Sequence[Sequence[int]]
) -> list[dict[str, float]]:
    """Of each reply: KL(tuned || base), and its surprise under the base, both in nats per token."""
    found: dict[int, dict[str, float]] = {}
    for batch in batches(prompts, replies, base.device):
        ours, theirs = predict(tuned.model, batch, tuned.layer), predict(base, batch)
        log, base_log = ours.logits.log_softmax(-1), theirs.logits.log_softmax(-1)
        kl = (log.exp() * (log - base_log)).sum(-1)
        surprise = -base_log.gather(1, ours.tokens.unsqueeze(1)).squeeze(1)
        for row, index in enumerate(batch.indices):
            mine = ours.rows == row
            found[index] = {"kl": float(kl[mine].mean()), "surprise": float(surprise[mine].mean())}
    return [found[index] for index in range(len(prompts))]


def _draws(size: int, batch: int) -> Iterator[list[int]]:
    """The pairs of each step, the same for every learner: epochs in random order."""
    order = torch.Generator().manual_seed(0)
    waiting: list[int] = []
    while True:
        while len(waiting) < batch:
            waiting += torch.randperm(size, generator=order).tolist()
        yield waiting[:batch]
        waiting = waiting[batch:]


def _peak(device: str) -> int:
    """Peak memory in bytes: that of the GPU, or of this process since it began."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    if sys.platform == "linux":  # its ru_maxrss would count the parent's memory too
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
