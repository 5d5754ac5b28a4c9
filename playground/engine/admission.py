"""Whether a model fits what steering does with its decoder: found out by trying, on a short text, when it is loaded.

A family's name tells little of that, and a family not known by name may well fit. Nothing here knows any family.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import pad

from playground.engine.caches import KVCache
from playground.engine.language_model import Check, LanguageModel
from playground.engine.methods.identity_layer import IdentityLayer
from playground.errors import ModelUnavailable
from playground.settings import conversation

NAMES = ("identity", "logits", "padding", "cache")
"""The checks, in the order in which they are made."""

_TEXT = "It rained all morning, so we stayed inside and talked about the sea and the people we had met there."
_TOKENS, _SHORTER, _STEPS = 16, 10, 2
"""A text, a shorter one, and how many tokens more each is read by single steps."""

_ROUNDING = 16
"""What may differ where the same is computed in other shapes, in units of the dtype's last place: layer upon layer adds
some rounding. A wrong mask, position or cache costs tens of percents."""
_HEAD_ROUNDING = 2
"""The stock head rounds logits to the dtype, ours does not; all before it is the very same computation."""
_FINEST = 1e-4
"""Nothing finer is asked for in float32: sums are taken in another order."""

_FITTING = "Models of the families Llama, Mistral, Qwen2, Qwen3, Gemma 3, OLMo, SmolLM3, GLM-4 and Phi-3 fit."


def admit(model: LanguageModel) -> tuple[Check, ...]:
    """The checks a model has passed. Raises ModelUnavailable at the first that fails, with how far off it was."""
    passed: list[Check] = []
    try:
        for check in checks(model):
            if not check.passed:
                raise ModelUnavailable(
                    f"{_title(model)} fails the {check.name} check: {check.failure}, by {check.error:.2g} of what it "
                    f"should be where at most {check.tolerance:.2g} may be rounding.",
                    _FITTING,
                )
            passed.append(check)
    except ModelUnavailable:
        raise
    except Exception as error:  # another decoder can fail in any way
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        name = NAMES[len(passed)]
        raise ModelUnavailable(f"{_title(model)} fails the {name} check, with: {reason}", _FITTING) from error
    return tuple(passed)


@torch.no_grad()
def checks(model: LanguageModel) -> Iterator[Check]:
    """Try a model and a layer in front of it, each check when it is asked for."""
    ids = _ids(model)
    mask = torch.ones_like(ids)
    embeddings = model.embed(ids)
    rounding = torch.finfo(model.dtype).eps

    layer = IdentityLayer(model).to(model.dtype)
    changed = (layer(embeddings, mask) - embeddings).abs().max() / embeddings.abs().max()
    yield Check(
        "identity", "a copy of its first layer that adds nothing changes what it was given", float(changed), 0.0
    )

    states = model.decode(embeddings, mask)
    stock = model.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    yield Check(
        "logits",
        "its logits are not its output weights times its last hidden states",
        _apart(model.head(states), stock),
        max(_HEAD_ROUNDING * rounding, _FINEST),
    )

    # The layer as a trained one might be: with the weights of the layer it was copied from.
    layer.restore(model)
    tried = [
        _try_cache(model.new_cache(), embeddings, states),
        _try_cache(layer.new_cache(), embeddings, layer(embeddings, mask)),
    ]
    tolerance = max(_ROUNDING * rounding, 10 * _FINEST)
    padding, cache = (max(errors) for errors in zip(*tried, strict=True))
    yield Check("padding", "it reads a text otherwise where the text is padded on the left", padding, tolerance)
    yield Check("cache", "it reads a text otherwise token by token than in one pass", cache, tolerance)


def _title(model: LanguageModel) -> str:
    return f"{model.name}, of the family {model.model.config.model_type!r},"


def _ids(model: LanguageModel) -> Tensor:
    """The first tokens [1, T] of a prompt; it is repeated where the tokenizer makes few of it."""
    length = _TOKENS + _STEPS
    ids = (model.prompt_ids(conversation(_TEXT)) * length)[:length]
    return torch.tensor([ids], device=model.device)


def _try_cache(cache: KVCache, embeddings: Tensor, whole: Tensor) -> tuple[float, float]:
    """How far off states are of a text's beginning and of a shorter one padded on the left, and of steps after them.

    embeddings and states of the whole text: [1, T, D]. The shorter beginning branches, rows change places and end.
    """
    missing = _TOKENS - _SHORTER
    both = torch.cat([embeddings[:, :_TOKENS], pad(embeddings[:, :_SHORTER], (0, 0, missing, 0))])
    mask = torch.ones(both.shape[:2], dtype=torch.long, device=both.device)
    mask[1, :missing] = 0
    states = cache.prefill(both, mask)
    padding = max(_apart(states[0], whole[0, :_TOKENS]), _apart(states[1, missing:], whole[0, :_SHORTER]))
    lengths, steps = [_TOKENS, _SHORTER], [0.0]
    for parents in ([1, 0, 1], [2, 1]):
        cache.select(parents)
        at = [lengths[parent] for parent in parents]
        steps.append(_apart(cache.step(embeddings[0, at]), whole[0, at]))
        lengths = [position + 1 for position in at]
    return padding, max(steps)


def _apart(found: Tensor, expected: Tensor) -> float:
    """How far two tensors are apart, as a share of the second's length."""
    found, expected = found.float(), expected.float()
    return float((found - expected).norm() / expected.norm())
