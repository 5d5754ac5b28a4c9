"""What `playground axis` is told of an axis to be made, checked before the model is loaded, and the training's end."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import Field

from playground.cli.options import Answering, encoder_folder
from playground.cli.progress import ProgressPrinter
from playground.errors import InvalidInput
from playground.events import exhaust
from playground.files import trouble
from playground.settings import MAIN, Settings
from playground.texts import is_blank
from playground.training.recipe import STAGES

if TYPE_CHECKING:
    from playground.cards import Card, Data
    from playground.training.pairs import Pair
    from playground.training.recipe import Recipe
    from playground.training.spec import Job


class Source(Settings):
    """Of a file of pairs: which lines, and what the card says about it."""

    where: str | None = Field(
        default=None,
        description="Use only those lines of a pairs file that hold this value.",
        json_schema_extra={"metavar": "KEY=VALUE"},
    )
    licence: str = Field(default="unknown", description="Licence of the pairs, for the card.")
    attribution: str = Field(default="", description="Whom the pairs are from, for the card.")


class Judging(Settings):
    """Who scores the axis independently, and what from."""

    judge: str = Field(
        default="words",
        description="Who scores the axis independently: words, sentiment or length.",
        json_schema_extra={"metavar": "KIND"},
    )
    judge_pairs: Path | None = Field(
        default=None,
        description="Pairs for the judge alone. [default: words keeps a share of the other pairs]",
    )
    judge_file: Path | None = Field(
        default=None, description="A judge of words that lies fitted, such as the judge.json of an axis, instead."
    )
    judge_where: str | None = Field(
        default=None,
        description="Use only those lines of the judge's pairs that hold this value.",
        json_schema_extra={"metavar": "KEY=VALUE"},
    )
    judge_licence: str = Field(default="unknown", description="Licence of the judge's pairs, for the card.")
    judge_attribution: str = Field(default="", description="Whom the judge's pairs are from, for the card.")


class Making(Judging, Source):
    """What every axis that is trained may be told."""

    description: str = Field(default="", description="One sentence on what the axis is.")
    positive_pole: str = Field(default="more", description=f"A word for {MAIN} above 0.")
    negative_pole: str = Field(default="less", description=f"A word for {MAIN} below 0.")
    encoder: str | None = Field(
        default=None,
        description="Measure coherence with minilm, an encoder in a folder, or none. "
        "[default: minilm if --judge length]",
        json_schema_extra={"metavar": "NAME"},
    )
    prompts: Path | None = Field(
        default=None, description="Prompts to reply to (.txt or .jsonl, maybe .gz). [default: the shipped set]"
    )
    minutes: float = Field(
        default=90,
        ge=1,
        description="Stay inside this much time; where it runs out, a slow machine has learnt from less.",
    )
    seed: int = Field(default=0, ge=0, description="Fixes every draw.")
    settings: tuple[str, ...] = Field(
        default=(),
        description="Change a setting of the recipe; repeat.",
        json_schema_extra={"option": "set", "metavar": "NAME=VALUE"},
    )
    until: str = Field(
        default="card",
        description=f"Stop after one of the stages: {', '.join(STAGES)}.",
        json_schema_extra={"metavar": "STAGE"},
    )


class Inventing(Making):
    """The same of an axis that the model invents."""

    pairs: Path | None = Field(
        default=None,
        description="Pairs to learn from beside the invented ones; short replies also show who speaks.",
    )


def from_pairs(making: Making, how: Answering, name: str, out: Path, pairs: Path) -> None:
    """Train an axis from a file of preference pairs."""
    found, source = load(pairs, making, incomplete=True)
    run(making, how, name=name, out=out, description=making.description, data=(source,), given=found)


def from_descriptions(making: Inventing, how: Answering, name: str, out: Path, descriptions: tuple[str, str]) -> None:
    """Train an axis from two sentences, the positive one first, and from pairs beside them if there are any."""
    if any(map(is_blank, descriptions)):
        raise InvalidInput("A description is empty.", "Describe both poles, such as: an outgoing, sociable person.")
    found, source = load(making.pairs, making, incomplete=True) if making.pairs is not None else ([], None)
    positive, negative = descriptions
    run(
        making, how, name=name, out=out, description=making.description or f"From {negative} to {positive}.",
        data=() if source is None else (source,), descriptions=descriptions, given=found,
    )  # fmt: skip


def run(making: Making, how: Answering, **job: Any) -> None:
    """Check everything that can be checked before the model is loaded, then train and tell how it goes."""
    from playground import places, sources
    from playground.cards import Poles
    from playground.training.pairs import load_prompts

    if making.until not in STAGES:
        raise InvalidInput(f"There is no stage {making.until!r}.", f"Choose one of: {', '.join(STAGES)}.")
    job |= _judge(making) | {"recipe": recipe_of(making.seed, making.settings), "minutes": making.minutes}
    asked = load_prompts(making.prompts or places.PRESETS / "prompts.jsonl")

    from playground.player import open_model
    from playground.training.pipeline import train
    from playground.training.spec import Job

    tell = ProgressPrinter(how.as_json)
    encoder = making.encoder or ("minilm" if making.judge == "length" else None)
    folder = encoder_folder(encoder, lambda name: sources.resolve_encoder(name, tell))
    language_model = open_model(how.model, how.dtype, tell, how.device)
    ready = Job(
        prompts=asked,
        poles=Poles(negative=making.negative_pole, positive=making.positive_pole),
        encoder=folder,
        command=shlex.join(["playground", *sys.argv[1:]]),
        until=making.until,
        **job,
    )
    try:
        card = exhaust(train(language_model, ready), tell)
    except Exception as error:
        if (found := trouble(error)) is None:
            raise
        raise InvalidInput(
            f"The training had to stop: {found}.", "Make room on the disk, then run the same command to go on."
        ) from error
    _end(ready, card, how)


def _judge(making: Judging) -> dict[str, Any]:
    """What a job must know of its judge."""
    from playground.cards import JudgeKind

    kinds = get_args(JudgeKind)
    if making.judge not in kinds:
        raise InvalidInput(f"There is no judge {making.judge!r}.", f"Choose one of: {', '.join(kinds)}.")
    about = {"licence": making.judge_licence, "attribution": making.judge_attribution}
    if making.judge_file is not None:
        return {"judge": making.judge, **_fitted(making, about)}
    if making.judge_pairs is None:
        if making.judge_where is not None:
            raise InvalidInput("--judge-where needs --judge-pairs.", "Name the file whose lines it chooses.")
        return {"judge": making.judge}
    found, told = load(making.judge_pairs, Source(where=making.judge_where, **about))
    return {"judge": making.judge, "judge_pairs": found, "judge_data": (told,)}


def _fitted(making: Judging, about: Mapping[str, str]) -> dict[str, Any]:
    """What a job must know of a judge that is fitted already."""
    from playground.cards import Data
    from playground.files import digest
    from playground.rewards.words import WordJudge

    file = making.judge_file
    assert file is not None
    if making.judge != "words" or making.judge_pairs is not None:
        raise InvalidInput(
            "--judge-file is a judge of words, and needs no pairs.", "Leave out the other options of the judge."
        )
    terms = WordJudge.load(file).terms
    return {
        "judge_file": file,
        "judge_data": (Data(name=f"{len(terms)} weighted words", rows=len(terms), sha256=digest(file), **about),),
    }


def load(path: Path, source: Source, incomplete: bool = False) -> tuple[list["Pair"], "Data"]:
    """The pairs of a file, and what the card will say of it; if `incomplete`, one reply may be the model's own."""
    from playground.cards import Data
    from playground.files import digest
    from playground.training import pairs

    key, _, value = (source.where or "").partition("=")
    if source.where is not None and not (key and value):
        raise InvalidInput(f"{source.where!r} is not KEY=VALUE.", "Write it like: --where trait=openness")
    found = pairs.load(path, (key, value) if source.where else None, incomplete)
    about = {"licence": source.licence, "attribution": source.attribution, "sha256": digest(path)}
    name = path.name + (f", lines with {key} {value}" if source.where else "")
    return found, Data(name=name, rows=len(found), **about)


