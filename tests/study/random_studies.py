"""Small random studies from plan to export: `python -m tests.study.random_studies --studies 300`.

Each is written as a study file, built from made replies, answered by simulated people, analysed for every condition and
task, reported, exported, backed up and restored, all by the commands. A study may be refused in a sentence; anything
else that is raised, and a number in a report that is none, is a fault. The number of a study is its seed.
"""

import argparse
import csv
import io
import json
import random
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer.testing

from playground.cli.main import app
from playground.errors import PlaygroundError
from playground.study import plan
from playground.study.plan import StudyPlan
from playground.study.words import languages
from tests.mutants import as_toml

WORDS = ["so", "it", "is", "what", "<b>", "&", "“quiet”", "مرحبا", "雨", "=1+1", "\U0001f600", "a,", "b;", "'c'"]


def main() -> None:
    """Try so many studies; say what each came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    wanted, ends = parser.parse_args(), Counter[str]()
    for seed in range(wanted.first, wanted.first + wanted.studies):
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            end = tried(seed, Path(folder))
        ends[end.partition(":")[0]] += 1
        _say(f"{seed} {end} ({time.process_time() - began:.1f} s)")
    _say(", ".join(f"{count} {end}" for end, count in ends.most_common()))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def tried(seed: int, folder: Path) -> str:
    """What a study came to: went through, refused: why, or FAULT: a traceback."""
    rng = random.Random(seed)
    record = drawn(rng)
    file = folder / "study.toml"
    file.write_bytes(as_toml(record))
    try:
        asked = plan.load(file)
        (folder / "replies.csv").write_text(replies(asked, rng), encoding="utf-8")
        return _through(asked, file, folder, rng)
    except PlaygroundError as error:
        return f"refused: {error.message}"
    except Exception:
        return f"FAULT: {traceback.format_exc()}"


def _through(asked: StudyPlan, file: Path, folder: Path, rng: random.Random) -> str:
    built, database = folder / "built", f"sqlite:///{folder}/simulated.sqlite"
    _run("build", str(file), "--out", str(built))
    low, high = asked.strengths[0], asked.strengths[-1]
    who = {
        "people": rng.choice([1, 2, 3, 5, 8, 12, 20]),
        "preferred": round(rng.uniform(low - 1, high + 1), 2),
        "spread": rng.choice([0, 0.1, 0.4, 2]),
        "careless": rng.choice([0, 0.1, 0.5, 1]),
        "seed": rng.randrange(1000),
    }
    _run("simulate", str(built), "--database", database, *_options(who))
    for condition in asked.compared:
        for tasks in _analysed(asked):
            part = [*(("--condition", condition.id) if condition.id else ()), *(("--task", tasks) if tasks else ())]
            rules = rng.choice([[], ["--exclude", "none"], ["--exclude", "inconsistent,one_sided,unfinished"]])
            out = folder / "analysis" / condition.id / tasks
            _run("analyse", str(built), "--database", database, "--out", str(out), *part, *rules)
            _check((out / "report.html").read_text(encoding="utf-8"), (out / "analysis.json").read_text("utf-8"))
    _run("people", str(built), "--ids", "--database", database)
    _run("export", str(built), "--database", database, "--out", str(folder / "export"))
    _run("backup", str(built), "--database", database, "--out", str(folder / "backup.zip"))
    again = f"sqlite:///{folder}/again.sqlite"
    _run("restore", str(folder / "backup.zip"), "--folder", str(built), "--database", again)
    _run("export", str(built), "--database", again, "--out", str(folder / "second"))
    for one in sorted((folder / "export").glob("*.csv")):
        assert one.read_bytes() == (folder / "second" / one.name).read_bytes(), f"{one.name} differs when restored"
    return "went through"


def _run(*words: str) -> str:
    ran = typer.testing.CliRunner().invoke(app, ["study", *words])
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    if ran.exit_code:
        said = ran.output.strip().splitlines()
        raise PlaygroundError(f"{words[0]}: {said[-2] if len(said) > 1 else said}", "")
    return ran.output


def _options(values: dict[str, Any]) -> list[str]:
    return [word for name, value in values.items() for word in (f"--{name}", str(value))]


def _analysed(asked: StudyPlan) -> list[str]:
    """What --task is given: nothing, or each of several tasks of a kind."""
    several = [task.name for task in asked.tasks if len(asked.of_kind(task.kind)) > 1]
    return several or [""]


def _check(page: str, numbers: str) -> None:
    """Neither holds what is no number."""

    def refuse(constant: str) -> Any:
        raise AssertionError(f"analysis.json holds {constant}")

    json.loads(numbers, parse_constant=refuse)
    told = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    bad = re.search(r"\b(nan|inf|None)\b", told)
    assert not bad, f"the report says {told[max(0, bad.start() - 80) : bad.end() + 20]!r}"


def replies(asked: StudyPlan, rng: random.Random) -> str:
    """A table of made replies; some read the same, some measures are not there."""
    known = [name for name in ("tokens", "reward", "kl", "perplexity") if rng.random() < 0.6]
    several = [("seed", len(asked.seeds) > 1), ("condition", bool(asked.conditions))]
    columns = ["prompt", "strength", "reply", *(name for name, there in several if there), *known]
    file = io.StringIO()
    table = csv.DictWriter(file, columns)
    table.writeheader()
    flat = rng.random() < 0.2  # a measure that is the same for all
    for condition in asked.compared:
        for prompt in asked.prompts:
            for seed in asked.seeds:
                for at in asked.made(condition):
                    text = " ".join(rng.choices(WORDS, k=rng.choice([1, 3, 20])))
                    own = {"prompt": prompt.id, "strength": at, "reply": text, "seed": seed, "condition": condition.id}
                    own |= {name: 4 if flat else rng.randrange(1, 40) for name in known}
                    table.writerow({name: own[name] for name in columns})
    return file.getvalue()


def drawn(rng: random.Random) -> dict[str, Any]:
    """A study file at random."""
    some = [round(rng.uniform(-3, 0), 2), *sorted(rng.sample([0.25, 0.5, 1.0, 1.5, 2.0], rng.randint(1, 5)))]
    prompts = [
        {"id": f"p{number}", "text": f"Say {number}?", "topic": rng.choice(["", "work", "home, <b>"])}
        for number in range(rng.choice([1, 2, 4, 8]))
    ]
    tasks = _tasks(rng)
    record: dict[str, Any] = {
        "format": 1, "name": "random", "title": "Random & <made>", "seed": rng.randrange(99), "axis": "any",
        "slider": rng.choice(["alpha", "control"]), "strengths": some, "seeds": rng.choice([[0], [0, 1]]),
        "replies": "replies.csv", "language": rng.choice(languages()),
        "blocks": rng.choice(["fixed", "balanced"]),
        "practice": rng.choice([0, 0, 1]), "consent": {"version": "1", "text": "We store your answers."},
        "tasks": tasks, "questions": _questions(rng, [task["id"] or task["kind"] for task in tasks]),
        "prompts": [*prompts, {"id": "try", "text": "Try?", "practice": True}],
    }  # fmt: skip
    if rng.random() < 0.4:
        names = ["one", "two", "three"][: rng.randint(1, 3)]
        record["conditions"] = [
            {"id": name, "slider": rng.choice(["alpha", "control"])} | rng.choice([{}, {"strengths": [0.0, 1.0, 2.0]}])
            for name in names
        ]
        if rng.random() < 0.5:
            groups = [["a", names], ["b", names[:1]]]
            record["groups"] = [{"id": name, "conditions": seen} for name, seen in groups]
    if rng.random() < 0.6 and any(task["kind"] == "pair" for task in tasks):
        record["checks"] = {name: rng.choice([0, 1, 3]) for name in ("instructed", "gold", "repeated")} | {
            "broken": 9.0
        }
        if record["checks"]["instructed"]:
            record["checks"] |= {"fail_after": 1, "end_early": rng.random() < 0.5}
    if rng.random() < 0.5:
        record["analysis"] = {
            "primary": rng.choice(["preferred", "too_strong"]),
            "exclude": rng.sample(["failed_check", "inconsistent", "too_fast", "one_sided", "unfinished"], 2),
        } | rng.choice([{}, {"equivalent_within": 0.5}])
    return record


def _tasks(rng: random.Random) -> list[dict[str, Any]]:
    kinds = rng.sample(["pair", "pair", "adjustment", "single", "adaptive", "single"], rng.randint(1, 4))
    tasks: list[dict[str, Any]] = []
    for number, kind in enumerate(kinds):
        task: dict[str, Any] = {"id": f"t{number}" if kinds.count(kind) > 1 else "", "kind": kind}
        task["trials"] = rng.choice([1, 2, 6, 12])
        if kind == "pair":
            task |= {name: rng.random() < 0.7 for name in ("degree", "tie", "bad")}
        tasks.append(task)
    return tasks


def _questions(rng: random.Random, places: Sequence[str]) -> list[dict[str, Any]]:
    kinds: list[dict[str, Any]] = [
        {"kind": "number", "required": True, "least": 18},
        {"kind": "number"},
        {"kind": "scale", "options": ["no", "yes"]},
        {"kind": "choice", "options": ["a", "b", "c"], "accept": ["a", "b"], "required": True},
        {"kind": "choice", "options": ["x", "y"]},
        {"kind": "text"},
    ]
    return [
        {"id": f"q{number}", "text": "How?", "at": rng.choice(["", "start", *places])} | kind
        for number, kind in enumerate(rng.sample(kinds, rng.randint(0, 4)))
    ]


if __name__ == "__main__":
    main()
