"""What people do to a study: they consent, are shown trials, answer, and leave.

Each method is one transaction. What it returns has been committed, and to call it again with the same key changes
nothing, so a lost connection is answered by trying again.
"""

import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy import Connection

from playground.errors import InvalidInput, PlaygroundError
from playground.study.adaptive import quest
from playground.study.database import connect, inserted, reads, transact, writes
from playground.study.forms import TOO_STRONG, Answer
from playground.study.persons import Person, name_in
from playground.study.plan import Kind, Outcome
from playground.study.records import ABANDONED_S, Ids, Records
from playground.study.schedule import Fills, schedule
from playground.study.stimuli import Study
from playground.study.tables import answers, events, external_ids, people, responses, studies, trials


class Refused(PlaygroundError):
    """A form that may not count: forged, another person's, out of its turn, or answered already."""


@dataclass(frozen=True)
class Shown:
    """The trial a person is to answer now. `done` of `total` trials of its part lie behind."""

    id: int
    token: str
    kind: Kind
    counted: bool
    options: tuple[str, ...]
    start: int | None
    check: str
    expected: str
    done: int
    total: int


class Store(Records):
    """A study's records with all that people do to them."""

    @classmethod
    def open(cls, url: str, study: Study, clock: Callable[[], float] = time.time, durable: bool = True) -> Self:
        """Connect, make the tables or bring them up to date, and enter the study.

        Raises InvalidInput when the database cannot be had, or holds people of an earlier version of the study.
        """
        engine = connect(url, durable)
        try:
            study_id = transact(engine, lambda connection: _entered(connection, study, clock()))
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, study, study_id, clock)

    # -- people ---------------------------------------------------------------------------------------------------

    @reads
    def person(self, connection: Connection, code: str) -> Person | None:
        """The person whose page a code opens: their own, or the one they go on with."""
        return self._coded(connection, code)

    @reads
    def person_called(self, connection: Connection, external: str) -> Person | None:
        """The person a recruiting service calls so."""
        return self._called(connection, external)

    @writes
    def enrol(self, connection: Connection, key: str, ids: Ids | None = None, preview: bool = False) -> Person:
        """Write down a person's consent and whole schedule; the same form or the same ids give the same person."""
        # One enrolment at a time: each must see how far the earlier ones have filled the cells.
        self._lock(connection, studies, self.study_id)
        known = self._person(connection, people.c.key == key)
        if known is None and ids is not None:
            known = self._called(connection, ids.external)
        return known or self._enrol(connection, key, ids, preview)

    def _enrol(self, connection: Connection, key: str, ids: Ids | None, preview: bool) -> Person:
        now, plan = self.clock(), self.study.plan
        number = connection.execute(
            sa.select(sa.func.count()).select_from(people).where(people.c.study_id == self.study_id)
        ).scalar_one()
        seed = f"{plan.seed}-{number}-{secrets.token_hex(4)}"
        person_id = inserted(
            connection,
            people,
            study_id=self.study_id,
            code=secrets.token_urlsafe(16),
            key=key,
            preview=preview,
            seed=seed,
            consent_version=plan.consent.version,
            consented_at=now,
            seen_at=now,
            outcome="",
        )
        drawn = schedule(self.study, self._fills(connection), random.Random(seed).getrandbits(62))
        rows = [
            asdict(trial)
            | {"person_id": person_id, "position": position, "token": secrets.token_urlsafe(12), "shows": 0}
            for position, trial in enumerate(drawn)
        ]
        connection.execute(sa.insert(trials), rows)
        if ids is not None:
            connection.execute(
                sa.insert(external_ids).values(person_id=person_id, study_id=self.study_id, **asdict(ids))
            )
        self._note(connection, "consented", person_id, detail={"version": plan.consent.version})
        person = self._person(connection, people.c.id == person_id)
        assert person is not None
        return person

    def _fills(self, connection: Connection) -> Fills:
        """How often each cell was answered, or will be by people who have not stayed away."""
        present = people.c.seen_at >= self.clock() - ABANDONED_S
        rows = connection.execute(
            sa.select(trials.c.cell, trials.c.content, sa.func.count())
            .join(people, trials.c.person_id == people.c.id)
            .outerjoin(answers, answers.c.trial_id == trials.c.id)
            .where(people.c.study_id == self.study_id, ~people.c.preview, trials.c.counted, trials.c.check == "")
            .where(answers.c.id.is_not(None) | (people.c.finished_at.is_(None) & present))
            .group_by(trials.c.cell, trials.c.content)
        )
        return Fills({(cell, content): count for cell, content, count in rows})

    @writes
    def decline(self, connection: Connection) -> None:
        """Somebody did not consent: counted, and nothing else."""
        self._note(connection, "declined")

    @writes
    def withdraw(self, connection: Connection, code: str) -> None:
        """Delete everything about a person; that somebody withdrew stays counted. Unknown codes are nobody's.

        Raises Refused unless it is the person's own code.
        """
        person = self._locked(connection, code)
        if person is None:
            return
        if not person.owns(code):
            contact = self.study.plan.contact
            raise Refused(
                "Answers can only be deleted from the browser they were begun in.",
                f"Open the study there, or ask {contact or 'whoever invited you'}.",
            )
        connection.execute(sa.delete(people).where(people.c.id == person.id))
        self._note(connection, "withdrawn")

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
        shown = (row.id, row.token, row.kind, row.counted, tuple(row.options), start, row.check, row.expected)
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

    # -- the staff ------------------------------------------------------------------------------------------------

    @writes
    def pause(self, connection: Connection, paused: bool) -> None:
        """Let nobody begin or go on, or let them again. What is under way is still saved."""
        connection.execute(sa.update(studies).where(studies.c.id == self.study_id).values(paused=paused))
        self._note(connection, "paused" if paused else "resumed")

    # -- inside a transaction -------------------------------------------------------------------------------------

    def _person(self, connection: Connection, where: sa.ColumnElement[bool]) -> Person | None:
        row = connection.execute(
            sa.select(people, studies.c.paused, external_ids.c.session, trials.c.token)
            .join(studies, people.c.study_id == studies.c.id)
            .join(trials, (trials.c.person_id == people.c.id) & (trials.c.position == 0))
            .outerjoin(external_ids, external_ids.c.person_id == people.c.id)
            .where(people.c.study_id == self.study_id, where)
        ).one_or_none()
        if row is None:
            return None
        marks = (row.preview, row.instructed_at is not None, row.questioned_at is not None)
        return Person(row.id, row.code, row.token, row.key, row.session or "", *marks, row.outcome or None, row.paused)

    def _coded(self, connection: Connection, code: str) -> Person | None:
        """The person of a code. The one to go on with holds the token of their first trial, which names no row."""
        name = name_in(code)
        person = self._person(connection, trials.c.token == name if name else people.c.code == code)
        return person if person is not None and person.is_opened_by(code) else None

    def _called(self, connection: Connection, external: str) -> Person | None:
        """The person a recruiting service calls so."""
        return self._person(connection, external_ids.c.external == external)

    def _locked(self, connection: Connection, code: str) -> Person | None:
        """The person of a code, with nobody else writing about them until the transaction ends."""
        person = self._coded(connection, code)
        if person is not None:
            self._lock(connection, people, person.id)
        return self._coded(connection, code)

    def _required(self, connection: Connection, code: str) -> Person:
        person = self._locked(connection, code)
        if person is None:
            raise Refused("This page belongs to nobody in this study.", "Open the study's address anew.")
        return person

    def _lock(self, connection: Connection, table: sa.Table, row: int) -> None:
        connection.execute(sa.select(table.c.id).where(table.c.id == row).with_for_update())

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
            .where(trials.c.person_id == trial.person_id, trials.c.kind == "adaptive")
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

    def _seen(self, connection: Connection, person: int, **values: Any) -> None:
        """Note that the person was here just now, and what else has changed about them."""
        connection.execute(sa.update(people).where(people.c.id == person).values(seen_at=self.clock(), **values))

    def _note(
        self,
        connection: Connection,
        kind: str,
        person: int | None = None,
        trial: int | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        values = {"study_id": self.study_id, "person_id": person, "trial_id": trial, "kind": kind}
        connection.execute(sa.insert(events).values(at=self.clock(), detail=dict(detail or {}), **values))


def _entered(connection: Connection, study: Study, now: float) -> int:
    """The id of the study's row, made if need be. A study somebody has begun cannot change any more."""
    row = connection.execute(
        sa.select(studies).where(studies.c.name == study.plan.name).with_for_update()
    ).one_or_none()
    values = {"digest": study.digest, "plan": study.plan.model_dump_json(exclude={"codes"})}
    if row is None:
        return inserted(connection, studies, name=study.plan.name, created_at=now, paused=False, **values)
    if row.digest == study.digest:
        return row.id
    begun = sa.select(people.c.id).where(people.c.study_id == row.id)
    if connection.execute(begun.where(~people.c.preview).limit(1)).one_or_none() is not None:
        raise InvalidInput(
            f"People have answered another version of the study {study.plan.name!r}.",
            "Serve the folder they began with, or give the changed study another name.",
        )
    connection.execute(sa.delete(people).where(people.c.study_id == row.id))  # previews of the earlier version
    connection.execute(sa.update(studies).where(studies.c.id == row.id).values(**values))
    return row.id
