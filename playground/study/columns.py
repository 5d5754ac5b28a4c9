"""The columns of a study's tables, with dtype and meaning: what an export's data dictionary tells. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from playground.settings import SLIDERS

COLUMNS: dict[str, tuple[str, str]] = {
    "study": ("string", "Name of the study."),
    "person": ("int64", "Number of the person; the external id is in no table that is analysed."),
    "position": ("int64", "Place of the trial in the person's schedule, practice included, from 0."),
    "task": ("string", "pair, adjustment, single or adaptive."),
    "block": ("string", "Name of the task, where the study has several of a kind; else its kind."),
    "check": ("string", 'Empty for an ordinary trial; else "instructed", "gold" or "repeated".'),
    "cell": ("string", "What the design shows equally often; empty for instructed and gold pairs."),
    "prompt": ("string", "Id of the prompt; empty for instructed pairs."),
    "topic": ("string", "Topic of the prompt."),
    "seed": ("Int64", "Seed of the replies' noise."),
    "condition": ("string", "Id of the condition; empty in a study without."),
    "axis": ("string", "Name of the axis."),
    "method": ("string", f"{' or '.join(SLIDERS)}: what the strengths are of."),
    "left": ("Float64", "Pair: strength of the left reply."),
    "right": ("Float64", "Pair: strength of the right reply."),
    "strength": ("Float64", "Single and adaptive: strength shown. Adjustment: strength chosen."),
    "start": ("Float64", "Adjustment: strength the slider began at."),
    "choice": ("string", "Pair: left, right, tie, bad. Adjustment: liked. Single: weak, right, strong, broken."),
    "degree": ("Int64", "Pair: -3 (left much better) to 3 (right much better), 0 a tie; missing if not asked."),
    "too_strong": ("boolean", "Single and adaptive: strong or broken was chosen."),
    "correct": ("boolean", "Instructed and gold: as expected. Repeated: the same reply, or again tie or both bad."),
    "repeats": ("Int64", "Repeated: position of the pair it repeats."),
    "flipped": ("boolean", "Adjustment: the slider ran from the highest strength to the lowest."),
    "left_tokens": ("Int64", "Pair: length of the left reply in tokens."),
    "right_tokens": ("Int64", "Pair: length of the right reply in tokens."),
    "left_words": ("Int64", "Pair: length of the left reply in words."),
    "right_words": ("Int64", "Pair: length of the right reply in words."),
    "left_reward": ("Float64", "Pair: the axis's reward of the left reply."),
    "right_reward": ("Float64", "Pair: the axis's reward of the right reply."),
    "left_kl": ("Float64", "Pair: KL to the base model of the left reply, nats per token."),
    "right_kl": ("Float64", "Pair: KL to the base model of the right reply, nats per token."),
    "left_perplexity": ("Float64", "Pair: perplexity of the left reply under the base model."),
    "right_perplexity": ("Float64", "Pair: perplexity of the right reply under the base model."),
    "tokens": ("Int64", "Not a pair: length in tokens of the reply at `strength`."),
    "words": ("Int64", "Not a pair: its length in words."),
    "reward": ("Float64", "Not a pair: its reward."),
    "kl": ("Float64", "Not a pair: its KL to the base model, nats per token."),
    "perplexity": ("Float64", "Not a pair: its perplexity under the base model."),
    "left_id": ("string", "Pair: stimulus id of the left reply."),
    "right_id": ("string", "Pair: stimulus id of the right reply."),
    "reply_id": ("string", "Not a pair: stimulus id of the reply at `strength`."),
    "path": ("string", "Adjustment: JSON list of [milliseconds, strength] as the slider moved."),
    "moves": ("Int64", "Adjustment: steps in that path."),
    "changes": ("int64", "How often the choice changed before it was sent."),
    "undone": ("int64", "How often an answer to it was taken back before this one; the last counts."),
    "client_s": ("float64", "Seconds from shown to answered by the browser's clock, of the last showing."),
    "server_s": ("float64", "Seconds from last shown to answered by the server's clock."),
    "hidden": ("int64", "How often the page lost the focus."),
    "hidden_s": ("float64", "For how many seconds in all."),
    "shows": ("int64", "How often the trial was shown; above 1 after a reload."),
    "too_fast": ("boolean", "Answered sooner than the plan's seconds per word; missing for instructed pairs."),
    "shown_at": ("datetime64[ns, UTC]", "First shown."),
    "answered_at": ("datetime64[ns, UTC]", "Saved."),
    "finished": ("bool", "The person came to the end."),
    "group": ("string", "The group the person is in; empty in a study without."),
    "pilot": ("bool", "The person tried the study out before it began."),
}
"""The long table: each column's dtype and meaning."""

PEOPLE: dict[str, tuple[str, str]] = {
    "study": ("string", "Name of the study."),
    "person": ("int64", "Number of the person, as in the long table."),
    "group": ("string", "The group they are in; empty in a study without."),
    "pilot": ("bool", "They tried the study out before it began; no part of its results."),
    "consent_version": ("string", "The consent text agreed to."),
    "consented_at": ("datetime64[ns, UTC]", "When the person consented."),
    "finished_at": ("datetime64[ns, UTC]", "When they came to the end; missing if they have not."),
    "minutes": ("Float64", "Between the two."),
    "outcome": ("string", "completed, failed (checks) or screened (out by a question); empty if not finished."),
    "trials": ("int64", "Counted trials in the schedule, checks included."),
    "answered": ("int64", "How many of them are answered."),
    "checks": ("int64", "Instructed and gold pairs answered."),
    "checks_failed": ("int64", "How many of them wrongly."),
    "repeats": ("int64", "Repeated pairs answered."),
    "repeats_differ": ("int64", "How many of them otherwise than the first time."),
    "too_fast": ("int64", "Trials answered too fast."),
    "hidden": ("int64", "Times the page lost the focus."),
    "left_share": ("Float64", "Share of left among the left and right answers to ordinary pairs."),
    "flags": ("string", "What stands out, separated by spaces: failed_check, inconsistent, too_fast, one_sided."),
}
"""The table of people: each column's dtype and meaning. Columns q_ID hold the answers to the study's questions."""

EVENTS: dict[str, tuple[str, str]] = {
    "at": ("datetime64[ns, UTC]", "When it happened."),
    "person": ("Int64", "Number of the person; missing for one who declined, or of whom nobody knows."),
    "position": ("Int64", "Place of the trial in the person's schedule; missing for what is of no trial."),
    "kind": (
        "string",
        "What happened: consented, instructed, shown, answered, undone, responded, finished, declined, ...",
    ),
    "detail": ("string", "More of it, as JSON."),
}
"""The event log: each column's dtype and meaning."""


def frame(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Rows as a table with just these columns and dtypes, also when there are none."""
    return pd.DataFrame(
        {
            name: pd.Series([row.get(name) for row in rows], dtype="object").astype(dtype)  # pyrefly: ignore[no-matching-overload]
            for name, (dtype, _) in columns.items()
        }
    )
