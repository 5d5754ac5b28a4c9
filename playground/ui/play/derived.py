"""What can be read off a view: where its reply holds, what it earns, and whether it is breaking. Pure."""

import math

from playground.comparator import Compared, against_base
from playground.events import Change, Finished
from playground.settings import MAIN, SLIDER_RANGE
from playground.ui.play.view import BASE, STEERED, ReplyView, View, comparable

_LONG_ENOUGH = 12

_REPEATED, _SURPRISE, _FAR = 0.25, 4.0, 2.5
"""A share of runs of four tokens said before, a perplexity over the base reply's, a KL in nats per token: beyond
them a single reply reads as broken. Wider than an axis's tested range, which speaks of means over many prompts."""


def holds(view: View) -> tuple[float | None, float | None] | None:
    """The range of the first slider in which the steered reply stays as it is, None where it is not known."""
    reply = view.sure(STEERED)
    return reply.finished.alpha_interval if reply and reply.finished else None


def steps(view: View) -> tuple[float | None, float | None]:
    """The strengths just beyond the steered reply's interval: (previous change, next change), None without one."""
    interval = holds(view)
    if interval is None:
        return None, None
    low, high = interval
    return (
        None if low is None else (math.ceil(low * 1000 - 1e-6) - 1) / 1000,
        None if high is None else (math.floor(high * 1000 + 1e-6) + 1) / 1000,
    )


def changes(view: View) -> tuple[Change | None, Change | None]:
    """What becomes of the steered reply at the low and at the high end of that range, as far as it is known."""
    reply = view.sure(STEERED)
    return (reply.finished.changes if reply and reply.finished else None) or (None, None)


def breakpoints(view: View) -> tuple[float, ...]:
    """The strengths on the first slider at which replies seen so far give way to others, all else as on the page."""
    low, high = SLIDER_RANGE
    ends = {end for reply in _along(view) if reply.finished for end in reply.finished.alpha_interval or ()}
    return tuple(sorted(end for end in ends if end is not None and low <= end <= high))


def rewards(view: View) -> list[tuple[float, float, bool]]:
    """(strength, reward, is it the steered pane's) of each finished reply of this turn along the first slider."""
    steered = view.slots.get(STEERED)
    found: dict[float, tuple[float, float, bool]] = {}
    for reply in _along(view):
        done = reply.finished
        if done is None or done.reward is None or not math.isfinite(done.reward):
            continue
        at = done.at.amounts[MAIN]
        if reply.row == steered or at not in found:
            found[at] = (at, done.reward, reply.row == steered)
    return [found[at] for at in sorted(found)]


def compared(view: View) -> list[Compared]:
    """The panes' replies to the present turn side by side, once both are finished."""
    replies = [view.reply(slot) for slot in (BASE, STEERED)]
    done = [reply.finished for reply in replies if reply is not None and reply.finished]
    if len(done) < 2:
        return []
    base, steered = done
    return [against_base(view.prompt, steered.text, base.text, _numbers(steered), _numbers(base))]


def troubles(view: View, slot: str) -> tuple[str, ...]:
    """What says that a slot's reply is coming apart, each as a clause; empty for a sound one or one just begun."""
    reply, base = view.reply(slot), view.reply(BASE)
    if reply is None or reply.tokens < _LONG_ENOUGH:
        return ()
    ids = reply.finished.token_ids if reply.finished else tuple(token.id for token in reply.pieces)
    runs = [ids[start : start + 4] for start in range(len(ids) - 3)]
    found: list[str] = []
    if 1 - len(set(runs)) / len(runs) > _REPEATED:
        found.append("it repeats itself")
    if slot != BASE and base is not None and base.finished and reply.perplexity > _SURPRISE * base.perplexity:
        times = reply.perplexity / base.perplexity
        found.append(f"its words surprise the base model {min(times, 999):.0f} times as much as the base's own")
    if slot != BASE and reply.kl_per_token > _FAR:
        found.append(f"each token lies {reply.kl_per_token:.1f} nats from the base model")
    return tuple(found)


def _along(view: View) -> list[ReplyView]:
    """The replies that differ from the steered pane's along the first slider alone."""
    steered = view.slots.get(STEERED)
    if steered is None:
        return []
    return [reply for reply in view.replies.values() if comparable(reply.row, steered)]


def _numbers(done: Finished) -> dict[str, float]:
    numbers = {"kl": done.kl, "perplexity": done.perplexity, "length": float(len(done.token_ids))}
    return numbers if done.reward is None else {"reward": done.reward, **numbers}
