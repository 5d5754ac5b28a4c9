"""The axis's judge: fitted, and checked, on pairs that neither layer nor reward head has seen."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from playground import cards
from playground.cards import Data
from playground.errors import InvalidInput
from playground.files import read_record, write_json
from playground.rewards import Reward, words
from playground.rewards.judges import agreement, judge_of
from playground.training import pairs
from playground.training.pairs import Pair, first_user_message, is_for_judge
from playground.training.spec import Job, digest

RECORD = "judge-card.json"
LEAST_PAIRS = 4
"""Fewer pairs than this teach a judge of words nothing."""


class Parts(NamedTuple):
    """Pairs for layer and reward head, and pairs of other prompts kept for the judge."""

    learnt: list[Pair]
    kept: list[Pair]


class FittedJudge(NamedTuple):
    """A judge, what the card says of it, and its held-out figures."""

    judge: Reward
    card: cards.Judge
    checks: dict[str, float]


def check(job: Job) -> None:
    """Refuse, before any work is done, pairs that are too few for the judge beside the rest."""
    if job.given:
        pairs.split(part(job, job.given).learnt, job.recipe.development_share)
    if job.judge_file is not None:
        judge_of(job.judge, job.judge_file)
    elif job.judge == "words" and (job.given or job.judge_pairs):
        _to_fit(job, part(job, job.given).kept)


def part(job: Job, found: Sequence[Pair]) -> Parts:
    """Keep a share of the pairs for a judge of words that has no pairs of its own, or has these very ones."""
    parts = Parts([], [])
    keeps = keeps_a_share(job)
    for pair in found:
        kept = keeps and is_for_judge(first_user_message(pair.prompt), job.recipe.judge_share)
        parts[kept].append(pair)
    return parts


def keeps_a_share(job: Job) -> bool:
    """Whether the judge needs some of the pairs that layer and reward head would learn from."""
    own = {first_user_message(pair.prompt) for pair in job.judge_pairs}
    others = (first_user_message(pair.prompt) for pair in job.given)
    fits = job.judge == "words" and job.judge_file is None
    return fits and (not own or any(message in own for message in others))


def fit(job: Job, kept: Sequence[Pair], development: Sequence[Pair], work: Path) -> FittedJudge:
    """Fit the judge, if it is one to be fitted, and let it judge pairs it has not seen; a resumed run reads it again.

    kept: pairs that `part` kept for it; development: pairs the layer is checked on, which it judges too.
    """
    if (work / RECORD).exists():
        card, checks = read_record(work / RECORD, lambda kept: (cards.Judge(**kept["card"]), dict(kept["checks"])))
        return FittedJudge(judge_of(card.kind, work / card.file), card, checks)
    unseen = {"pairs": list(development)}
    card = cards.Judge(kind=job.judge, agreement=0.0, pairs=0)
    if job.judge_file is not None:
        judge = judge_of(job.judge, job.judge_file)
        shutil.copyfile(job.judge_file, work / words.FILE_NAME)
        card = card.model_copy(update={"file": words.FILE_NAME, "data": job.judge_data})
    elif job.judge == "words":
        train, held_out = _to_fit(job, kept)
        if held_out:
            unseen["judge_pairs"] = held_out
        words.fit([pair.chosen for pair in train], [pair.rejected for pair in train]).save(work)
        # As it is stored, with rounded numbers: the judge that measures is the one that ships.
        judge = judge_of(job.judge, work / words.FILE_NAME)
        source = Data(name=f"{len(train)} pairs of words", licence="as above", rows=len(train), sha256=digest(train))
        card = card.model_copy(update={"file": words.FILE_NAME, "data": (*job.judge_data, source)})
    else:
        judge = judge_of(job.judge, work)
        if job.judge_pairs:
            unseen["judge_pairs"] = list(job.judge_pairs)
    checks = {f"judge_agreement_{name}": _agreement(judge, found) for name, found in unseen.items()}
    name = "judge_pairs" if "judge_pairs" in unseen else "pairs"
    card = card.model_copy(
        update={"agreement": round(checks[f"judge_agreement_{name}"], 4), "pairs": len(unseen[name])}
    )
    write_json(work / RECORD, {"card": card.model_dump(mode="json"), "checks": checks})
    return FittedJudge(judge, card, checks)


def _to_fit(job: Job, kept: Sequence[Pair]) -> pairs.Split:
    """What a judge of words is fitted on, and what of its own pairs it is checked on (nothing without its own)."""
    if not job.judge_pairs:
        found = pairs.Split(list(kept), [])
    else:
        learnt = {first_user_message(pair.prompt) for pair in part(job, job.given).learnt}
        own = [pair for pair in job.judge_pairs if first_user_message(pair.prompt) not in learnt]
        found = pairs.split(own, job.recipe.development_share) if own else pairs.Split([], [])
    if len(found.train) < LEAST_PAIRS:
        raise InvalidInput(
            f"Only {len(found.train)} pairs are left for a judge of words.",
            "Give more pairs of different prompts, other --judge-pairs, or --judge sentiment or length.",
        )
    return found


def _agreement(judge: Reward, found: Sequence[Pair]) -> float:
    prompts = [pair.prompt for pair in found]
    return agreement(judge, prompts, [pair.chosen for pair in found], [pair.rejected for pair in found])
