"""What can be taken away from a measuring: points, replies and prompts as files, and a file for LLM Comparator."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from playground.comparator import against_base, comparator
from playground.settings import UNSTEERED, Sliders
from playground.ui import snippets
from playground.ui.curves.present import Measurement

if TYPE_CHECKING:
    from playground.measure.sweep import MeasuredReply


def write_files(found: Measurement, replies: Sequence["MeasuredReply"], out: Path) -> tuple[str, ...]:
    """Write what can be taken away into `out`: points as CSV and Parquet, replies, prompts, LLM Comparator's JSON."""
    import pandas as pd

    from playground import spreadsheet
    from playground.measure import report
    from playground.measure.sweep import Sweep

    assert found.plan is not None
    report.write(Sweep(found.plan, found.points, tuple(replies)), out, found.model, found.command)
    spreadsheet.write_csv(pd.read_parquet(out / report.POINTS), out / "points.csv")
    prompts = "".join(prompt.replace("\n", " ") + "\n" for prompt in found.plan.prompts)
    (out / "prompts.txt").write_text(prompts, encoding="utf-8")
    (out / "llm-comparator.json").write_text(for_comparator(found, replies), encoding="utf-8")
    names = ("points.csv", report.POINTS, report.REPLIES, "prompts.txt", "llm-comparator.json")
    return tuple(str(out / name) for name in names)


def for_comparator(found: Measurement, replies: Sequence["MeasuredReply"]) -> str:
    """The base against the strength of highest mean reward, for LLM Comparator."""
    assert found.plan is not None
    best = max(found.points, key=lambda point: point.metrics["reward"].mean)
    there, plain = (_by_place(replies, at) for at in (best.at, UNSTEERED))
    pairs = [
        against_base(
            found.plan.prompts[one.reading.prompt],
            one.reply.text,
            plain[place].reply.text,
            one.reading.numbers,
            plain[place].reading.numbers,
        )
        for place, one in there.items()
        if place in plain
    ]
    strength = best.in_words()
    source = f"{found.plan.axis} on {found.model}, {strength}"
    return snippets.as_json(comparator(source, (strength, "base"), pairs))


def _by_place(replies: Sequence["MeasuredReply"], at: Sliders) -> dict[tuple[int, int], "MeasuredReply"]:
    """The replies at one strength, by their prompt and seed."""
    return {(one.reading.prompt, one.reading.seed): one for one in replies if one.reply.at == at}