def recipe_of(seed: int, settings: Sequence[str]) -> "Recipe":
    """The default recipe with what was asked to be changed."""
    import json

    from playground.training.recipe import Recipe

    changed: dict[str, Any] = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign or name not in Recipe.model_fields:
            raise InvalidInput(
                f"--set {setting!r} names no setting.", f"Choose from: {', '.join(sorted(Recipe.model_fields))}."
            )
        try:
            changed[name] = json.loads(value)
        except (ValueError, RecursionError):
            raise InvalidInput(f"--set {setting!r} has no number.", "Write it like: --set steps=60") from None
    return Recipe(**dict[str, Any](seed=seed) | changed)


def _end(job: "Job", card: "Card | None", how: Answering) -> None:
    """The card, or what to do next."""
    if card is None:
        print(f"Stopped after the stage {job.until}. Run it again without --until to go on.", file=sys.stderr)
    elif how.as_json:
        print(card.model_dump_json(), flush=True)
    else:
        print(in_words(card, job.out, how.model))


def in_words(card: "Card", out: Path, model: str) -> str:
    """What was made, how good it is, and what to try."""
    from playground.sources import DEFAULT

    low, high = card.safe_range.of(MAIN)
    tried = " ".join(f"--{MAIN} {amount:g}" for amount in sorted({low, 0.0, high}))
    of_model = "" if model == DEFAULT else f" --model {shlex.quote(model)}"
    return (
        f"{card.name} {_passed(card)} in {out}. Tested from {MAIN} {low:g} to {high:g}; reward rises until "
        f"{MAIN} {card.rises_until:g}.\nTry: playground generate 'Tell me about yourself.' "
        f"--axis {shlex.quote(str(out))} {tried}{of_model}"
    )


def _passed(card: "Card") -> str:
    """Whether the layer passed its guard; if not, what was found and what is allowed."""
    found, allowed = card.checks, card.recipe
    if found.get("guard_passed", 1):
        return "is ready"
    return (
        f"did not pass its checks: at {MAIN} 1 replies have {found['guard_perplexity_ratio']:.2f} times the base's "
        f"perplexity (at most {allowed['most_perplexity']:g}), {found['guard_diversity_ratio']:.2f} of its diversity "
        f"(at least {allowed['least_diversity']:g}) and {found['guard_relevance_ratio']:.2f} of its relevance (at "
        f"least {allowed['least_relevance']:g}). So it may break before {MAIN} 1: steer it by less, or train it anew "
        "from more pairs, or from ends that differ more. What was made lies"
    )
