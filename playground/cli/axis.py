"""`playground axis`: make an axis from preference pairs or from two sentences."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from playground.cli.options import DEFAULT_MODEL, Dtype, Model, encoder_folder
from playground.cli.progress import ProgressPrinter
from playground.errors import InvalidInput
from playground.events import exhaust
from playground.files import trouble
from playground.texts import is_blank
from playground.training.recipe import STAGES

if TYPE_CHECKING:
    from playground.cards import Card, Data
    from playground.training.pairs import Pair
    from playground.training.recipe import Recipe
    from playground.training.spec import Job

axis = typer.Typer(help="Make an axis of your own.", no_args_is_help=True)

Name = Annotated[str, typer.Option(help="What to call the axis.")]
Out = Annotated[Path, typer.Option(help="A new folder for the axis; the same one again goes on after a stop.")]
Description = Annotated[str, typer.Option(help="One sentence on what the axis is.")]
PositivePole = Annotated[str, typer.Option(help="A word for alpha above 0.")]
NegativePole = Annotated[str, typer.Option(help="A word for alpha below 0.")]
Prompts = Annotated[
    Path | None, typer.Option(help="Prompts to reply to (.txt or .jsonl, maybe .gz). [default: the shipped set]")
]
MorePairs = Annotated[
    Path | None, typer.Option(help="Pairs to learn from beside the invented ones; short replies also show who speaks.")
]
Where = Annotated[
    str | None, typer.Option(metavar="KEY=VALUE", help="Use only those lines of a pairs file that hold this value.")
]
JudgeName = Annotated[
    str, typer.Option("--judge", metavar="KIND", help="Who scores the axis independently: words, sentiment or length.")
]
JudgePairs = Annotated[
    Path | None, typer.Option(help="Pairs for the judge alone. [default: words keeps a share of the other pairs]")
]
JudgeWhere = Annotated[
    str | None,
    typer.Option(metavar="KEY=VALUE", help="Use only those lines of the judge's pairs that hold this value."),
]
JudgeLicence = Annotated[str, typer.Option(help="Licence of the judge's pairs, for the card.")]
JudgeAttribution = Annotated[str, typer.Option(help="Whom the judge's pairs are from, for the card.")]
Encoder = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Measure coherence with minilm, an encoder in a folder, or none. [default: minilm if --judge length]",
    ),
]
Licence = Annotated[str, typer.Option(help="Licence of the pairs, for the card.")]
Attribution = Annotated[str, typer.Option(help="Whom the pairs are from, for the card.")]
Minutes = Annotated[
    float,
    typer.Option(min=1, help="Stay inside this much time; where it runs out, a slow machine has learnt from less."),
]
Seed = Annotated[int, typer.Option(min=0, help="Fixes every draw.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting of the recipe; repeat.")
]
Until = Annotated[str, typer.Option(metavar="STAGE", help=f"Stop after one of the stages: {', '.join(STAGES)}.")]
Json = Annotated[bool, typer.Option("--json", help="Print progress as JSON lines, then the card.")]


@axis.command("train")
def train(
    pairs: Annotated[
        Path, typer.Option(help="Preference pairs as JSON Lines or a JSON list, maybe .gz: prompt, chosen, rejected.")
    ],
    name: Name,
    out: Out,
    description: Description = "",
    positive_pole: PositivePole = "more",
    negative_pole: NegativePole = "less",
    where: Where = None,
    licence: Licence = "unknown",
    attribution: Attribution = "",
    judge: JudgeName = "words",
    judge_pairs: JudgePairs = None,
    judge_where: JudgeWhere = None,
    judge_licence: JudgeLicence = "unknown",
    judge_attribution: JudgeAttribution = "",
    encoder: Encoder = None,
    prompts: Prompts = None,
    minutes: Minutes = 90,
    seed: Seed = 0,
    settings: Set = None,
    until: Until = "card",
    model: Model = "smollm2",
    dtype: Dtype = "auto",
    as_json: Json = False,
) -> None:
    """Train an axis from a file of preference pairs; beside short statements the model writes replies of its own."""
    found, source = _load(pairs, where, licence, attribution)
    _run(
        model, dtype, as_json, prompts, until, encoder,
        **_judge(judge, judge_pairs, judge_where, judge_licence, judge_attribution),
        name=name, description=description, poles=(negative_pole, positive_pole), out=out, data=(source,),
        given=found, recipe=_recipe(seed, settings), minutes=minutes,
    )  # fmt: skip


@axis.command("invent")
def invent(
    name: Name,
    positive: Annotated[str, typer.Option(help='Who answers at the positive pole: "an outgoing person who ..."')],
    negative: Annotated[str, typer.Option(help="Who answers at the negative pole.")],
    out: Out,
    description: Description = "",
    positive_pole: PositivePole = "more",
    negative_pole: NegativePole = "less",
    pairs: MorePairs = None,
    where: Where = None,
    licence: Licence = "unknown",
    attribution: Attribution = "",
    judge: JudgeName = "words",
    judge_pairs: JudgePairs = None,
    judge_where: JudgeWhere = None,
    judge_licence: JudgeLicence = "unknown",
    judge_attribution: JudgeAttribution = "",
    encoder: Encoder = None,
    prompts: Prompts = None,
    minutes: Minutes = 90,
    seed: Seed = 0,
    settings: Set = None,
    until: Until = "card",
    model: Model = "smollm2",
    dtype: Dtype = "auto",
    as_json: Json = False,
) -> None:
    """Train an axis from two sentences: the model itself plays both poles."""
    if is_blank(positive) or is_blank(negative):
        raise InvalidInput("A description is empty.", "Describe both poles, such as: an outgoing, sociable person.")
    given, sources = [], ()
    if pairs is not None:
        given, source = _load(pairs, where, licence, attribution)
        sources = (source,)
    _run(
        model, dtype, as_json, prompts, until, encoder,
        **_judge(judge, judge_pairs, judge_where, judge_licence, judge_attribution),
        name=name, description=description or f"From {negative} to {positive}.", poles=(negative_pole, positive_pole),
        out=out, data=sources, descriptions=(positive, negative), given=given,
        recipe=_recipe(seed, settings), minutes=minutes,
    )  # fmt: skip


@axis.command("vector")
def vector(
    name: Annotated[str, typer.Argument(help="An axis by its name or folder.")],
    pairs: Annotated[
        Path | None, typer.Option(help="Pairs to read instead of the model's own replies at both ends of the axis.")
    ] = None,
    where: Annotated[str | None, typer.Option(metavar="KEY=VALUE", help="Only those lines of the pairs.")] = None,
    prompts: Annotated[Path | None, typer.Option(help="Prompts to use instead of the shipped ones.")] = None,
    model: Model = DEFAULT_MODEL,
    dtype: Dtype = "auto",
    as_json: Json = False,
) -> None:
    """Add a steering vector to an axis: another method behind control, made and calibrated in minutes."""
    from playground import cards, places
    from playground.training.pairs import load_prompts

    asked = load_prompts(prompts or places.PRESETS / "prompts.jsonl")
    given = None if pairs is None else _load(pairs, where, "", "")[0]

    from playground.player import Player
    from playground.training import steering_vector
    from playground.training.recipe import Recipe
    from playground.training.run import Run

    tell = ProgressPrinter(as_json)
    player = Player.open(model, dtype, tell)
    found = player.axis(name)
    folders = [Path(name), *(folder for folder in cards.all_folders() if folder.is_dir())]
    folder = next(one for one in folders if (one / cards.FILE_NAME).is_file() and cards.Card.load(one) == found.card)
    work = places.cache_directory() / "vectors" / found.card.digest / str(player.model.dtype).removeprefix("torch.")
    work.mkdir(parents=True, exist_ok=True)
    card = exhaust(steering_vector.make(Run(player.model, Recipe(), work), found, folder, asked, given), tell)
    if as_json:
        print(card.model_dump_json(), flush=True)
        return
    told = {key: card.checks[f"steering_vector_{key}"] for key in ("reward", "perplexity", "diversity")}
    print(
        f"{card.name} has a steering vector: at control 1 reward {told['reward']:.2f}, perplexity "
        f"x{told['perplexity']:.2f}, diversity x{told['diversity']:.2f}.\n"
        f"Try: playground generate 'Tell me about yourself.' --axis {shlex.quote(name)} --control 1 "
        "--method steering_vector"
    )


def _run(
    model: str,
    dtype: str,
    as_json: bool,
    prompts: Path | None,
    until: str,
    encoder: str | None,
    poles: tuple[str, str],
    **job: Any,
) -> None:
    """Check everything that can be checked before the model is loaded, then train and tell how it goes."""
    from playground import places, sources
    from playground.cards import Poles
    from playground.training.pairs import load_prompts

    if until not in STAGES:
        raise InvalidInput(f"There is no stage {until!r}.", f"Choose one of: {', '.join(STAGES)}.")
    asked = load_prompts(prompts or places.PRESETS / "prompts.jsonl")

    from playground.player import open_model
    from playground.training.pipeline import train as run
    from playground.training.spec import Job

    tell = ProgressPrinter(as_json)
    encoder = encoder or ("minilm" if job["judge"] == "length" else None)
    folder = encoder_folder(encoder, lambda name: sources.resolve_encoder(name, tell))
    language_model = open_model(model, dtype, tell)
    ready = Job(
        prompts=asked,
        poles=Poles(negative=poles[0], positive=poles[1]),
        encoder=folder,
        command=shlex.join(["playground", *sys.argv[1:]]),
        until=until,  # pyright: ignore[reportArgumentType]
        **job,
    )
    try:
        card = exhaust(run(language_model, ready), tell)
    except Exception as error:
        if (found := trouble(error)) is None:
            raise
        raise InvalidInput(
            f"The training had to stop: {found}.", "Make room on the disk, then run the same command to go on."
        ) from error
    _end(ready, card, model, as_json)


def _judge(kind: str, path: Path | None, where: str | None, licence: str, attribution: str) -> dict[str, Any]:
    """What a job must know of its judge."""
    from typing import get_args

    from playground.cards import JudgeKind

    if kind not in get_args(JudgeKind):
        raise InvalidInput(f"There is no judge {kind!r}.", f"Choose one of: {', '.join(get_args(JudgeKind))}.")
    if path is None:
        if where is not None:
            raise InvalidInput("--judge-where needs --judge-pairs.", "Name the file whose lines it chooses.")
        return {"judge": kind}
    found, source = _load(path, where, licence, attribution)
    return {"judge": kind, "judge_pairs": found, "judge_data": (source,)}


def _load(path: Path, where: str | None, licence: str, attribution: str) -> tuple[list["Pair"], "Data"]:
    """The pairs of a file, and what the card will say about it."""
    from playground.cards import Data
    from playground.files import digest
    from playground.training import pairs

    key, _, value = (where or "").partition("=")
    if where is not None and not (key and value):
        raise InvalidInput(f"{where!r} is not KEY=VALUE.", "Write it like: --where trait=openness")
    found = pairs.load(path, (key, value) if where else None)
    name = path.name + (f", lines with {key} {value}" if where else "")
    return found, Data(name=name, licence=licence, rows=len(found), sha256=digest(path), attribution=attribution)


def _recipe(seed: int, settings: Sequence[str] | None) -> "Recipe":
    """The default recipe with what was asked to be changed."""
    import json

    from playground.training.recipe import Recipe

    changed: dict[str, Any] = {}
    for setting in settings or ():
        name, sign, value = setting.partition("=")
        if not sign or name not in Recipe.model_fields:
            raise InvalidInput(
                f"--set {setting!r} names no setting.", f"Choose from: {', '.join(sorted(Recipe.model_fields))}."
            )
        try:
            changed[name] = json.loads(value)
        except (ValueError, RecursionError):
            raise InvalidInput(f"--set {setting!r} has no number.", "Write it like: --set steps=60") from None
    return Recipe(**{"seed": seed, **changed})


def _end(job: "Job", card: "Card | None", model: str, as_json: bool) -> None:
    """The card, or what to do next."""
    if card is None:
        print(f"Stopped after the stage {job.until}. Run it again without --until to go on.", file=sys.stderr)
    elif as_json:
        print(card.model_dump_json(), flush=True)
    else:
        from playground.sources import DEFAULT

        low, high = card.safe_range.alpha
        alphas = " ".join(f"--alpha {alpha:g}" for alpha in sorted({low, 0.0, high}))
        of_model = "" if model == DEFAULT else f" --model {shlex.quote(model)}"
        print(
            f"{card.name} is ready in {job.out}. Safe from alpha {low:g} to {high:g}; reward rises until alpha "
            f"{card.rises_until:g}.\nTry: playground generate 'Tell me about yourself.' "
            f"--axis {shlex.quote(str(job.out))} {alphas}{of_model}"
        )
