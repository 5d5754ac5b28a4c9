"""What is kept of a study and its people: the only SQL of the playground.

Each method is one transaction. What it returns has been committed, and to call it again with the same key changes
nothing, so a lost connection is answered by trying again.
"""

import contextlib
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from playground.errors import InvalidInput, PlaygroundError
from playground.study.adaptive import quest
from playground.study.database import READS, connect, transact
from playground.study.forms import TOO_STRONG, Answer
from playground.study.plan import Kind, Outcome
from playground.study.schedule import Fills, schedule
from playground.study.stimuli import Study
from playground.study.tables import answers, events, external_ids, people, responses, studies, trials

_T = TypeVar("_T")

ABANDONED_S = 24 * 3600.0
"""After this long without a sign of a person, trials they have not answered no longer fill their cells."""


class Refused(PlaygroundError):
    """A form that may not count: forged, another person's, out of its turn, or answered already."""


@dataclass(frozen=True)
class Ids:
    """What a recruiting service calls a person, the study and the visit."""

    external: str
    recruitment: str = ""
    session: str = ""


@dataclass(frozen=True)
class Person:
    """One person and how far they have come."""

    id: int
    code: str
    preview: bool
    instructed: bool
    questioned: bool
    outcome: Outcome | None
    paused: bool


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


@dataclass(frozen=True)
class Progress:
    """How a study stands."""

    consented: int
    finished: int
    abandoned: int
    declined: int
    withdrawn: int
    answers: int
    paused: bool
    left_at: Mapping[int, int]
    """How many people who stayed away have answered this many trials."""


