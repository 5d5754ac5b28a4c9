"""The steered reply token by token: a ribbon tinted by shift, the value over the reply, and both as a table.

Pure strings. The ribbon's script shows what is known of the token under the pointer or the focus.
"""

import json
from collections.abc import Sequence
from html import escape

from playground.events import Candidate, Token
from playground.ui.numerals import figure
from playground.ui.play.view import STEERED, View

_FULL = 3.0  # nats of shift at which the tint is full
_HEIGHT = 56


def ribbon(view: View) -> str:
    """The token view of a page whose visitor asked for it."""
    if view.inputs is None or not view.inputs.detail:
        return ""
    reply = view.reply(STEERED) or view.ghosts.get(STEERED)
    if reply is None or not reply.pieces:
        return '<p class="hint">The steered reply\'s tokens appear here as they are written.</p>'
    tokens = "".join(_token(index, token) for index, token in enumerate(reply.pieces))
    told = json.dumps([_told(token) for token in reply.pieces], ensure_ascii=False)
    return (
        f'<div class="ribbon" data-told="{escape(told)}">{_chart(reply.pieces)}'
        f'<div class="tokens" role="group" aria-label="the steered reply, token by token">{tokens}</div>'
        '<div class="told" role="status" aria-live="polite">'
        '<p class="hint">Point at a token, or step through them with the arrow keys.</p></div>'
        f"{_table(reply.pieces)}</div>"
    )


def shift(token: Token) -> float:
    """How much likelier steering made a token, in nats: log p - log p_base."""
    return token.logprob - token.base_logprob


def _token(index: int, token: Token) -> str:
    amount = shift(token)
    side = "more" if amount >= 0 else "less"
    strength = min(abs(amount) / _FULL, 1.0)
    text = escape(token.text or "·")
    return (
        f'<button type="button" class="token {side}" style="--shift:{strength:.2f}" data-at="{index}"'
        f' tabindex="{0 if index == 0 else -1}" aria-label="{escape(_name(token))}, shift {figure(amount)} nats">'
        f"{text}</button>"
    )


def _told(token: Token) -> dict[str, object]:
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

    def line(column: int, name: str) -> str:
        points = " ".join(
            f"{point[0] / (len(tokens) - 1) * 100:.2f},{(high - point[column]) / room * (_HEIGHT - 6) + 3:.1f}"
            for point in known
        )
        return f'<polyline class="{name}" points="{points}" vector-effect="non-scaling-stroke"/>'

    first, last = known[0], known[-1]
    told = (
        f"value over the reply, from {figure(first[1])} to {figure(last[1])} before control"
        f" and from {figure(first[2])} to {figure(last[2])} after"
    )
    return (
        f'<figure class="values"><figcaption>value <span class="before">before</span> and'
        f' <span class="after">after</span> control <small>{figure(low)} to {figure(high)}</small></figcaption>'
        f'<svg role="img" aria-label="{told}" viewBox="0 0 100 {_HEIGHT}" preserveAspectRatio="none">'
        f"{line(1, 'before')}{line(2, 'after')}</svg></figure>"
    )


def _table(tokens: Sequence[Token]) -> str:
    """The same as text."""
    valued = any(token.value_before is not None for token in tokens)
    names = ["token", "log p", "log p base", "KL", *(["value before", "value after"] if valued else [])]
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(cell)}</td>"
            for cell in (
                _name(token),
                *(figure(number) for number in (token.logprob, token.base_logprob, token.kl)),
                *([_value(token.value_before), _value(token.value_after)] if valued else []),
            )
        )
        + "</tr>"
        for token in tokens
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return (
        '<details class="astext"><summary>As a table</summary><div class="wide" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _name(token: Token) -> str:
    """A token as a person can see it."""
    if not token.text:
        return "(end, or part of a letter)"
    return token.text.replace("\n", "⏎") if token.text.strip() else "(white space)"


def _value(number: float | None) -> str:
    return "" if number is None else figure(number)
