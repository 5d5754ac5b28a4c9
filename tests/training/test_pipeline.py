"""The whole way from two sentences, or pairs, to an axis, on a tiny model; killed and resumed on the way."""

import json
import shutil
from pathlib import Path

import pytest

from playground import axes, places
from playground.cards import Card, Data, Poles
from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.engine.methods import REControl
from playground.engine.methods.identity_layer import IdentityLayer
from playground.errors import InvalidInput, PlaygroundError
from playground.events import Progress, exhaust
from playground.settings import conversation
from playground.sources import build_tiny
from playground.training import pairs, pipeline, rollouts
from playground.training.clm.dpo import encode, read
from playground.training.pairs import Pair
from playground.training.recipe import STAGES, WORK, Recipe
from playground.training.run import Run
from playground.training.spec import Job

SMALL = Recipe(
    pairs=16, samples=1, invent_tokens=8, steps=4, check_every=2, guard_prompts=2, rollouts=32, reply_tokens=8,
    refine_steps=2, contrast_prompts=4, contrast_samples=4, value_epochs=2, measured_prompts=3, measured_tokens=12,
    alphas=(-1, 0, 1), controls=(1.0,), step_factors=(1, 2), climb_steps=2, scale_prompts=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load_model(build_tiny(tmp_path_factory.mktemp("model"), "llama"))


def job(out: Path, **changes: object) -> Job:
    settings = {
        "name": "warmth", "description": "How warm.", "poles": Poles(negative="cold", positive="warm"), "out": out,
        "prompts": given_prompts(), "command": "made by a test", "data": (),
        "descriptions": ("a warm person", "a cold person"), "recipe": SMALL, **changes,
    }  # fmt: skip
    return Job(**settings)  # type: ignore[arg-type]


def finish(model: LanguageModel, what: Job) -> tuple[list[Progress], Card | None]:
    told: list[Progress] = []
    return told, exhaust(pipeline.train(model, what), told.append)


def test_two_sentences_become_an_axis_that_steers(model: LanguageModel, tmp_path: Path) -> None:
    told, card = finish(model, job(tmp_path / "a"))
    assert card is not None
    axis = axes.load(tmp_path / "a", model)
    assert axis.card == card
    assert {(point.alpha, point.control) for point in card.curve} == {(-1, 0), (0, 0), (1, 0), (0, 1)}
    longest = max(point.metrics["length"].high for point in card.curve)
    assert SMALL.reply_tokens < longest <= SMALL.measured_tokens, "longer than those learnt from"
    assert card.base == model.identity()
    assert card.judge is not None and card.judge.kind == "words" and card.judge.pairs > 0
    assert axis.judge is not None
    at = {(point.alpha, point.control): point.metrics for point in card.curve}
    assert all(0 <= metrics["relevance"].mean <= 1 for metrics in at.values())
    assert at[0, 0]["win_rate"].mean == 0.5, "against itself the base is even"
    assert all({"judge", "win_rate"} <= set(metrics) for metrics in at.values())
    assert axis.steering.of(REControl).step_size == card.calibration.step_size > 0
    stages = list(dict.fromkeys(progress.stage for progress in told))
    assert stages[0] == "inventing pairs" and stages[-1] == "curve"
    assert any(progress.rate and progress.seconds_left is not None for progress in told)


def test_a_killed_run_goes_on_and_ends_where_an_unbroken_one_does(model: LanguageModel, tmp_path: Path) -> None:
    _, unbroken = finish(model, job(tmp_path / "unbroken"))
    steps = pipeline.train(model, job(tmp_path / "killed"))
    for progress in steps:  # killed in the midst of the identity layer, after its first check
        if progress.stage == "identity layer" and progress.done == 3:
            break
    steps.close()
    torn = tmp_path / "killed" / WORK / "base.jsonl"
    torn.write_text(torn.read_text()[:-30])  # and while a line was being written
    told, resumed = finish(model, job(tmp_path / "killed"))
    assert unbroken is not None and resumed is not None
    assert next(p.done for p in told if p.stage == "identity layer") == 2, "it goes on from the last check"
    assert resumed.files == unbroken.files
    assert resumed.curve == unbroken.curve


def test_stages_can_be_run_one_at_a_time(model: LanguageModel, tmp_path: Path) -> None:
    for stage in STAGES[:-1]:
        assert finish(model, job(tmp_path / "a", until=stage))[1] is None
        assert not (tmp_path / "a" / "card.json").exists()
    assert finish(model, job(tmp_path / "a"))[1] is not None


def test_a_folder_of_another_run_or_of_other_things_is_refused(model: LanguageModel, tmp_path: Path) -> None:
    finish(model, job(tmp_path / "a", until="pairs"))
    with pytest.raises(InvalidInput, match="another training run"):
        finish(model, job(tmp_path / "a", descriptions=("a kind person", "a cold person")))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("precious")
    with pytest.raises(InvalidInput, match="not empty"):
        finish(model, job(tmp_path / "b"))


def test_two_trainings_at_once_in_one_folder_are_refused(model: LanguageModel, tmp_path: Path) -> None:
    first = pipeline.train(model, job(tmp_path / "a"))
    next(first)
    with pytest.raises(InvalidInput, match="Another process"):
        next(pipeline.train(model, job(tmp_path / "a")))
    first.close()
    next(pipeline.train(model, job(tmp_path / "a")))


def test_a_stage_that_was_cut_short_stays_as_it_is(model: LanguageModel, tmp_path: Path) -> None:
    """Else a later run would put together a curve of one layer and the weights of another."""
    _, hurried = finish(model, job(tmp_path / "a", given=given_pairs(), descriptions=None, minutes=0.001))
    _, later = finish(model, job(tmp_path / "a", given=given_pairs(), descriptions=None))
    assert hurried is not None and later is not None
    assert later.files == hurried.files
    assert later.curve == hurried.curve


def test_what_cannot_end_well_is_refused_before_it_begins(model: LanguageModel, tmp_path: Path) -> None:
    few = [f"prompt {number}" for number in range(3)]
    long = Pair(prompt=conversation("Go on."), chosen="on and " * 600, rejected="no")
    for changes, reason in (
        ({"prompts": few}, "too few"),
        ({"prompts": [*given_prompts(), "so long " * 400]}, "beyond"),
        ({"given": given_pairs(1)}, "too few"),
        ({"given": [*given_pairs(), long], "descriptions": None}, "Pair 41 is .* beyond"),
        ({"name": ""}, "name"),
    ):
        with pytest.raises(InvalidInput, match=reason):
            next(pipeline.train(model, job(tmp_path / "a", **changes)))
        assert not (tmp_path / "a").exists()


def test_a_folder_that_cannot_be_made_is_told(model: LanguageModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="cannot be used"):
        next(pipeline.train(model, job(tmp_path / "file" / "below")))


def given_prompts() -> list[str]:
    return pairs.load_prompts(places.PRESETS / "prompts.jsonl")


def given_pairs(count: int = 40) -> list[Pair]:
    return [
        Pair(
            prompt=conversation(f"What about number {number}?"),
            chosen="It is good, good, good.",
            rejected="It had a rain.",
        )
        for number in range(count)
    ]


def test_pairs_become_an_axis_inside_a_budget(model: LanguageModel, tmp_path: Path) -> None:
    data = Data(name="pairs.jsonl", licence="CC0", rows=40, sha256="0" * 64)
    what = job(tmp_path / "a", given=given_pairs(), descriptions=None, data=(data,), minutes=0.001)
    told, card = finish(model, what)
    assert card is not None
    assert card.data[0] == data
    assert card.data[1].attribution.startswith("some written by"), "the pairs given are sayings"
    assert max(p.done for p in told if p.stage == "identity layer") < SMALL.steps, "the budget cut the training short"
    assert len(card.curve) >= 4, "the points every card needs are measured all the same"


def test_dpo_prefers_what_it_is_shown(model: LanguageModel, tmp_path: Path) -> None:
    found = given_pairs()
    recipe = SMALL.model_copy(update={"steps": 20, "check_every": 20, "learning_rate": 3e-3, "most_perplexity": 1e9})
    what = job(tmp_path / "a", given=found, descriptions=None, recipe=recipe, until="layer")
    finish(model, what)
    state = json.loads((tmp_path / "a" / WORK / "layer" / "state.json").read_text())
    assert state["checks"]["pair_accuracy"] > 0.9
    assert state["checks"]["pair_margin"] > 1.0


def test_given_pairs_are_learnt_beside_invented_ones(model: LanguageModel, tmp_path: Path) -> None:
    recipe = SMALL.model_copy(update={"pairs": 40})
    what = job(tmp_path / "a", given=given_pairs(), recipe=recipe, until="reward")
    finish(model, what)
    said = {pair.chosen for pair in given_pairs()}
    system = [json.loads(line) for line in (tmp_path / "a" / WORK / "invented.jsonl").read_text().splitlines()]
    assert system, "pairs were invented as well"
    learnt, kept = exhaust(pipeline._pairs(Run(model, recipe, tmp_path / "a" / WORK, 0.0), what))
    own = [pair for pair in learnt.train if pair.chosen in said]
    assert 0 < len(own) <= recipe.pairs // 2
    assert len(own) < len(learnt.train) <= recipe.pairs
    assert {pair.prompt for pair in kept}.isdisjoint({pair.prompt for pair in [*learnt.train, *learnt.development]})


def test_the_model_writes_the_reply_that_a_pair_lacks(model: LanguageModel, tmp_path: Path) -> None:
    halves = [
        Pair(prompt=conversation(prompt), chosen="No." if index % 2 else "", rejected="" if index % 2 else "No.")
        for index, prompt in enumerate(given_prompts()[:24])
    ]
    for name in ("own", "alike"):
        (tmp_path / name).mkdir()
    found = exhaust(rollouts.completed(Run(model, SMALL, tmp_path / "own"), halves))
    assert len(found) > 20, "all but blank ones"
    for pair in found:
        assert "No." in (pair.chosen, pair.rejected)
    assert not all(pair.chosen_ends and pair.rejected_ends for pair in found), "what was cut off does not end there"

    first = next(pair for pair in found if pair.prompt == halves[1].prompt)
    alike = [halves[0], halves[1].model_copy(update={"chosen": first.rejected + " And so on."})]
    left = exhaust(rollouts.completed(Run(model, SMALL, tmp_path / "alike"), alike))
    assert [pair.prompt for pair in left] == [halves[0].prompt], "the other would be preferred to its like"

    _, card = finish(model, job(tmp_path / "a", given=halves, descriptions=None, judge="length"))
    assert card is not None and "the other by" in card.data[-1].attribution
    assert not (tmp_path / "a" / WORK / pipeline.INVENTED).exists(), "short replies of one side are no sayings"


def test_sayings_tell_who_speaks_and_whole_replies_do_not(model: LanguageModel, tmp_path: Path) -> None:
    finish(model, job(tmp_path / "a", given=given_pairs(), descriptions=None, until="pairs"))
    (first, *_) = (tmp_path / "a" / WORK / "pairs.jsonl").read_text().splitlines()
    assert "What about number" not in first, "the model replied to the job's prompts"
    long = [pair.model_copy(update={"chosen": "good " * 30}) for pair in given_pairs()]
    finish(model, job(tmp_path / "b", given=long, descriptions=None, until="pairs"))
    assert not (tmp_path / "b" / WORK / "pairs.jsonl").exists()


def test_an_untrained_layer_has_no_margin(model: LanguageModel) -> None:
    data = encode(model, given_pairs(4), 64)
    (reading,) = read(model, data, range(4), IdentityLayer(model))
    assert reading.margins.detach().abs().max() < 1e-3
    assert float(reading.kl.detach().abs()) < 1e-5


def test_damaged_work_is_named_with_the_fix(model: LanguageModel, tmp_path: Path) -> None:
    finish(model, job(tmp_path / "whole", given=given_pairs(), until="calibration"))
    names = [str(path.relative_to(tmp_path / "whole")) for path in (tmp_path / "whole" / WORK).rglob("*.*")]
    kinds = {Path(name).suffix for name in names}
    assert {".json", ".jsonl", ".safetensors"} <= kinds
    for number, name in enumerate(sorted(names)):
        shutil.rmtree(tmp_path / "a", ignore_errors=True)
        shutil.copytree(tmp_path / "whole", tmp_path / "a")
        (tmp_path / "a" / name).write_bytes((b"\xff\n", b"[]\n")[number % 2])
        try:
            finish(model, job(tmp_path / "a", given=given_pairs()))
        except PlaygroundError as error:
            assert Path(name).name in str(error) and error.hint, name  # noqa: PT017
