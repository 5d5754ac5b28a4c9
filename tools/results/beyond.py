"""Finding g, past the papers: does alpha hold over a talk of three turns, and what does one axis do to the others?"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from playground.settings import Message, Row, Strength, conversation
from tools.results import numbers, words
from tools.results.lab import Answers, Lab
from tools.results.words import Claim, Section

TURNS = ("Can you tell me more about that?", "And what would you do next?")
"""What the user says after the first prompt."""

TALKS: dict[str, tuple[float, float, float]] = {
    "base": (0.0, 0.0, 0.0),
    "alpha 1": (1.0, 1.0, 1.0),
    "alpha 1, then off": (1.0, 1.0, 0.0),
}
"""Alpha at each turn; a talk's own replies are its history."""


def measure(lab: Lab, axis: str) -> dict[str, Any]:
    """Talks along the axis; and its replies scored by every axis, alone and together with each other one."""
    return {"talks": _talks(lab, axis), "cross": _cross(lab, axis)}


def _talks(lab: Lab, axis: str) -> list[dict[str, Any]]:
    asked = lab.seeded(lab.prompts()[: lab.sizes.talks])
    store, steering, read = lab.folder(axis) / "talks.jsonl", lab.player.axes[axis].steering, lab.reader(axis)
    history: dict[str, list[tuple[Message, ...]]] = {name: [()] * len(asked) for name in TALKS}
    found: list[dict[str, Any]] = []
    first: list[float] = []
    for turn in range(1 + len(TURNS)):
        rows = {
            name: [
                Row(
                    messages=conversation(prompt if turn == 0 else TURNS[turn - 1], history=past),
                    strengths=(Strength(axis=axis, alpha=alphas[turn]),) if alphas[turn] else (),
                    seed=seed,
                )
                for (prompt, seed), past in zip(asked, history[name], strict=True)
            ]
            for name, alphas in TALKS.items()
        }
        answers = lab.ask(store, {axis: steering}, rows, read)
        history = {name: _grown(rows[name], answers[name]) for name in TALKS}
        base = answers["base"].readings
        found.append({name: numbers.beside(answers[name].readings, base) for name in TALKS if name != "base"})
        gained = numbers.gains(answers["alpha 1"].readings, base, "reward")
        first = first or gained
        found[-1]["since_first"] = numbers.mean([now - then for now, then in zip(gained, first, strict=True)])
    return found


def _grown(rows: Sequence[Row], answers: Answers) -> list[tuple[Message, ...]]:
    """Each talk with the reply it got."""
    return [
        (*row.messages, Message(role="assistant", content=reply.text))
        for row, reply in zip(rows, answers.replies, strict=True)
    ]


def _cross(lab: Lab, axis: str) -> dict[str, Any]:
    others = [name for name in lab.axes if name != axis]
    own = Strength(axis=axis, alpha=1.0)
    ways: dict[str, tuple[Strength, ...]] = {"base": (), axis: (own,)}
    ways |= {f"{axis} and {other}": (own, Strength(axis=other, alpha=1.0)) for other in others}
    asked = lab.seeded(lab.prompts())
    rows = {
        way: [Row(messages=conversation(prompt), strengths=strengths, seed=seed) for prompt, seed in asked]
        for way, strengths in ways.items()
    }
    steering = {name: lab.player.axes[name].steering for name in lab.axes}
    together = (axis, *others)
    answers = lab.ask(lab.folder(*together) / "cross.jsonl", steering, rows, lab.reader(*together))
    readings = {way: one.readings for way, one in answers.items()}
    judged = [name for name in together if lab.player.axes[name].judge is not None]
    many = len(together) > 1
    return {
        way: {
            "rewards": {n: numbers.gain(read, readings["base"], f"reward {n}" if many else "reward") for n in together},
            "wins": {n: numbers.wins(read, readings["base"], f"judge {n}" if many else "judge") for n in judged},
            "left": numbers.gain(read, readings[axis], f"reward {axis}" if many else "reward"),
        }
        for way, read in readings.items()
        if way != "base"
    }


def tell(found: dict[str, Any]) -> Section:
    """Turn by turn, then axis by axis."""
    parts, claims = ["### Three turns"], []
    for axis, both in found.items():
        text, claim = _tell_talks(axis, both["talks"])
        parts += text
        claims.append(claim)
    parts.append("### One axis on the others")
    rows: dict[str, list[list[str]]] = {"rewards": [], "wins": []}
    names = list(dict.fromkeys(chain.from_iterable(both["cross"][axis]["rewards"] for axis, both in found.items())))
    for axis, both in found.items():
        for way, one in both["cross"].items():
            for kind, table in rows.items():
                table.append([way, *(words.shown(one[kind].get(name), percent=kind == "wins") for name in names)])
            if way != axis:
                kept = words.compared(one["left"], "more than", "less than", "as much as")
                parts.append(f"{way} at once gains in {axis}'s reward {kept} {axis} alone.")
        alone = both["cross"][axis]["rewards"]
        moved = [
            f"{name} {words.compared(alone[name])}"
            for name in names
            if name != axis and name in alone and words.direction(alone[name]) != "not told apart"
        ]
        if len(alone) > 1:
            told = f"no: {words.listed(moved)}" if moved else "yes, none is told apart from the base"
            claims.append(Claim(f"{axis} at alpha 1 leaves the other axes' rewards alone", told))
    parts += [
        "Gain in each axis's reward with the axes of the row at alpha 1:",
        words.table(["steered along", *names], rows["rewards"]),
        "How often each axis's judge prefers the steered reply to the base's; half is no effect:",
        words.table(["steered along", *names], rows["wins"]),
    ]
    return Section("\n\n".join(parts), claims)


def _tell_talks(axis: str, turns: Sequence[dict[str, Any]]) -> tuple[list[str], Claim]:
    talks = [name for name in TALKS if name != "base"]
    rows = [[str(number), name, *words.beside(turn[name])] for number, turn in enumerate(turns, 1) for name in talks]
    last = turns[-1]
    after = words.compared(last["alpha 1, then off"]["gain"], even="not told apart from the base's")
    text = [
        words.table([f"{axis}, turn", "talk", *words.BESIDE], rows),
        f"At turn {len(turns)} the gain in reward is, beside that at turn 1, {words.compared(last['since_first'])}. "
        f"With alpha off at the last turn, after a steered history, reward is {after}.",
    ]
    holds = words.compared(last["alpha 1"]["gain"], "yes", "no, it turns round", "not told apart from the base")
    return text, Claim(f"Alpha 1 still raises reward at turn {len(turns)} ({axis})", holds)
