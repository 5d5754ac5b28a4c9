"""Looks at the shipped presets with the embedded model: python -m tools.presets [--only TITLE] [--write].

Each is answered along the range of alpha that it shows. Printed are the texts, the page's own warnings, and relevance:
how often a reply is likelier under its own prompt than under each of nine others, by the base model. `--write` keeps
what is found in `tools/presets.jsonl`, where what is known already is not looked at again, and an example of each axis
beside its weights; a test fails when a preset or its axis has changed since.
"""

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from playground import cards, presets
from playground.cards import Card
from playground.engine.forced import reply_logprobs
from playground.engine.language_model import LanguageModel
from playground.events import Event, Finished, Token
from playground.player import Player
from playground.presets import Preset
from playground.settings import SLIDERS, Request, Row, Strength, conversation
from playground.ui.axes import examples
from playground.ui.play import derived, recordings
from playground.ui.play.view import BASE, STEERED, Inputs, ReplyView, View, key_of, strengths_of

FOUND = Path(__file__).with_suffix(".jsonl")

STEP = 0.25
"""Between the strengths that are looked at."""

OTHERS = (
    "Describe a morning in your office.", "What is the capital of Spain?", "How do I boil an egg?",
    "It is raining today. What should I do?", "Write a short letter to a friend.", "How do computers work?",
    "Tell me about your family.", "What do you think of football?", "How do I fix a flat tyre?",
)  # fmt: skip
"""What a reply should not fit as well as its own prompt."""

CARDS = {card.name: card for card in cards.shipped().values()}

EXAMPLE_TOKENS = 56

LEAST_RELEVANT = 8 / 9
"""A reply may fit one of the others as well: an office is not far from a letter."""


def shown(preset: Preset, card: Card) -> list[float]:
    """The alphas from one end of what a preset shows, its strip and its own strength, to the other."""
    ends = [*strengths_of(Inputs().side_by_side), preset.alpha]
    if goes_too_far(preset, card):
        return sorted(set(ends))
    steps = round((max(ends) - min(ends)) / STEP)
    return sorted({*(min(ends) + STEP * step for step in range(steps + 1)), *ends})


def goes_too_far(preset: Preset, card: Card) -> bool:
    """Whether a preset's own strength lies outside the tested range, which its title must then say."""
    return not all(
        low <= strength <= high
        for strength, (low, high) in (
            (preset.amounts[name], card.safe_range.of(name)) for name in SLIDERS
        )
    )  # fmt: skip


def identity(preset: Preset, card: Card) -> str:
    """A short name of all that a preset's replies depend on but the base model and its dtype."""
    of = [preset.model_dump(exclude={"title"}, exclude_unset=True), card.digest, Inputs().side_by_side]
    return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:16]


def look(player: Player, preset: Preset) -> list[dict[str, Any]]:
    """A preset's replies along what it shows: alpha, text in a line, warnings, relevance; the base's has no alpha."""
    asked = recordings.asked_by(preset, player.axes)
    pattern = next(row for row in asked.rows if row.strengths)
    base = next(row for row in asked.rows if not any(one.steers for one in row.strengths))
    rows = [base, *(_at(pattern, alpha) for alpha in shown(preset, player.axes[preset.axis].card))]
    replies = _answered(player, asked.model_copy(update={"rows": tuple(dict.fromkeys(rows))}))
    found = [replies[key_of(row)] for row in rows]
    near = relevance(player.model, preset, [reply.finished.token_ids if reply.finished else () for reply in found])
    return [
        {
            "alpha": row.strengths[0].alpha if place else None,
            "text": " ".join(reply.text.split()),
            "warnings": list(_warnings(row, base, replies, BASE if place == 0 else STEERED)),
            "relevance": round(share, 2),
        }
        for place, (row, reply, share) in enumerate(zip(rows, found, near, strict=True))
    ]


def _at(row: Row, alpha: float) -> Row:
    first: Strength = row.strengths[0].model_copy(update={"alpha": alpha})
    return row.model_copy(update={"strengths": (first, *row.strengths[1:])})


