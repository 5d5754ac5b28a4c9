"""Finding a: is the identity layer as good as DPO of all weights, of LoRA, or of the same layer at the top?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from playground import metrics
from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.engine.methods import by_layer
from playground.events import Finished
from playground.metrics import ReplyMetrics
from playground.settings import UNSTEERED, Row, Sliders, Strength, conversation
from playground.sources.quiet import no_bars
from playground.training import measure as points
from playground.training import pairs
from playground.training.recipe import Recipe
from tools.results import numbers, tuning, words
from tools.results.lab import LEARNERS, Lab, Learner
from tools.results.tuning import Training, Tuned
from tools.results.words import Claim, Section

CLM = LEARNERS[0]


def measure(lab: Lab, axis: str) -> dict[str, Any]:
    """Each learner beside the base and beside the identity layer."""
    if "LoRA" in dict(lab.sizes.rates):
        tuning.lora()  # told before any work is done
    contest = _Contest(lab, axis)
    asked, rehearsed = lab.prompts(), lab.training_prompts()
    untaught = Tuned(contest.base, None)
    unsteered = contest.replies(untaught, "base", asked)
    before = metrics.point(UNSTEERED, contest.replies(untaught, "base", rehearsed))
    found: dict[str, Any] = {"base": numbers.means(unsteered), "pairs": len(pairs.load(lab.pairs(axis)))}
    replies: dict[str, list[ReplyMetrics]] = {}
    for learner, rates in lab.sizes.rates:
        jobs = [contest.job(learner, rate) for rate in rates]
        for job in jobs:
            tuning.trained(job, lab.sizes.apart)
        best = jobs[0]
        if len(jobs) > 1:
            tried = [metrics.point(Sliders(alpha=1.0), contest.of(job, rehearsed)) for job in jobs]
            best = jobs[rates.index(points.best_step_size(rates, tried, before, Recipe()))]
        replies[learner] = contest.of(best, asked)
        spent = tuning.trained(best, lab.sizes.apart)
        told = {**spent._asdict(), "rate": best.rate, "tried": len(jobs)}
        found[learner] = {**told, **numbers.beside(replies[learner], unsteered)}
    for learner in replies:
        found[learner]["layer_over"] = numbers.gain(replies[CLM], replies[learner], "reward")
    return found


@dataclass(frozen=True)
class _Contest:
    """The learners of one axis; all reply in float32, where small changes of many weights are not rounded away."""

    lab: Lab
    axis: str

    @cached_property
    def base(self) -> LanguageModel:
        with no_bars():
            return load_model(self.lab.weights, torch.float32, str(self.lab.player.model.device))

    def job(self, learner: Learner, rate: float) -> Training:
        lab, sizes = self.lab, self.lab.sizes
        what = f"{learner.replace(' ', '-')}-{rate:g}-{sizes.pairs}-{sizes.steps}x{sizes.batch}-{sizes.pair_tokens}"
        return Training(
            learner=learner, rate=rate, weights=lab.weights, dtype=lab.player.model.dtype, pairs=lab.pairs(self.axis),
            out=lab.folder(self.axis) / what, steps=sizes.steps, batch=sizes.batch, pair_tokens=sizes.pair_tokens,
            lora_rank=sizes.lora_rank,
        )  # fmt: skip

    def of(self, job: Training, prompts: Sequence[str]) -> list[ReplyMetrics]:
        return self.replies(tuning.taught(job, self.base), job.out.name, prompts)

    def replies(self, tuned: Tuned, name: str, prompts: Sequence[str]) -> list[ReplyMetrics]:
        """Readings of a learner's replies; KL and surprise are measured against the base, whatever learnt."""
        read = self.lab.reader(self.axis)

        def beside_the_base(rows: Sequence[Row], replies: Sequence[Finished]) -> list[Mapping[str, float]]:
            asked = [self.base.prompt_ids(row.messages) for row in rows]
            found = tuning.beside_the_base(self.base, tuned, asked, [reply.token_ids for reply in replies])
            return [{**usual, **own} for usual, own in zip(read(rows, replies), found, strict=True)]

        strengths = (Strength(axis=self.axis, alpha=1.0),) if tuned.layer is not None else ()
        rows = [Row(messages=conversation(p), strengths=strengths, seed=seed) for p, seed in self.lab.seeded(prompts)]
        store: Path = self.lab.folder(self.axis) / f"learner-{name}.jsonl"
        steering = {} if tuned.layer is None else {self.axis: by_layer(tuned.layer)}
        return self.lab.ask(store, steering, {name: rows}, beside_the_base, tuned.model)[name].readings


def tell(found: dict[str, Any]) -> Section:
    """A table for each axis, and how the layer stands beside each other learner."""
    parts: list[str] = []
    claims: list[Claim] = []
    for axis, at in found.items():
        known = [learner for learner in LEARNERS if learner in at]
        rows = [
            [
                learner, f"{at[learner]['parameters'] / 1e6:.2f} M", f"{at[learner]['memory'] / 2**30:.1f} GiB",
                f"{at[learner]['seconds']:.0f} s", f"{at[learner]['rate']:g}", *words.beside(at[learner]),
            ]
            for learner in known
        ]  # fmt: skip
        head = [axis, "weights trained", "peak memory", "processor time", "learning rate", *words.BESIDE]
        told = [f"{name}, {words.compared(at[name]['layer_over'])}" for name in known[1:]]
        full, layer = at["all weights"], at[CLM]
        shares = {name: layer[name] / full[name] for name in ("parameters", "memory", "seconds")}
        parts += [
            f"{at['pairs']} pairs.",
            words.table(head, rows),
            f"Reward with the identity layer at alpha 1 beside that with {'; '.join(told)}.",
            f"It trains {shares['parameters']:.1%} of the weights that full fine-tuning does, in "
            f"{shares['memory']:.0%} of its memory and {shares['seconds']:.0%} of its time.",
        ]
        verdict = words.compared(full["layer_over"], "yes, better", "no, worse", "on par")
        claims.append(Claim(f"CLM at alpha 1 is on par with full DPO ({axis})", verdict))
        top = words.compared(at["top layer"]["layer_over"], "yes", "no, the other way", "not told apart")
        claims.append(Claim(f"The layer does better at the bottom than at the top ({axis})", top))
    return Section("\n\n".join(parts), claims)
