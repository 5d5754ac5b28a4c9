"""CLM's extra layer: a copy of the decoder's layer 0 in front of it, born as the identity.

It knows the base model's shape and nothing of what it is trained for.
"""

import copy
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from playground.engine.caches import cache_maker, run_decoder
from playground.engine.language_model import LanguageModel

FILE_NAME = "identity_layer.safetensors"

_BRANCH_ENDS = {"gpt_neox": ("attention.dense", "mlp.dense_4h_to_h")}
_BRANCH_ENDS_OF_MOST = ("self_attn.o_proj", "mlp.down_proj")


class IdentityLayer(nn.Module):
    """Embeddings [B, T, D] -> embeddings of the aligned stream [B, T, D].

    It is a stock decoder of one layer without final norm, so masks, positions and caches work as in the base model.
    """

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        config = copy.deepcopy(model.decoder.config)
        config.num_hidden_layers = 1
        config.vocab_size, config.pad_token_id = 1, None  # embeddings come ready-made
        if getattr(config, "layer_types", None) is not None:
            config.layer_types = config.layer_types[:1]
        decoder = type(model.decoder)(config).to(model.device)
        decoder.layers[0].load_state_dict(model.decoder.layers[0].state_dict())
        for name in ("norm", "final_layer_norm"):
            if hasattr(decoder, name):
                setattr(decoder, name, nn.Identity())
        for parameter in decoder.parameters():
            parameter.requires_grad_(False)
        self.decoder = decoder
        self.new_cache = cache_maker(decoder)
        self.layer: nn.Module = decoder.layers[0].requires_grad_(True)
        self.scale(0.0)
        self.eval()

    @torch.no_grad()
    def scale(self, factor: float) -> None:
        """Multiply what the layer adds to its input, in place; 0 makes it the identity.

        Both branches of a residual layer end in a projection: these are multiplied.
        """
        for end in _BRANCH_ENDS.get(self.decoder.config.model_type, _BRANCH_ENDS_OF_MOST):
            for parameter in self.layer.get_submodule(end).parameters():
                parameter.mul_(factor)

    def forward(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Embeddings [B, T, D] and mask [B, T] -> aligned embeddings [B, T, D], dtype kept, without any cache."""
        return run_decoder(self.decoder, embeddings.to(self.dtype), mask).to(embeddings.dtype)

    @property
    def dtype(self) -> torch.dtype:
        """What the layer's weights are stored in: float32 while it is trained, else as the base model's."""
        return next(self.layer.parameters()).dtype

    def save(self, folder: Path, dtype: torch.dtype = torch.bfloat16) -> None:
        """Write the layer's weights as safetensors."""
        state = {
            name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in self.layer.state_dict().items()
        }
        save_file(state, folder / FILE_NAME)
