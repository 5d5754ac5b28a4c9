"""A sweep as files: replies and points as Parquet, a summary as JSON."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

import playground
from playground import metrics
from playground.cards import Point
from playground.files import in_one_piece, write_json
from playground.measure.plan import SweepPlan
from playground.measure.sweep import MeasuredReply, Sweep
from playground.settings import MAIN

REPLIES, POINTS, SUMMARY = "replies.parquet", "points.parquet", "summary.json"


def write(found: Sweep, out: Path, model: str, command: str) -> dict[str, Any]:
    """Write replies and points as Parquet, and a summary as JSON, which is also returned."""
    about = {"command": command, "version": playground.__version__, "model": model, "axis": found.plan.axis}
    _write_table(out / REPLIES, [_reply_record(found.plan, one) for one in found.replies], about)
    _write_table(out / POINTS, [_point_record(point) for point in found.points], about)
    plan = found.plan.model_dump(mode="json", exclude={"prompts"})
    summary = {
        **about,
        "plan": {**plan, "prompts": len(found.plan.prompts)},
        "replies": len(found.replies),
        "points": [point.model_dump(mode="json") for point in found.points],
        "spearman": metrics.correlations(found.points),
    }
    write_json(out / SUMMARY, summary)
    return summary


def _reply_record(plan: SweepPlan, one: MeasuredReply) -> dict[str, Any]:
    reply = one.reply
    low, high = reply.alpha_interval or (None, None)
    return {
        "prompt": one.reading.prompt,
        "prompt_text": plan.prompts[one.reading.prompt],
        "seed": reply.seed,
        **reply.at.amounts,
        "text": reply.text,
        "token_ids": list(reply.token_ids),
        "finish_reason": reply.finish_reason,
        f"{MAIN}_low": low,
        f"{MAIN}_high": high,
        **one.reading.numbers,
    }


def _point_record(point: Point) -> dict[str, Any]:
    record: dict[str, Any] = {**point.amounts}
    for name, estimate in point.metrics.items():
        record |= {f"{name}_{part}": getattr(estimate, part) for part in ("mean", "low", "high")}
    return record


def _write_table(path: Path, records: list[dict[str, Any]], about: Mapping[str, str]) -> None:
    """Write Parquet in one piece: a kill leaves the old file or the new one."""
    table = pa.Table.from_pylist(records)
    with in_one_piece(path) as scratch:
        parquet.write_table(table.replace_schema_metadata(dict(about)), scratch)
