"""Is this folder a base model that may be loaded? Looks at names, sizes and headers; loads and unpickles nothing."""

import json
from collections.abc import Mapping
from pathlib import Path

from playground.errors import InvalidInput, ModelUnavailable

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"

_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")
_UNPACKED_WHEN_LOADED = ("mxfp4",)
_HEADER_LIMIT = 100_000_000
"""Bytes; the format's own limit on its header."""


def check_model_folder(folder: Path) -> Path:
    """Return `folder` if it holds a configuration, a tokenizer and whole safetensors weights.

    Raises InvalidInput for a path that is no folder and ModelUnavailable for what is missing or damaged in it.
    """
    if not folder.exists():
        raise ModelUnavailable(f"There is no folder {folder}.", "Correct the path, or run: playground model list")
    if not folder.is_dir():
        raise InvalidInput(
            f"{folder} is a file, not a model folder.",
            "Give the folder that holds config.json, the tokenizer and the safetensors weights.",
        )
    config = read_json(folder / "config.json")
    if "model_type" not in config:
        raise ModelUnavailable(f"{folder / 'config.json'} names no model_type.", "Save the model again.")
    check_packing(config, str(folder))
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise ModelUnavailable(f"{folder} holds no tokenizer.", "Copy the model's tokenizer.json into it.")
    for file in _weight_files(folder):
        check_safetensors(file)
    return folder


def check_packing(config: Mapping[str, object], name: str) -> None:
    """Raise ModelUnavailable where a model's weights are packed, but for a packing that transformers undoes."""
    packing = config.get("quantization_config")
    if packing is None:
        return
    method = packing.get("quant_method") if isinstance(packing, dict) else None
    if method not in _UNPACKED_WHEN_LOADED:
        raise ModelUnavailable(
            f"The weights of {name} are packed by {method or 'something unknown'}, which cannot be steered.",
            "Take the same model with plain weights, and --dtype int8 for less memory.",
        )


def check_safetensors(file: Path) -> None:
    """Compare a weight file's size with what its header promises. Raises ModelUnavailable when they disagree."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            start = stream.read(8)
            length = int.from_bytes(start, "little")
            header = stream.read(length) if length <= min(size, _HEADER_LIMIT) else b""
    except FileNotFoundError:
        raise ModelUnavailable(f"The weight file {file} is missing.", "Download or copy the model again.") from None
    except OSError as error:
        raise ModelUnavailable(f"{file} cannot be read: {error.strerror}.", "Check the file's permissions.") from None
    end = _data_end(header)
    if end is None and start.startswith(_PICKLE_STARTS):  # only then: a header's length may begin with the same bytes
        raise ModelUnavailable(
            f"{file} is a pickle under a safetensors name; opening it could run any code, so it is refused.",
            "Get the model as real safetensors from a source you trust.",
        )
    if end is None:
        raise ModelUnavailable(f"{file} is damaged or no safetensors file.", "Download or copy the model again.")
    if 8 + length + end != size:
        raise ModelUnavailable(
            f"{file} is truncated or damaged: {size} bytes instead of {8 + length + end}.",
            "Download or copy the model again.",
        )


def _weight_files(folder: Path) -> list[Path]:
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if (folder / INDEX).is_file():
        shards = read_json(folder / INDEX).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise ModelUnavailable(f"{folder / INDEX} lists no weights.", "Download or copy the model again.")
        return [folder / str(name) for name in sorted(set(shards.values()))]
    if any(path for pattern in _PICKLES for path in folder.glob(pattern)):
        raise ModelUnavailable(
            f"{folder} holds its weights as pickles only; opening them could run any code, so they are refused.",
            "Get the model's safetensors version, or convert it where you trust the file.",
        )
    raise ModelUnavailable(f"{folder} holds no safetensors weights.", f"It must contain {SINGLE} or {INDEX}.")


def read_json(path: Path) -> dict[str, object]:
    """The object in a model's file. Raises ModelUnavailable where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelUnavailable(f"{path.parent} holds no {path.name}.", "Give a folder saved by transformers.") from None
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{path} cannot be read: {error}.", "Download or copy the model again.") from None
    if not isinstance(content, dict):
        raise ModelUnavailable(f"{path} is not a JSON object.", "Download or copy the model again.")
    return content


def _data_end(header: bytes) -> int | None:
    """Where the last tensor ends, in bytes after the header; None if the header is none."""
    try:
        tensors = json.loads(header)
        return max(tensor["data_offsets"][1] for name, tensor in tensors.items() if name != "__metadata__")
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return None
