"""What people do to a study: they are shown trials, answer, and come to the end; `enrolment` has how they begin.

Each method is one transaction. What it returns has been committed, and to call it again with the same key changes
nothing, so a lost connection is answered by trying again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from playground.study.adaptive import quest
from playground.study.database import writes
from playground.study.enrolment import Enrolment, Refused
from playground.study.forms import TOO_STRONG, Answer
from playground.study.parts import Kind
from playground.study.recruiting import Outcome
from playground.study.tables import answers, responses, trials


@dataclass(frozen=True)
class Shown:
    """The trial a person is to answer now. `done` of `total` trials of its part lie behind."""

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
    def show(self, connection: Connection, code: str) -> Shown | None:
        """The first trial without an answer, noted as shown; None when all are answered."""
        person, now = self._required(connection, code), self.clock()
        row = self._current(connection, person.id)
        if row is None:
            return None
        start = row.start if row.start is not None or row.kind != "adaptive" else self._place(connection, row)
        change = {"shown_at": row.shown_at or now, "last_shown_at": now, "shows": row.shows + 1, "start": start}
        connection.execute(sa.update(trials).where(trials.c.id == row.id).values(**change))
        self._seen(connection, person.id)
        self._note(connection, "shown", person.id, row.id, {"times": row.shows + 1})
        done, total = self._count(connection, person.id, row.counted)
        shown = (row.id, row.token, row.task, row.kind, row.counted, tuple(row.options), start, row.check, row.expected)
        return Shown(*shown, done, total)

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
            raise Refused("That page belongs to no question of yours.", "Here is where you are.")
        if trial.answered_by == key:
            return
        if trial.answered_by is not None:
            raise Refused("That question was answered already; the first answer counts.", "Here is where you are.")
        answer.check(trial.kind, len(trial.options))
        values = answer.model_dump(exclude={"path"}) | {"path": [list(step) for step in answer.path]}
        connection.execute(sa.insert(answers).values(trial_id=trial.id, key=key, answered_at=self.clock(), **values))
        self._seen(connection, person.id)
        self._note(connection, "answered", person.id, trial.id)

    @writes
    def respond(self, connection: Connection, code: str, values: Mapping[str, str]) -> None:
        """Save what a person answered after the trials; the first form counts."""
        person = self._required(connection, code)
        if person.questioned:
            return
        rows = [{"person_id": person.id, "question": name, "value": value} for name, value in values.items()]
        if rows:
            connection.execute(sa.insert(responses), rows)
        self._seen(connection, person.id, questioned_at=self.clock())
        self._note(connection, "responded", person.id)

    @writes
    def finish(self, connection: Connection, code: str) -> Outcome:
        """Close a person's visit, once all is answered, and say how it came out."""
        person = self._required(connection, code)
        if person.outcome is not None:
            return person.outcome
        if self._current(connection, person.id) is not None:
            raise Refused("There are questions left.", "Here is where you are.")
        limit = self.study.plan.checks.fail_after
        outcome: Outcome = "failed" if limit and self._failures(connection, person.id) >= limit else "completed"
        self._seen(connection, person.id, finished_at=self.clock(), outcome=outcome)
        self._note(connection, "finished", person.id, detail={"outcome": outcome})
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

    def _count(self, connection: Connection, person: int, counted: bool) -> tuple[int, int]:
        """How many trials of this part are answered, of how many."""
        row = connection.execute(
            sa.select(sa.func.count(answers.c.id).label("done"), sa.func.count().label("all"))
            .select_from(trials.outerjoin(answers, answers.c.trial_id == trials.c.id))
            .where(trials.c.person_id == person, trials.c.counted == counted)
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
        given = [(self.study.stimuli[row.options[row.start]].strength, row.choice in TOO_STRONG) for row in rows]
        return quest(self.study.plan.strengths).choose(given)

    def _failures(self, connection: Connection, person: int) -> int:
        return connection.execute(
            sa.select(sa.func.count())
            .select_from(trials.join(answers, answers.c.trial_id == trials.c.id))
            .where(trials.c.person_id == person, trials.c.expected != "", answers.c.choice != trials.c.expected)
        ).scalar_one()
