"""What people do to a study: they are shown trials, answer, and come to the end; `enrolment` has how they begin.

Each method is one transaction. What it returns has been committed, and to call it again with the same key changes
nothing, so a lost connection is answered by trying again.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from playground.study.adaptive import quest
from playground.study.database import reads, writes
from playground.study.enrolment import Enrolment
from playground.study.forms import TOO_STRONG, Answer
from playground.study.parts import Kind
from playground.study.recruiting import Outcome
from playground.study.tables import answers, events, passed, responses, trials
from playground.study.words import RefusedForm


@dataclass(frozen=True)
class OpenTrial:
    """The trial a person is to answer now. `done` of `total` trials of its part lie behind.

    `after_practice` tells that it counts and the one before did not.
    """

    id: int
    token: str
    task: str
    kind: Kind
    counted: bool
    options: tuple[str, ...]
    start: int | None
    check: str
    expected: str
    done: int
    total: int
    undo: bool
    """Whether the answer before can be taken back."""
    after_practice: bool


class Store(Enrolment):
    """A study's records with all that people do to them."""

    # -- a person's way -------------------------------------------------------------------------------------------

    @writes
    def instructed(self, connection: Connection, code: str) -> None:
        """The person has read the instructions."""
        person = self._required(connection, code)
        self._seen(connection, person.id, instructed_at=self.clock())
        self._note(connection, "instructed", person.id)

    @writes
    def show(self, connection: Connection, code: str) -> OpenTrial | None:
        """The first trial without an answer, noted as shown; None when all are answered, or the visit has ended."""
        person, now = self._required(connection, code), self.clock()
        row = self._current(connection, person.id)
        if row is None or person.outcome is not None:
            return None
        start = row.start if row.start is not None or row.kind != "adaptive" else self._place(connection, row)
        change = {"shown_at": row.shown_at or now, "last_shown_at": now, "shows": row.shows + 1, "start": start}
        connection.execute(sa.update(trials).where(trials.c.id == row.id).values(**change))
        self._seen(connection, person.id)
        self._note(connection, "shown", person.id, row.id, {"times": row.shows + 1})
        done, total = self._count(connection, person.id, row)
        shown = (row.id, row.token, row.task, row.kind, row.counted, tuple(row.options), start, row.check, row.expected)
        after_practice = row.counted and self._is_practice(connection, person.id, row.position - 1)
        return OpenTrial(*shown, done, total, self._can_undo(connection, person.id, row), after_practice)

    @writes
    def answer(self, connection: Connection, code: str, token: str, key: str, answer: Answer) -> None:
        """Save an answer. Returns once it is committed; the same form again changes nothing.

        Raises Refused for a trial that is not this person's, not yet shown, or answered by another form.
        """
        person = self._required(connection, code)
        trial = connection.execute(
            sa.select(trials, answers.c.key.label("answered_by"))
            .outerjoin(answers, answers.c.trial_id == trials.c.id)
            .where(trials.c.token == token, trials.c.person_id == person.id)
        ).one_or_none()
        if trial is None or trial.shown_at is None:
            raise RefusedForm("not_yours")
        if trial.answered_by == key or self._was_taken_back(connection, trial.id, key):
            return
        if trial.answered_by is not None or person.outcome is not None:
            raise RefusedForm("answered_already")
        task = self.study.plan.task(trial.task)
        answer.check(trial.kind, len(trial.options), task.choices if task else None)
        values = answer.model_dump(exclude={"path"}) | {"path": [list(step) for step in answer.path]}
        connection.execute(sa.insert(answers).values(trial_id=trial.id, key=key, answered_at=self.clock(), **values))
        self._seen(connection, person.id)
        self._note(connection, "answered", person.id, trial.id)
        checks = self.study.plan.checks
        if checks.end_early and self._failures(connection, person.id) >= checks.fail_after:
            self._end(connection, person.id, "failed")

    @writes
    def undo(self, connection: Connection, code: str, token: str) -> None:
        """Take the last answer back, so that its trial is shown again; the log keeps what it was.

        `token` is the trial's on the page that asks for it, empty for a page of questions. The same form again, from a
        page that is gone, changes nothing, and so does one for an answer that cannot be taken back.
        """
        person = self._required(connection, code)
        row = self._current(connection, person.id)
        is_there = row is not None and row.token == token if token else row is None or not row.shows
        if person.outcome is not None or not is_there or not self._can_undo(connection, person.id, row):
            return
        last = self._last(connection, person.id)
        connection.execute(sa.delete(answers).where(answers.c.trial_id == last.id))
        self._seen(connection, person.id)
        was = {"key": last.key, "choice": last.choice, "degree": last.degree, "option": last.option}
        told = {name: value for name, value in was.items() if value is not None}
        self._note(connection, "undone", person.id, last.id, told)

    @reads
    def due(self, connection: Connection, code: str) -> str | None:
        """Where the questions stand that a person is to answer next; None if a trial comes first, or the end."""
        person = self._coded(connection, code)
        if person is None or person.outcome is not None:
            return None
        behind = self._passed(connection, person.id)
        unanswered = (
            sa.select(trials.c.task)
            .outerjoin(answers, answers.c.trial_id == trials.c.id)
            .where(trials.c.person_id == person.id, answers.c.id.is_(None))
        )
        ahead = set(connection.execute(unanswered).scalars())
        for place in self.study.plan.pages:
            is_behind = person.questioned if not place else f"questions {place}" in behind
            waits = place != "start" and (place in ahead if place else bool(ahead))
            if not is_behind and not waits:
                return place
        return None

    @reads
    def can_undo(self, connection: Connection, code: str) -> bool:
        """Whether the last answer can be taken back from a page of questions."""
        person = self._coded(connection, code)
        return person is not None and self._can_undo(connection, person.id, self._current(connection, person.id))

    @writes
    def respond(self, connection: Connection, code: str, values: Mapping[str, str], place: str = "") -> None:
        """Save what a person answered to the questions of a place; the first form counts.

        An answer that does not admit them ends their visit.
        """
        person = self._required(connection, code)
        page = f"questions {place}"
        if person.outcome is not None or (page in self._passed(connection, person.id) if place else person.questioned):
            return
        rows = [{"person_id": person.id, "question": name, "value": value} for name, value in values.items()]
        if rows:
            connection.execute(sa.insert(responses), rows)
        if place:
            self._pass(connection, person.id, page)
        self._seen(connection, person.id, **({} if place else {"questioned_at": self.clock()}))
        self._note(connection, "responded", person.id)
        if not all(question.admits(values.get(question.id, "")) for question in self.study.plan.asked_at(place)):
            self._end(connection, person.id, "screened")

    @writes
    def read(self, connection: Connection, code: str) -> None:
        """The person has read what the study was about."""
        person = self._required(connection, code)
        if "debriefing" not in self._passed(connection, person.id):
            self._pass(connection, person.id, "debriefing")
            self._note(connection, "debriefed", person.id)

    @reads
    def has_read(self, connection: Connection, code: str) -> bool:
        """Whether the person has read what the study was about."""
        person = self._coded(connection, code)
        return person is not None and "debriefing" in self._passed(connection, person.id)

    @writes
    def finish(self, connection: Connection, code: str) -> Outcome:
        """Close a person's visit, once all is answered, and say how it came out."""
        person = self._required(connection, code)
        if person.outcome is not None:
            return person.outcome
        if self._current(connection, person.id) is not None:
            raise RefusedForm("questions_left")
        limit = self.study.plan.checks.fail_after
        outcome: Outcome = "failed" if limit and self._failures(connection, person.id) >= limit else "completed"
        self._end(connection, person.id, outcome)
        return outcome

    @writes
    def refuse(self, connection: Connection, code: str, reason: str) -> None:
        """Note that a form was refused."""
        person = self._locked(connection, code)
        self._note(connection, "refused", person.id if person else None, detail={"reason": reason})

    # -- inside a transaction -------------------------------------------------------------------------------------

    def _current(self, connection: Connection, person: int) -> Any:
        """The row of the first trial without an answer."""
        return connection.execute(
            sa.select(trials)
            .outerjoin(answers, answers.c.trial_id == trials.c.id)
            .where(trials.c.person_id == person, answers.c.id.is_(None))
            .order_by(trials.c.position)
            .limit(1)
        ).one_or_none()

    def _is_practice(self, connection: Connection, person: int, position: int) -> bool:
        at = sa.select(trials.c.counted).where(trials.c.person_id == person, trials.c.position == position)
        return connection.execute(at).scalar() is False

    def _last(self, connection: Connection, person: int) -> Any:
        """The row of the last trial with an answer, and the answer."""
        given = (answers.c.key, answers.c.choice, answers.c.degree, answers.c.option)
        return connection.execute(
            sa.select(trials, *given)
            .join(answers, answers.c.trial_id == trials.c.id)
            .where(trials.c.person_id == person)
            .order_by(trials.c.position.desc())
            .limit(1)
        ).one_or_none()

    def _can_undo(self, connection: Connection, person: int, current: Any) -> bool:
        """Whether the last answer is of the same part, and nothing behind it but the current trial has been shown."""
        last = self._last(connection, person)
        if last is None or (
            current is not None and (current.counted != last.counted or current.position < last.position)
        ):
            return False
        here = last.position + 1 if current is None else current.position
        later = sa.select(trials.c.id).where(trials.c.person_id == person, trials.c.position > here, trials.c.shows > 0)
        return connection.execute(later.limit(1)).first() is None

    def _was_taken_back(self, connection: Connection, trial: int, key: str) -> bool:
        """Whether a form's answer was taken back, so that the same form arriving late must not give it again."""
        undone = sa.select(events.c.detail).where(events.c.trial_id == trial, events.c.kind == "undone")
        return any(detail.get("key") == key for detail in connection.execute(undone).scalars())

    def _passed(self, connection: Connection, person: int) -> set[str]:
        return set(connection.execute(sa.select(passed.c.page).where(passed.c.person_id == person)).scalars())

    def _pass(self, connection: Connection, person: int, page: str) -> None:
        connection.execute(sa.insert(passed).values(person_id=person, page=page, at=self.clock()))

    def _end(self, connection: Connection, person: int, outcome: Outcome) -> None:
        self._seen(connection, person, finished_at=self.clock(), outcome=outcome)
        self._note(connection, "finished", person, detail={"outcome": outcome})

    def _count(self, connection: Connection, person: int, trial: Any) -> tuple[int, int]:
        """How many trials of its part are answered, of how many: of a task's practice, or of all that count."""
        part = trials.c.counted if trial.counted else ~trials.c.counted & (trials.c.task == trial.task)
        row = connection.execute(
            sa.select(sa.func.count(answers.c.id).label("done"), sa.func.count().label("all"))
            .select_from(trials.outerjoin(answers, answers.c.trial_id == trials.c.id))
            .where(trials.c.person_id == person, part)
        ).one()
        return row.done, row.all

    def _place(self, connection: Connection, trial: Any) -> int:
        """Which of an adaptive trial's replies to show, from the person's answers so far."""
        rows = connection.execute(
            sa.select(trials.c.options, trials.c.start, answers.c.choice)
            .join(answers, answers.c.trial_id == trials.c.id)
            .where(trials.c.person_id == trial.person_id, trials.c.task == trial.task)
            .where(trials.c.counted == trial.counted)
            .order_by(trials.c.position)
        )
        stimuli = self.study.stimuli
        shown = [stimuli[option] for option in trial.options]
        seen = [(stimuli[row.options[row.start]], row.choice in TOO_STRONG) for row in rows]
        given = [(one.strength, strong) for one, strong in seen if one.condition == shown[0].condition]
        return quest(tuple(one.strength for one in shown)).choose(given, random.Random(trial.token).random())

    def _failures(self, connection: Connection, person: int) -> int:
        return connection.execute(
            sa.select(sa.func.count())
            .select_from(trials.join(answers, answers.c.trial_id == trials.c.id))
            .where(trials.c.person_id == person, trials.c.expected != "", answers.c.choice != trials.c.expected)
        ).scalar_one()
