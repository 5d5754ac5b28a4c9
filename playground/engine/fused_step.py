"""One decoding step of a Llama-like decoder over the weights of the stock one, in as few and large calls as it takes.

One token a stream: no causal mask is needed, the queries that share a key are treated as query positions, and
keys and values are written where they stay.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention, silu

from playground.engine.kv_memory import KVMemory
from playground.engine.linear import Product, fused

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")


class FusedLayer(NamedTuple):
    """A decoder layer's weights; head_norms [heads + kv_heads, head_dim] where queries and keys are normed."""

    attention_norm: Tensor
    qkv: Product
    head_norms: Tensor | None
    out: Product
    mlp_norm: Tensor
    gate_up: Product
    down: Product


class FusedDecoder:
    """The weights of a stock decoder, made ready for single steps."""

    def __init__(self, decoder: Any, in_int8: bool = False) -> None:
        config = decoder.config
        attention = decoder.layers[0].self_attn
        self.head_dim: int = attention.head_dim
        self.kv_heads: int = config.num_key_value_heads
        self.heads: int = config.num_attention_heads
        self.epsilon: float = config.rms_norm_eps
        self.rotary: nn.Module = decoder.rotary_emb
        self.norm: Tensor | None = getattr(decoder.norm, "weight", None)
        self.layers = [self._layer(layer, in_int8) for layer in decoder.layers]

    @staticmethod
    def fits(config: Any) -> bool:
        """Whether the step computes what a decoder of this configuration does: a known family, no sliding window."""
        return (
            config.model_type in FAMILIES
            and config.hidden_act == "silu"
            and getattr(config, "sliding_window", None) is None
        )

    def _layer(self, layer: Any, in_int8: bool) -> FusedLayer:
        attention, mlp = layer.self_attn, layer.mlp
        head_norms = None
        if hasattr(attention, "q_norm"):
            queries = attention.q_norm.weight.expand(self.heads, -1)
            head_norms = torch.cat([queries, attention.k_norm.weight.expand(self.kv_heads, -1)]).detach()
        return FusedLayer(
            layer.input_layernorm.weight,
            fused([attention.q_proj, attention.k_proj, attention.v_proj], in_int8),
            head_norms,
            fused([attention.o_proj], in_int8),
            layer.post_attention_layernorm.weight,
            fused([mlp.gate_proj, mlp.up_proj], in_int8),
            fused([mlp.down_proj], in_int8),
        )

    def step(self, hidden: Tensor, memory: KVMemory) -> Tensor:
        """Embeddings [S, D] in the order of the memory's rows -> hidden states after the final norm [S, D]."""
        streams, width = hidden.shape
        column = memory.grow()
        runs, mask = self._runs(memory, hidden)
        cos, sin = self._rotation(memory, hidden)
        for layer, kept in zip(self.layers, memory.tensor[:, :streams], strict=True):
            qkv = layer.qkv(rms_norm(hidden, (width,), layer.attention_norm, self.epsilon))
            qkv = qkv.unflatten(1, (-1, self.head_dim))
            turned = qkv[:, : self.heads + self.kv_heads]
            if layer.head_norms is not None:
                turned.copy_(rms_norm(turned, (self.head_dim,), None, self.epsilon) * layer.head_norms)
            swapped = turned.roll(self.head_dim // 2, -1)
            turned.mul_(cos).addcmul_(swapped, sin)
            kept[:, :, column] = qkv[:, self.heads :]
            queries = qkv[:, : self.heads].unflatten(1, (self.kv_heads, -1))
            attended: list[Tensor] = []
            for row, end, start in runs:
                keys, values = kept[row:end, :, start : column + 1].split(self.kv_heads, 1)
                attended.append(scaled_dot_product_attention(queries[row:end], keys, values, mask))
            read = attended[0] if len(attended) == 1 else torch.cat(attended)
            hidden = layer.out(read.flatten(1)).add_(hidden)
            gate, up = layer.gate_up(rms_norm(hidden, (width,), layer.mlp_norm, self.epsilon)).chunk(2, -1)
            hidden = layer.down(silu(gate).mul_(up)).add_(hidden)
        return hidden if self.norm is None else rms_norm(hidden, (width,), self.norm, self.epsilon)

    def _rotation(self, memory: KVMemory, like: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines [1 or S, 1, head_dim] of the newest positions, by the stock decoder's own rule.

        rotate_half(x) = (-x2, x1) is x with its halves swapped, times a sine whose first half is negated.
        """
        starts = memory.starts if len(set(memory.starts)) > 1 else memory.starts[:1]
        positions = torch.tensor([[memory.length - 1 - start] for start in starts], device=like.device)
        cos, sin = self.rotary(like, positions)
        half = self.head_dim // 2
        return cos, torch.cat([-sin[..., :half], sin[..., half:]], -1)

    def _runs(self, memory: KVMemory, like: Tensor) -> tuple[list[tuple[int, int, int]], Tensor | None]:
        """Rows that attend in one call, from which position on, and what to add to their scores.

        On a CPU those that begin together: each reads what is its own, and has the same bits in any batch. On an
        accelerator calls are dear, and all rows share one.
        """
        if like.is_cpu or len(set(memory.starts)) == 1:
            return memory.runs, None
        return self._masked(memory, like)

    def _masked(self, memory: KVMemory, like: Tensor) -> tuple[list[tuple[int, int, int]], Tensor]:
        """All rows in one call, with -inf where one of them is padded [S, 1, groups, positions]."""
        first = min(memory.starts)
        starts = torch.tensor(memory.starts, device=like.device).view(-1, 1, 1, 1)
        columns = torch.arange(first, memory.length, device=like.device)
        mask = torch.zeros(columns.shape, dtype=like.dtype, device=like.device)
        masked = mask.where(columns >= starts, -torch.inf).expand(-1, -1, self.heads // self.kv_heads, -1)
        return [(0, memory.rows, first)], masked
