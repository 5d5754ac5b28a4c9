"""A base model's weights and tokenizer behind three seams: embed, decode, head.

The stock `transformers` decoder is used unmodified; nothing here knows of axes or strengths.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto.configuration_auto import AutoConfig
from transformers.models.auto.modeling_auto import AutoModelForCausalLM
from transformers.models.auto.tokenization_auto import AutoTokenizer
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from playground.cards import Base
from playground.engine.admission import Check, admit
from playground.engine.caches import cache_maker, run_decoder
from playground.engine.fused_step import FusedDecoder
from playground.engine.head import Head
from playground.engine.linear import round_to_int8
from playground.engine.plain_text import PlainText
from playground.errors import InvalidInput, ModelUnavailable, PlaygroundError
from playground.settings import Message, check_letters

_GET_IT_WHOLE = "Point to a complete Hugging Face folder with safetensors weights, or fetch the model again."

_LARGEST_WEIGHT = 65_504.0
"""What float16 can hold, in which models are passed on; damaged bytes read as numbers up to 1e38."""

_WHERE_INT8_WORKS = (
    "int8 works on a CPU for models of the families Llama, Mistral, Qwen2 and Qwen3 without sliding windows; "
    "take --dtype auto."
)


class LanguageModel:
    """A frozen causal language model in evaluation mode, with its tokenizer."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        name: str,
        weights_digest: str,
        in_int8: bool = False,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.name = name
        self._texts = PlainText(tokenizer, name)
        self.decoder: Any = model.get_decoder()
        if in_int8:
            for linear in self.decoder.layers.modules():
                if isinstance(linear, torch.nn.Linear):
                    round_to_int8(linear)
        self.new_cache = cache_maker(self.decoder, in_int8)
        output: Any = model.get_output_embeddings()
        if not isinstance(output, torch.nn.Linear):
            raise ModelUnavailable(f"{name} has no matrix for a head.", "Use a causal language model.")
        self._head = Head(output.weight, output.bias)
        self.products = self._head.products
        self._weights_digest = weights_digest
        self.stop_ids = _stop_ids(model, tokenizer)
        self.end_of_turn = self._end_of_turn()
        self.checks: tuple[Check, ...] = ()
        """What `load` found out about how it fits."""

    @classmethod
    def load(
        cls, folder: Path, dtype: torch.dtype = torch.float32, device: str = "cpu", name: str | None = None
    ) -> "LanguageModel":
        """Read a Hugging Face folder of safetensors weights. Raises ModelUnavailable when it cannot be used.

        Any decoder will do that passes the checks of `admission`; of a multimodal model the text part is used.
        torch.int8 is bfloat16 with the decoder's weights rounded to int8, which single steps then read: CPU only, and
        only where there is a fused step.
        """
        name = name or folder.name
        in_int8 = dtype == torch.int8
        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            _refuse_capped(config.get_text_config(), name)
            if in_int8 and not (FusedDecoder.fits(config) and device == "cpu"):
                raise InvalidInput(f"{name} cannot be held in int8 here.", _WHERE_INT8_WORKS)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=torch.bfloat16 if in_int8 else dtype,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
            model, told = loaded
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            digest = _weights_digest(folder)
        except PlaygroundError:
            raise
        except Exception as error:  # a damaged folder can fail in any of the library's ways
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelUnavailable(f"The model in {folder} cannot be loaded: {reason}", _GET_IT_WHOLE) from error
        if missing := sorted(told["missing_keys"]) or sorted(str(key) for key in told["mismatched_keys"]):
            raise ModelUnavailable(
                f"{len(missing)} weights are missing from {folder} or of another shape, {missing[0]} for one.",
                _GET_IT_WHOLE,
            )
        torch.nn.Module.to(model, device)  # in place; the model's own `to` has types that checkers do not follow
        refuse_damaged(model, folder)
        language_model = cls(model, tokenizer, name, digest, in_int8)
        language_model.checks = admit(language_model)
        return language_model

    @property
    def device(self) -> torch.device:
        """Where the weights live."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are stored in; steering maths is float32 whatever this is."""
        return self.model.dtype

    @property
    def width(self) -> int:
        """D, the width of the hidden state."""
        return self.decoder.config.hidden_size

    @property
    def context_length(self) -> int:
        """The longest prompt and reply together, in tokens."""
        return self.decoder.config.max_position_embeddings

    @property
    def kv_bytes(self) -> int:
        """What one stream remembers of one token, in bytes, where all layers attend to all of it."""
        config = self.decoder.config
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return 2 * config.num_hidden_layers * heads * width * self.dtype.itemsize

    def embed(self, ids: Tensor) -> Tensor:
        """Token ids [B, T] -> embeddings [B, T, D]."""
        return self.model.get_input_embeddings()(ids)

    def decode(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Embeddings [B, T, D] and mask [B, T] -> hidden states after the final norm [B, T, D], without any cache.

        Rows are padded on the left with mask 0.
        """
        return run_decoder(self.decoder, embeddings, mask)

    def head(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., D] -> logits [..., V], computed and returned in float32 whatever the dtype."""
        return self._head(hidden)

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """A conversation -> token ids, up to where the model's turn begins, by the model's chat template.

        Without a system message the template decides, which for some models inserts a text of its own.
        """
        check_letters(messages, self.context_length)
        return self._texts.prompt_ids(messages)

    def reply_ids(self, text: str, ends: bool = True) -> list[int]:
        """A reply's text -> the token ids the model would write; with its end of turn unless the reply was cut off."""
        ids = self._texts.reply_ids(text)
        return [*ids, self.end_of_turn] if ends and self.end_of_turn is not None else ids

    def text(self, ids: Sequence[int]) -> str:
        """Token ids -> text without special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def identity(self) -> Base:
        """What an axis must agree with: shapes, and digests of the tokenizer and of a sample of the weights."""
        vocabulary = sorted(self.tokenizer.get_vocab().items(), key=lambda item: item[1])
        return Base(
            name=self.name,
            architecture=self.decoder.config.model_type,
            hidden_size=self.width,
            vocab_size=self.decoder.config.vocab_size,
            tokenizer=hashlib.sha256("\0".join(token for token, _ in vocabulary).encode()).hexdigest(),
            weights=self._weights_digest,
        )

    def _end_of_turn(self) -> int | None:
        """The token that ends a reply: the stop token the chat template writes after one, else the tokenizer's own."""
        if self.tokenizer.chat_template is not None:
            turns = [Message(role="user", content="x"), Message(role="assistant", content="y")]
            ends = [token for token in self._texts.prompt_ids(turns, reply_follows=False) if token in self.stop_ids]
            if ends:
                return ends[-1]
        own = self.tokenizer.eos_token_id
        return None if own is None else int(own)  # pyright: ignore[reportArgumentType]


def _refuse_capped(config: Any, name: str) -> None:
    """Small logits are nearly the same with a cap and without, so that trying a model on a text may not show one."""
    if getattr(config, "final_logit_softcapping", None):
        raise ModelUnavailable(
            f"{name} caps its logits after the head, so they are no straight lines in alpha.",
            "Use a model without final_logit_softcapping.",
        )


def refuse_damaged(model: torch.nn.Module, folder: Path) -> None:
    """Raise ModelUnavailable if a weight is nan, infinite or far beyond what any model has, as damaged bytes are."""
    for name, weights in model.named_parameters():
        if not weights.numel():
            continue
        low, high = (float(end) for end in weights.detach().aminmax())
        if not max(-low, high) <= _LARGEST_WEIGHT:  # also where they are nan
            raise ModelUnavailable(
                f"The weights in {folder} are damaged: {name} holds numbers from {low:.3g} to {high:.3g}.",
                _GET_IT_WHOLE,
            )


def left_pad(sequences: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Sequences of token ids -> ids [B, T] padded on the left with 0, and their mask [B, T]."""
    longest = max(len(sequence) for sequence in sequences)
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, longest - len(sequence) :] = torch.tensor(sequence, dtype=torch.long)
        mask[row, longest - len(sequence) :] = 1
    return ids.to(device), mask.to(device)


def _stop_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens that end a turn: those of the generation settings and the tokenizer's own."""
    configured = model.generation_config.eos_token_id if model.generation_config else None
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(int(token) for token in [*ids, tokenizer.eos_token_id] if token is not None)  # pyright: ignore[reportArgumentType]


def _weights_digest(folder: Path) -> str:
    """sha256 over the first row of each stored matrix and all of each vector, rounded to bfloat16.

    Read from the files, so that it does not depend on the dtype the model is loaded in.
    """
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            for name in sorted(tensors.keys()):
                part = tensors.get_slice(name)
                whole = len(part.get_shape()) < 2  # a vector, or a number alone
                sample = tensors.get_tensor(name).reshape(-1) if whole else part[:1]
                digest.update(name.encode())
                digest.update(sample.to(torch.bfloat16).contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
