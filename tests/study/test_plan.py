"""A study file that loads can be run; one that cannot is refused with the place and the reason."""

import re
from pathlib import Path

import pytest

from playground.errors import InvalidInput
from playground.study import forms
from playground.study import plan as plans
from playground.study.parts import MOST_QUESTIONS, Question
from playground.study.recruiting import Codes
from tests.study.made import PLAN, SHORT, plan


def test_a_page_may_have_as_many_questions_as_a_form_takes() -> None:
    """Else who answers them all could never send them."""
    many = [Question(id=f"q{number}", text="How much?") for number in range(MOST_QUESTIONS)]
    values = {question.id: "some" for question in many}
    sent = forms.read({"action": "questions", "key": "k" * 8, "values": values})
    assert len(forms.responses(many, sent.values)) == MOST_QUESTIONS


def test_the_example_loads_and_asks_for_what_it_says() -> None:
    example = plans.parse(plans.example())
    assert {task.kind for task in example.tasks} == {"pair", "adjustment", "adaptive"}
    assert example.checks.broken in example.generated
    assert example.practises


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("format = 1", "format = 2", "format"),
        ('name = "made"', 'name = "Made Up"', "name"),
        ("[-1.0, 0.0, 1.0, 2.0]", "[0.0, -1.0]", "do not rise"),
        ("[-1.0, 0.0, 1.0, 2.0]", "[0.0, 0.0]", "do not rise"),
        ("[-1.0, 0.0, 1.0, 2.0]", "[0.0, nan]", "strengths"),
        ("trials = 6", "trials = 0", "tasks pair"),
        ('kind = "single"', 'kind = "pair"', "twice"),
        ('id = "home"', 'id = "work"', "twice"),
        ('id = "home"', 'id = "<b>"', "prompts <b>"),
        ("broken = 9.0", "", "broken"),
        ("repeated = 1", "repeated = 9", "repeat"),
        ("practice = true", "", "practice"),
        ('kind = "scale"', 'kind = "choise"', "questions mood"),
        ('options = ["badly", "well"]', "", "two ends"),
        ("https://pay", "javascript:pay", "web address"),
        ("seed = 3", 'seed = 3\nphases = ["trials", "consent", "thanks"]', "order"),
        ("seed = 3", 'seed = 3\nphases = ["trials", "thanks"]', "consent"),
        ("seed = 3", "seed = 3\ncolour = 3", "colour"),
        ("[consent]", "[consent", "TOML"),
        ("We store", "We\\u0000store", "zero byte"),
        ("[checks]", "[[checks]]", "table"),
        ("[checks]", '[analysis]\nsecondary = ["people differ", "x"]\n[checks]', "'x' is no test of this study"),
        ("[checks]", '[analysis]\nsecondary = ["topics are equivalent"]\n[checks]', "no test of this study"),
        ("[checks]", '[analysis]\nsecondary = ["question mood", "question mood"]\n[checks]', "twice"),
        ("[checks]", "[analysis]\nequivalent_within = 0\n[checks]", "equivalent_within"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_place(old: str, new: str, says: str) -> None:
    assert old in PLAN
    with pytest.raises(InvalidInput, match=says):
        plans.parse(PLAN.replace(old, new, 1))


def test_what_is_compared_can_be_registered() -> None:
    told = '[analysis]\nequivalent_within = 0.25\nsecondary = ["topics are equivalent", "question mood"]\n[checks]'
    planned = plans.parse(PLAN.replace("[checks]", told, 1)).analysis
    assert planned is not None
    assert planned.equivalent_within == 0.25
    assert planned.secondary == ("topics are equivalent", "question mood")
    apart = PLAN.replace('topic = "work"', "").replace('topic = "home"', "")
    with pytest.raises(InvalidInput, match="compares nothing"):
        plans.parse(apart.replace("[checks]", "[analysis]\nequivalent_within = 0.25\n[checks]", 1))
    with pytest.raises(InvalidInput, match="no task asks for it"):
        plans.parse(SHORT + '\n[analysis]\nprimary = "too_strong"\n')


def test_what_is_not_registered_changes_no_digest() -> None:
    """Studies from before there were margins and families stay the studies they were."""
    planned = PLAN.replace("[checks]", '[analysis]\nprimary = "preferred"\n[checks]', 1)
    assert "secondary" not in plans.parse(planned).model_dump_json()
    assert "equivalent_within" not in plans.parse(planned).model_dump_json()


CHOICE = PLAN.replace('kind = "scale"', 'kind = "choice"')


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ('[" yes ", "no"]', "blank"),
        ('["yes", "no\\t"]', "blank"),
        ('["yes\\u00a0", "no"]', "blank"),
        ('["y\\u0007es", "no"]', "no text"),
        ('["", "no"]', "empty"),
        ('["  ", "no"]', "empty"),
        ('["\\u200b", "no"]', "empty"),
        ('["no", "yes", "no"]', "twice"),
        ('["so  so", "so so"]', "twice"),
        ('["caf\\u00e9", "cafe\\u0301"]', "twice"),
    ],
)
@pytest.mark.parametrize("source", [CHOICE, PLAN])
def test_an_option_that_nobody_can_choose_is_refused(source: str, options: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        plans.parse(
            source.replace('["badly", "well"]', options if source == CHOICE else options.replace(', "yes"', ""))
        )


def test_a_study_that_was_built_with_such_an_option_still_opens(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(PLAN.replace('["badly", "well"]', '[" badly ", "well"]'))
    with pytest.raises(InvalidInput, match=r"study\.toml.*blank"):
        plans.load(path)
    assert plans.load_built(path).questions[1].options == (" badly ", "well")


@pytest.mark.parametrize(
    "raw",
    [PLAN.encode("utf-8-sig"), PLAN.encode("utf-16"), PLAN.replace("\n", "\r\n").encode()],
    ids=["8", "16", "crlf"],
)
def test_a_file_as_windows_saves_it_is_read(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "study.toml").write_bytes(raw)
    assert plans.load(tmp_path / "study.toml").digest() == plan().digest()


@pytest.mark.parametrize("where", ["seed = 3", "[consent]", 'id = "work"', 'kind = "single"', "[codes]", 'id = "age"'])
def test_a_key_named_self_is_unknown_as_any_other(where: str) -> None:
    with pytest.raises(InvalidInput, match="self"):
        plans.parse(PLAN.replace(where, f"{where}\nself = 1", 1))


def test_a_deep_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(f"{PLAN}\n[deep]\nx = {'[' * 3000}{']' * 3000}\n")
    with pytest.raises(InvalidInput, match=r"study\.toml"):
        plans.load(tmp_path / "study.toml")


def test_a_file_that_is_not_there_or_no_text_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.toml"):
        plans.load(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match=r"broken\.toml"):
        plans.load(broken)


def test_everything_but_the_codes_is_part_of_the_digest() -> None:
    same = plans.parse(PLAN.replace("C-DONE", "C-OTHER"))
    other = plans.parse(PLAN.replace("We store", "We keep"))
    assert same.digest() == plan().digest() != other.digest()


def test_codes_come_from_the_file_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = Codes(completed="$DONE_CODE", declined="NO", url="https://pay.example.org/?cc={code}")
    assert codes.missing() == ["DONE_CODE"]
    assert codes.of("completed") == ""
    monkeypatch.setenv("DONE_CODE", "YES")
    assert codes.missing() == []
    assert codes.of("completed") == codes.of("failed") == "YES"
    assert codes.link("completed") == "https://pay.example.org/?cc=YES"
    assert codes.link("withdrawn") == ""


def test_what_the_documentation_shows_is_a_plan() -> None:
    page = (Path(__file__).parents[2] / "docs" / "studies.md").read_text(encoding="utf-8")
    (shown,) = [one for one in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "[[conditions]]" in one]
    rest = 'format = 1\nname = "x"\ntitle = "X"\naxis = "extraversion"\nstrengths = [0.0, 1.0]\n'
    rest += 'consent = { version = "1", text = "Yes?" }\nprompts = [{ id = "p", text = "Hello?" }]\n'
    found = plans.parse(rest + shown)
    assert [task.name for task in found.tasks] == ["warmer", "single"]
    assert found.seen_by("second")[0].axis == "openness"
    assert found.asked_at("start")[0].least == 18
