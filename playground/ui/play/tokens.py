"""The steered reply token by token: a ribbon tinted by shift, the value over the reply, and both as a table.

Pure. The ribbon's script shows what is known of the token under the pointer or the focus.
"""

import json
from collections.abc import Sequence
from typing import Any

from playground.events import Candidate, Token
from playground.templates import macros
from playground.ui.numerals import figure
from playground.ui.play.view import STEERED, View

_PARTS = macros("ui/play/tokens.html")
_FULL = 3.0  # nats of shift at which the tint is full
_HEIGHT = 56


def ribbon(view: View) -> str:
    """The token view of a page whose visitor asked for it."""
    if view.inputs is None or not view.inputs.detail:
        return ""
    reply = view.reply(STEERED) or view.ghosts.get(STEERED)
    if reply is None or not reply.pieces:
        return _PARTS.nothing()
    pieces = reply.pieces
    told = [_told(token) for token in pieces]
    shown = [_shown(at, token, one["text"]) for at, (token, one) in enumerate(zip(pieces, told, strict=True))]
    return _PARTS.ribbon(shown, json.dumps(told, ensure_ascii=False), _chart(pieces), *_table(told))


def shift(token: Token) -> float:
    """How much likelier steering made a token, in nats: log p - log p_base."""
    return token.logprob - token.base_logprob


def _shown(at: int, token: Token, name: str) -> tuple[str, bool, str, str, str]:
    """What the ribbon shows of a token: its place, whether steering made it likelier, its tint, label and text."""
    amount = shift(token)
    tint, label = f"{min(abs(amount) / _FULL, 1.0):.2f}", f"{name}, shift {figure(amount)} nats"
    return str(at), amount >= 0, tint, label, token.text or "·"


def _told(token: Token) -> dict[str, Any]:
    """What the script shows of a token; numbers as they are read."""
    return {
        "text": _name(token),
        "logprob": figure(token.logprob),
        "base": figure(token.base_logprob),
        "kl": figure(token.kl),
        "values": [figure(value) for value in (token.value_before, token.value_after) if value is not None],
        "likely": [_listed(candidate) for candidate in token.likely],
        "base_likely": [_listed(candidate) for candidate in token.base_likely],
    }


def _listed(candidate: Candidate) -> list[object]:
    return [candidate.text, round(candidate.logprob, 3)]


def _chart(tokens: Sequence[Token]) -> str:
    """The value before and after control over the reply; nothing where no value function reads it."""
    read = [(at, t.value_before, t.value_after) for at, t in enumerate(tokens)]
    known = [(at, before, after) for at, before, after in read if before is not None and after is not None]
    if len(known) < 2:
        return ""
    values = [value for _, *pair in known for value in pair]
    low, high = min(values), max(values)
    room = (high - low) or 1.0

    def line(column: int, name: str) -> tuple[str, str]:
        points = " ".join(
            f"{point[0] / (len(tokens) - 1) * 100:.2f},{(high - point[column]) / room * (_HEIGHT - 6) + 3:.1f}"
            for point in known
        )
        return name, points

    first, last = known[0], known[-1]
    told = (
        f"value over the reply, from {figure(first[1])} to {figure(last[1])} before control"
        f" and from {figure(first[2])} to {figure(last[2])} after"
    )
    return _PARTS.values(figure(low), figure(high), _HEIGHT, told, [line(1, "before"), line(2, "after")])


def _table(told: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """The same as text: the head of a table, and its rows."""
    valued = any(one["values"] for one in told)
    head = ["token", "log p", "log p base", "KL", *(["value before", "value after"] if valued else [])]
    rows = [[one["text"], one["logprob"], one["base"], one["kl"], *_two(one["values"], valued)] for one in told]
    return head, rows


def _two(values: Sequence[str], valued: bool) -> list[str]:
    """The cells of the value before and after; empty where a token has none."""
    return [*values, "", ""][:2] if valued else []


def _name(token: Token) -> str:
    """A token as a person can see it."""
    if not token.text:
        return "(end, or part of a letter)"
    return token.text.replace("\n", "⏎") if token.text.strip() else "(white space)"
