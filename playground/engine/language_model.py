"""A base model's weights and tokenizer behind three seams: embed, decode, head.

The stock `transformers` decoder is used unmodified; nothing here knows of axes or strengths.
"""

import hashlib
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Integer
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from playground.cards import Base
from playground.engine.caches import cache_maker, run_decoder
from playground.engine.head import Head
from playground.engine.linear import round_to_int8
from playground.engine.plain_text import PlainText
from playground.errors import ModelUnavailable
from playground.settings import Message, check_letters, conversation, described

_OPENINGS = 256
"""System messages whose openings are remembered."""


class Check(NamedTuple):
    """What was tried, what it is not to be, and how far off the model was, as a share of what it should have been."""

    name: str
    failure: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether rounding explains the error; nan is never explained."""
        return self.error <= self.tolerance


def threads() -> int:
    """How many threads compute here. Sums may round otherwise with another number."""
    return torch.get_num_threads()


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
        self._openings: dict[str | None, list[int]] = {}
        decoder: Any = model.get_decoder()
        self.decoder = decoder
        if in_int8:
            for linear in decoder.layers.modules():
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
        """What `load_model` found out about how it fits."""

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

    def embed(self, ids: Integer[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Token ids [B, T] -> embeddings [B, T, D]."""
        return self.model.get_input_embeddings()(ids)

    def decode(self, embeddings: Float[Tensor, "B T D"], mask: Integer[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Embeddings [B, T, D] and mask [B, T] -> hidden states after the final norm [B, T, D], without any cache.

        Rows are padded on the left with mask 0.
        """
        return run_decoder(self.decoder, embeddings, mask)

    def head(self, hidden: Float[Tensor, "*B D"]) -> Float[Tensor, "*B V"]:
        """Hidden states [..., D] -> logits [..., V], computed and returned in float32 whatever the dtype."""
        return self._head(hidden)

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """A conversation -> token ids, up to where the model's turn begins, by the model's chat template.

        Without a system message the template decides, which for some models inserts a text of its own.
        """
        check_letters(messages, self.context_length)
        return self._texts.prompt_ids(messages)

    def described_as(self, messages: Sequence[Message], description: str) -> tuple[Message, ...]:
        """The same conversation with a description of who replies, where this model reads one; see settings."""
        return described(messages, description, "system" if self._texts.reads_system else "user")

    def opening(self, messages: Sequence[Message], prompt: Sequence[int]) -> int:
        """How many tokens a conversation's prompt has in common with any other under the same system message."""
        system = messages[0].content if messages and messages[0].role == "system" else None
        found = self._openings.get(system)
        if found is None:
            two = [self._texts.prompt_ids(conversation(letter, system)) for letter in "ab"]
            alike = takewhile(lambda pair: pair[0] == pair[1], zip(*two, strict=False))
            if len(self._openings) >= _OPENINGS:
                self._openings.clear()
            found = self._openings[system] = [token for token, _ in alike]
        return len(found) if list(prompt[: len(found)]) == found else 0

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
        return None if own is None else int(own)


def left_pad(
    sequences: Sequence[Sequence[int]], device: torch.device
) -> tuple[Integer[Tensor, "B T"], Integer[Tensor, "B T"]]:
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
    return frozenset(int(token) for token in [*ids, tokenizer.eos_token_id] if token is not None)