def _answered(player: Player, request: Request) -> dict[str, ReplyView]:
    """Each row's reply, by its key."""
    replies = [ReplyView(row) for row in request.rows]
    for event in player.run(request):
        if isinstance(event, Token | Finished):
            replies[event.row] = _grown(replies[event.row], event)
    return {key_of(reply.row): reply for reply in replies}


def _grown(reply: ReplyView, event: Event) -> ReplyView:
    if isinstance(event, Finished):
        return replace(reply, text=event.text, finished=event)
    assert isinstance(event, Token)
    return replace(reply, pieces=(*reply.pieces, event))


def _warnings(row: Row, base: Row, replies: Mapping[str, ReplyView], slot: str) -> tuple[str, ...]:
    """What the page itself would say of a reply."""
    return derived.troubles(View(slots={STEERED: row, BASE: base}, replies=replies), slot)


def relevance(model: LanguageModel, preset: Preset, replies: Sequence[Sequence[int]]) -> list[float]:
    """For each reply the share of other prompts under which the base finds it less likely than under the preset's."""
    system = preset.system or None
    ids = [model.prompt_ids(conversation(prompt, system)) for prompt in (preset.prompt, *OTHERS)]
    shares: list[float] = []
    for reply in replies:
        own, *others = reply_logprobs(model, ids, [list(reply)] * len(ids)).tolist()
        shares.append(sum(own > other for other in others) / len(others))
    return shares


def known() -> dict[tuple[str, str], dict[str, Any]]:
    """What was found so far, by the identity of the preset and the dtype."""
    lines = FOUND.read_text(encoding="utf-8").splitlines() if FOUND.exists() else []
    return {(one["of"], one["dtype"]): one for one in map(json.loads, lines)}


def tell(preset: Preset, replies: Sequence[Mapping[str, Any]]) -> None:
    """Print what a preset says."""
    print(f"\n{preset.title}: {preset.prompt}\n{preset.axis} {preset.alpha:g}, control {preset.control:g}")
    for one in replies:
        at = "base" if one["alpha"] is None else f"{one['alpha']:g}"
        print(
            f"{at:>6} {one['relevance']:.2f} {'; '.join(one['warnings'])}| {' '.join(one['text'].split())}", flush=True
        )


def write(kept: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
    """Keep what was found of the presets there are, in their order."""
    identities = [identity(preset, CARDS[preset.axis]) for preset in presets.read_all()]
    lines = [json.dumps(kept[key], ensure_ascii=False) for of in identities for key in sorted(kept) if key[0] == of]
    FOUND.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def give_examples(player: Player) -> None:
    """Answer each axis's first preset at three strengths, and keep that beside its weights."""
    for folder, card in cards.shipped().items():
        if examples.of(card) is None:
            prompt, alphas = presets.prompt_for(card.name), examples.strengths(card)
            rows = [
                Row(messages=conversation(prompt), strengths=(Strength(axis=card.name, alpha=alpha),))
                for alpha in alphas
            ]
            found = _answered(player, Request(rows=tuple(rows), max_new_tokens=EXAMPLE_TOKENS))
            texts = tuple((alpha, _cut(found[key_of(row)])) for alpha, row in zip(alphas, rows, strict=True))
            examples.write(examples.Example(prompt, texts), card, folder)


def _cut(reply: ReplyView) -> str:
    """A reply's text, marked where it was cut off."""
    whole = reply.finished is not None and reply.finished.finish_reason == "stop"
    return reply.text if whole else f"{reply.text.rstrip()} …"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="Part of a title.", default="")
    parser.add_argument("--write", action="store_true", help=f"Keep what is found in {FOUND.name}.")
    parser.add_argument("--dtype", default="float32")
    asked = parser.parse_args()
    player, kept = Player.open(dtype=asked.dtype), known()
    dtype = str(player.model.dtype).removeprefix("torch.")
    if asked.write:
        give_examples(player)
    for preset in presets.read_all():
        key = identity(preset, CARDS[preset.axis]), dtype
        if asked.only.lower() not in preset.title.lower():
            continue
        if key not in kept:
            kept[key] = {"title": preset.title, "of": key[0], "dtype": dtype, "replies": look(player, preset)}
            if asked.write:
                write(kept)
        tell(preset, kept[key]["replies"])


if __name__ == "__main__":
    main()
