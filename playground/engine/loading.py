"""A folder of weights becomes a language model, once it has passed the checks of `admission`."""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers.models.auto.configuration_auto import AutoConfig
from transformers.models.auto.modeling_auto import AutoModelForCausalLM
from transformers.models.auto.tokenization_auto import AutoTokenizer

from playground.engine.admission import admit
from playground.engine.fused_step import FusedDecoder
from playground.engine.language_model import LanguageModel
from playground.engine.linear import plain
from playground.errors import InvalidInput, ModelUnavailable, PlaygroundError

_GET_IT_WHOLE = "Point to a complete Hugging Face folder with safetensors weights, or fetch the model again."

_INT4_GROUP = 64
"""Weights that share a factor in int4."""

_LARGEST_WEIGHT = 65_504.0
"""What float16 can hold, in which models are passed on; damaged bytes read as numbers up to 1e38."""

PACKED = (torch.int8, torch.int4)  # pyrefly: ignore[missing-attribute]
"""What weights are rounded to; all else is then bfloat16."""

SPLIT = "split"
"""The device that stands for all GPUs together."""

_GET_TORCHAO = "Run: pip install 'alignment-playground[quantize]', or take --dtype auto."


def load_model(
    folder: Path, dtype: torch.dtype = torch.float32, device: str = "cpu", name: str | None = None
) -> LanguageModel:
    """Read a Hugging Face folder of safetensors weights. Raises ModelUnavailable when it cannot be used.

    Any decoder will do that passes the checks of `admission`; of a multimodal model the text part is used.
    `device` is torch's name of one, or SPLIT: then the layers are spread over all GPUs, and read by the stock step.
    torch.int8 is bfloat16 with the decoder's weights rounded to int8: for the fused step on a CPU, where a family has
    one, elsewhere by torchao. torch.int4 is torchao's, on CUDA.
    """
    name = name or folder.name
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        _refuse_capped(config.get_text_config(), name)
        if dtype in PACKED and getattr(config, "quantization_config", None) is not None:
            raise InvalidInput(f"The weights of {name} are packed already.", "Take --dtype auto.")
        in_int8 = dtype == torch.int8 and device == "cpu" and FusedDecoder.fits(config)
        packing = _packing(dtype, name) if dtype in PACKED and not in_int8 else None
        if device == SPLIT and find_spec("accelerate") is None:
            raise InvalidInput(
                "To split a model, the package accelerate is needed.", "Run: pip install 'alignment-playground[split]'"
            )
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.bfloat16 if dtype in PACKED else dtype,
            quantization_config=packing,
            device_map="auto" if device == SPLIT else device if packing is not None else None,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        model, told = loaded
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
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
    if device != SPLIT:
        torch.nn.Module.to(model, device)  # in place; the model's own `to` has types that checkers do not follow
    refuse_offloaded(model, name)
    refuse_damaged(model, folder)
    language_model = LanguageModel(model, tokenizer, name, digest, in_int8)
    language_model.checks = admit(language_model)
    return language_model


def _packing(dtype: torch.dtype, name: str) -> Any:
    """How torchao holds the weights of all layers but the head. Raises InvalidInput where it is not here."""
    if find_spec("torchao") is None or find_spec("accelerate") is None:
        raise InvalidInput(
            f"To hold {name} in {str(dtype).removeprefix('torch.')} here, the package torchao is needed.", _GET_TORCHAO
        )
    from torchao.quantization import Int4WeightOnlyConfig, Int8WeightOnlyConfig  # pyrefly: ignore[missing-import]
    from transformers.utils.quantization_config import TorchAoConfig

    if dtype == torch.int8:
        return TorchAoConfig(Int8WeightOnlyConfig())
    return TorchAoConfig(Int4WeightOnlyConfig(group_size=_INT4_GROUP, int4_packing_format="tile_packed_to_4d"))


def _refuse_capped(config: Any, name: str) -> None:
    """Small logits are nearly the same with a cap and without, so that trying a model on a text may not show one."""
    if getattr(config, "final_logit_softcapping", None):
        raise ModelUnavailable(
            f"{name} caps its logits after the head, so they are no straight lines in alpha.",
            "Use a model without final_logit_softcapping.",
        )


def refuse_offloaded(model: torch.nn.Module, name: str) -> None:
    """Raise ModelUnavailable if some weights found no place on a device: they would be read anew in each step."""
    if any(weights.is_meta for weights in model.parameters()):
        raise ModelUnavailable(f"{name} does not fit into the GPUs here.", "Take a smaller model, or --device cpu.")


def refuse_damaged(model: torch.nn.Module, folder: Path) -> None:
    """Raise ModelUnavailable if a weight is nan, infinite or far beyond what any model has, as damaged bytes are."""
    for name, weights in model.named_parameters():
        if not weights.numel():
            continue
        try:
            low, high = (float(end) for end in plain(weights.detach()).aminmax())
        except TypeError as error:
            raise ModelUnavailable(f"The model in {folder} is packed: its {error}.", _GET_IT_WHOLE) from error
        if not max(-low, high) <= _LARGEST_WEIGHT:  # also where they are nan
            raise ModelUnavailable(
                f"The weights in {folder} are damaged: {name} holds numbers from {low:.3g} to {high:.3g}.",
                _GET_IT_WHOLE,
            )


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