class Store:
    """A connection to one study's rows. Safe to use from many threads; `close` it when done."""

    def __init__(self, engine: Engine, study: Study, study_id: int, clock: Callable[[], float] = time.time) -> None:
        self.engine, self.study, self.study_id, self.clock = engine, study, study_id, clock

    @classmethod
    def open(cls, url: str, study: Study, clock: Callable[[], float] = time.time, durable: bool = True) -> "Store":
        """Connect, bring the tables up to date and enter the study.

        Raises InvalidInput when the database cannot be had, or holds people of an earlier version of the study.
        """
        engine = connect(url, durable)
        try:
            return cls(engine, study, _entered(engine, study, clock()), clock)
        except BaseException:
            engine.dispose()
            raise

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    # -- people ---------------------------------------------------------------------------------------------------

    def person(self, code: str) -> Person | None:
        """The person whose page a code opens."""
        return self._read(lambda connection: self._person(connection, people.c.code == code))

    def person_called(self, external: str) -> Person | None:
        """The person a recruiting service calls so."""
        named = sa.select(external_ids.c.person_id).where(
            external_ids.c.study_id == self.study_id, external_ids.c.external == external
        )
        return self._read(lambda connection: self._person(connection, people.c.id.in_(named)))

    def enrol(self, key: str, ids: Ids | None = None, preview: bool = False) -> Person:
        """Write down a person's consent and whole schedule; the same form or the same ids give the same person."""

        def write(connection: Connection) -> Person:
            # One enrolment at a time: each must see how far the earlier ones have filled the cells.
            self._lock(connection, studies, self.study_id)
            known = self._person(connection, people.c.key == key)
            if known is None and ids is not None:
                called = (external_ids.c.study_id == self.study_id) & (external_ids.c.external == ids.external)
                known = self._person(connection, people.c.id.in_(sa.select(external_ids.c.person_id).where(called)))
            return known or self._enrol(connection, key, ids, preview)

        return self._write(write)

    def _enrol(self, connection: Connection, key: str, ids: Ids | None, preview: bool) -> Person:
        now, plan = self.clock(), self.study.plan
        number = connection.execute(
            sa.select(sa.func.count()).select_from(people).where(people.c.study_id == self.study_id)
        ).scalar_one()
        seed = f"{plan.seed}-{number}-{secrets.token_hex(4)}"
        person_id = _inserted(
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

    def decline(self) -> None:
        """Somebody did not consent: counted, and nothing else."""
        self._write(lambda connection: self._note(connection, "declined"))

    def withdraw(self, code: str) -> None:
        """Delete everything about a person; that somebody withdrew stays counted. Unknown codes are nobody's."""

        def write(connection: Connection) -> None:
            person = self._locked(connection, code)
            if person is not None:
                connection.execute(sa.delete(people).where(people.c.id == person.id))
                self._note(connection, "withdrawn")

        self._write(write)

    # -- a person's way -------------------------------------------------------------------------------------------

    def instructed(self, code: str) -> None:
        """The person has read the instructions."""
        self._mark(code, "instructed_at", "instructed")

    def show(self, code: str) -> Shown | None:
        """The first trial without an answer, noted as shown; None when all are answered."""

        def write(connection: Connection) -> Shown | None:
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

        return self._write(write)

    def answer(self, code: str, token: str, key: str, answer: Answer) -> None:
        """Save an answer. Returns once it is committed; the same form again changes nothing.

        Raises Refused for a trial that is not this person's, not yet shown, or answered by another form.
        """

        def write(connection: Connection) -> None:
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
            connection.execute(
                sa.insert(answers).values(trial_id=trial.id, key=key, answered_at=self.clock(), **values)
            )
            self._seen(connection, person.id)
            self._note(connection, "answered", person.id, trial.id)

        self._write(write)

    def respond(self, code: str, values: Mapping[str, str]) -> None:
        """Save what a person answered after the trials; the first form counts."""

        def write(connection: Connection) -> None:
            person = self._required(connection, code)
            if person.questioned:
                return
            rows = [{"person_id": person.id, "question": name, "value": value} for name, value in values.items()]
            if rows:
                connection.execute(sa.insert(responses), rows)
            self._set(connection, person.id, questioned_at=self.clock())
            self._note(connection, "responded", person.id)

        self._write(write)

    def finish(self, code: str) -> Outcome:
        """Close a person's visit, once all is answered, and say how it came out."""

        def write(connection: Connection) -> Outcome:
            person = self._required(connection, code)
            if person.outcome is not None:
                return person.outcome
            if self._current(connection, person.id) is not None:
                raise Refused("There are questions left.", "Here is where you are.")
            limit = self.study.plan.checks.fail_after
            outcome: Outcome = "failed" if limit and self._failures(connection, person.id) >= limit else "completed"
            self._set(connection, person.id, finished_at=self.clock(), outcome=outcome)
            self._note(connection, "finished", person.id, detail={"outcome": outcome})
            return outcome

        return self._write(write)

    def refuse(self, code: str, reason: str) -> None:
        """Note that a form was refused."""

        def write(connection: Connection) -> None:
            person = self._locked(connection, code)
            self._note(connection, "refused", person.id if person else None, detail={"reason": reason})

        self._write(write)

    # -- the staff ------------------------------------------------------------------------------------------------

    def pause(self, paused: bool) -> None:
        """Let nobody begin or go on, or let them again. What is under way is still saved."""

        def write(connection: Connection) -> None:
            connection.execute(sa.update(studies).where(studies.c.id == self.study_id).values(paused=paused))
            self._note(connection, "paused" if paused else "resumed")

        self._write(write)

    def paused(self) -> bool:
        """Whether the staff have paused the study."""
        query = sa.select(studies.c.paused).where(studies.c.id == self.study_id)
        return self._read(lambda connection: bool(connection.execute(query).scalar_one()))

    def progress(self) -> Progress:
        """Counts of people and answers; previews are not among them."""

        def read(connection: Connection) -> Progress:
            kinds = sa.select(events.c.kind, sa.func.count().label("times")).where(events.c.study_id == self.study_id)
            counts = {row.kind: row.times for row in connection.execute(kinds.group_by(events.c.kind))}
            behind = (
                sa.select(people.c.finished_at, people.c.seen_at, sa.func.count(answers.c.id).label("answers"))
                .outerjoin(trials, (trials.c.person_id == people.c.id) & trials.c.counted)
                .outerjoin(answers, answers.c.trial_id == trials.c.id)
                .where(people.c.study_id == self.study_id, ~people.c.preview)
                .group_by(people.c.id)
            )
            rows = connection.execute(behind).all()
            gone = [row.answers for row in rows if row.finished_at is None and row.seen_at < self.clock() - ABANDONED_S]
            return Progress(
                consented=len(rows),
                finished=sum(row.finished_at is not None for row in rows),
                abandoned=len(gone),
                declined=counts.get("declined", 0),
                withdrawn=counts.get("withdrawn", 0),
                answers=sum(row.answers for row in rows),
                paused=bool(
                    connection.execute(sa.select(studies.c.paused).where(studies.c.id == self.study_id)).scalar_one()
                ),
                left_at={answered: gone.count(answered) for answered in sorted(set(gone))},
            )

        return self._read(read)

    def answered_trials(self) -> list[dict[str, Any]]:
        """Each counted answer with its trial and person, in order; previews and practice are not among them."""
        query = (
            sa.select(
                trials,
                *(column for column in answers.c if column.name not in ("id", "trial_id", "key")),
                people.c.consented_at,
                people.c.finished_at,
                people.c.outcome,
            )
            .join(answers, answers.c.trial_id == trials.c.id)
            .join(people, trials.c.person_id == people.c.id)
            .where(people.c.study_id == self.study_id, ~people.c.preview, trials.c.counted)
            .order_by(people.c.id, trials.c.position)
        )
        return self._read(lambda connection: [dict(row) for row in connection.execute(query).mappings()])

    def enrolled(self) -> list[dict[str, Any]]:
        """Each person with the number of their counted trials and their responses; previews are not among them."""

        def read(connection: Connection) -> list[dict[str, Any]]:
            who = (people.c.study_id == self.study_id) & ~people.c.preview
            counted = sa.select(sa.func.count()).where(trials.c.person_id == people.c.id, trials.c.counted)
            columns = [people.c[name] for name in ("id", "consented_at", "consent_version", "finished_at", "outcome")]
            rows = connection.execute(
                sa.select(*columns, counted.scalar_subquery().label("trials")).where(who).order_by(people.c.id)
            )
            persons = {row["id"]: {**row, "responses": {}} for row in rows.mappings()}
            query = sa.select(responses).join(people, responses.c.person_id == people.c.id).where(who)
            for response in connection.execute(query):
                persons[response.person_id]["responses"][response.question] = response.value
            return list(persons.values())

        return self._read(read)

    def external(self) -> dict[int, Ids]:
        """Whom a recruiting service calls what, by person; needed to pay people, never to analyse."""
        query = sa.select(external_ids).where(external_ids.c.study_id == self.study_id)
        return self._read(
            lambda connection: {
                row.person_id: Ids(row.external, row.recruitment, row.session) for row in connection.execute(query)
            }
        )

    def events(self) -> list[dict[str, Any]]:
        """The event log, in order."""
        query = sa.select(events).where(events.c.study_id == self.study_id).order_by(events.c.id)
        return self._read(lambda connection: [dict(row) for row in connection.execute(query).mappings()])

    # -- inside a transaction -------------------------------------------------------------------------------------

    def _person(self, connection: Connection, where: sa.ColumnElement[bool]) -> Person | None:
        row = connection.execute(
            sa.select(people, studies.c.paused)
            .join(studies, people.c.study_id == studies.c.id)
            .where(people.c.study_id == self.study_id, where)
        ).one_or_none()
        if row is None:
            return None
        marks = (row.instructed_at is not None, row.questioned_at is not None)
        return Person(row.id, row.code, row.preview, *marks, row.outcome or None, row.paused)

    def _locked(self, connection: Connection, code: str) -> Person | None:
        """The person of a code, with nobody else writing about them until the transaction ends."""
        person = self._person(connection, people.c.code == code)
        if person is not None:
            self._lock(connection, people, person.id)
        return self._person(connection, people.c.code == code)

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

    def _mark(self, code: str, column: str, kind: str) -> None:
        def write(connection: Connection) -> None:
            person = self._required(connection, code)
            self._set(connection, person.id, **{column: self.clock()})
            self._note(connection, kind, person.id)

        self._write(write)

    def _set(self, connection: Connection, person: int, **values: Any) -> None:
        connection.execute(sa.update(people).where(people.c.id == person).values(seen_at=self.clock(), **values))

    def _seen(self, connection: Connection, person: int) -> None:
        self._set(connection, person)

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

    # -- transactions ---------------------------------------------------------------------------------------------

    def _read(self, work: Callable[[Connection], _T]) -> _T:
        return transact(self.engine, work, READS)

    def _write(self, work: Callable[[Connection], _T]) -> _T:
        return transact(self.engine, work)


def _entered(engine: Engine, study: Study, now: float) -> int:
    """The id of the study's row, made if need be. A study somebody has begun cannot change any more."""

    def write(connection: Connection) -> int:
        row = connection.execute(
            sa.select(studies).where(studies.c.name == study.plan.name).with_for_update()
        ).one_or_none()
        values = {"digest": study.digest, "plan": study.plan.model_dump_json(exclude={"codes"})}
        if row is None:
            return _inserted(connection, studies, name=study.plan.name, created_at=now, paused=False, **values)
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

    return transact(engine, write)


def _inserted(connection: Connection, table: sa.Table, **values: Any) -> int:
    key = connection.execute(sa.insert(table).values(**values)).inserted_primary_key
    assert key is not None
    return key[0]


@contextlib.contextmanager
def opened(url: str, study: Study) -> Iterator[Store]:
    """A store for the length of a `with`."""
    store = Store.open(url, study)
    try:
        yield store
    finally:
        store.close()
