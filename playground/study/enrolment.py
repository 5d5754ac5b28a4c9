"""Who takes part in a study: they consent and are given a schedule, decline, withdraw, or are forgotten.

Each method is one transaction; see `store`.
"""

import hashlib
import hmac
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy import Connection

from playground.errors import InvalidInput
from playground.study.database import connect, inserted, reads, transact, writes
from playground.study.persons import Person, name_in
from playground.study.records import Records
from playground.study.recruiting import RecruitmentIds
from playground.study.schedule import Fills, orders, schedule
from playground.study.stimuli import Study
from playground.study.tables import answers, events, external_ids, people, studies, trials, withdrawn_ids
from playground.study.words import RefusedForm

_IDS = (external_ids.c.external, external_ids.c.recruitment, external_ids.c.session)


class StudyFull(RefusedForm):
    """As many people as were wanted have begun."""


class Enrolment(Records):
    """A study's records with who begins and who leaves."""

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

    @reads
    def person(self, connection: Connection, code: str) -> Person | None:
        """The person whose page a code opens: their own, or the one they go on with."""
        return self._coded(connection, code)

    @reads
    def person_called(self, connection: Connection, external: str) -> Person | None:
        """The person a recruiting service calls so."""
        return self._called(connection, external)

    @reads
    def has_withdrawn(self, connection: Connection, external: str) -> bool:
        """Whether somebody whom a recruiting service calls so has withdrawn, and may not begin anew."""
        return self._has_withdrawn(connection, external)

    @reads
    def is_full(self, connection: Connection) -> bool:
        """Whether as many people as were wanted have come to the end, or are under way."""
        return self._is_full(connection)

    @writes
    def enrol(
        self, connection: Connection, key: str, ids: RecruitmentIds | None = None, preview: bool = False
    ) -> Person:
        """Write down a person's consent and whole schedule; the same form or the same ids give the same person.

        Raises Refused for the ids of somebody who has withdrawn, and Full when nobody more is wanted.
        """
        # One enrolment at a time: each must see how far the earlier ones have filled the cells.
        self._lock(connection, studies, self.study_id)
        known = self._person(connection, people.c.key == key)
        if known is None and ids is not None:
            known = self._called(connection, ids.external)
        if known is not None:
            return known
        if ids is not None and self._has_withdrawn(connection, ids.external):
            raise RefusedForm("not_anew")
        if not preview and self._is_full(connection):
            raise StudyFull("full")
        return self._enrol(connection, key, ids, preview)

    def _enrol(self, connection: Connection, key: str, ids: RecruitmentIds | None, preview: bool) -> Person:
        now, plan = self.clock(), self.study.plan
        group, order = self._place_in_design(connection)
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
            group=group,
            blocks=order,
            pilot=plan.recruiting.pilot,
        )
        drawn = schedule(self.study, self._fills(connection), random.Random(seed).getrandbits(62), group, order)
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

    def _place_in_design(self, connection: Connection) -> tuple[str, int]:
        """The group with the fewest people, and inside it the order of tasks that the fewest have."""
        plan = self.study.plan
        taken = (people.c.outcome == "completed") | self._is_under_way()
        rows = connection.execute(sa.select(people.c.group, people.c.blocks).where(self._counts(), taken)).all()
        groups, had = Counter(row.group for row in rows), Counter((row.group, row.blocks) for row in rows)
        group = min((one.id for one in plan.groups), key=lambda one: groups[one], default="")
        return group, min(range(len(orders(plan))), key=lambda order: had[group, order])

    def _fills(self, connection: Connection) -> Fills:
        """How often each cell was answered, or will be by people who have not dropped out."""
        rows = connection.execute(
            sa.select(trials.c.cell, trials.c.content, sa.func.count())
            .join(people, trials.c.person_id == people.c.id)
            .outerjoin(answers, answers.c.trial_id == trials.c.id)
            .where(self._counts(), trials.c.counted, trials.c.check == "")
            .where(answers.c.id.is_not(None) | self._is_under_way())
            .group_by(trials.c.cell, trials.c.content)
        )
        return Fills({(cell, content): count for cell, content, count in rows})

    @writes
    def decline(self, connection: Connection, preview: bool = False) -> None:
        """Somebody did not consent: counted, and nothing else; previews and pilots not even that."""
        if not (preview or self.study.plan.recruiting.pilot):
            self._note(connection, "declined")

    @writes
    def withdraw(self, connection: Connection, code: str) -> None:
        """Delete everything about a person; that somebody counted withdrew stays so. Unknown codes are nobody's.

        Raises Refused unless it is the person's own code.
        """
        person = self._locked(connection, code)
        if person is None:
            return
        if not person.owns(code):
            plan = self.study.plan
            raise RefusedForm("begun_elsewhere", contact=plan.contact or plan.spoken["whoever_invited"])
        self._delete(connection, person)

    @writes
    def forget(self, connection: Connection, external: str) -> bool:
        """Delete everything about the person a recruiting service calls so, as if they had withdrawn; was there one?"""
        person = self._called(connection, external)
        if person is None:
            return False
        self._lock(connection, people, person.id)
        self._delete(connection, person)
        return True

    @writes
    def pause(self, connection: Connection, paused: bool) -> None:
        """Let nobody begin or go on, or let them again. What is under way is still saved."""
        connection.execute(sa.update(studies).where(studies.c.id == self.study_id).values(paused=paused))
        self._note(connection, "paused" if paused else "resumed")

    # -- inside a transaction -------------------------------------------------------------------------------------

    def _counts(self) -> sa.ColumnElement[bool]:
        """Whether somebody is of this study, and neither looks only nor tries it out for the lab."""
        return (people.c.study_id == self.study_id) & ~people.c.preview & ~people.c.pilot

    def _is_under_way(self) -> sa.ColumnElement[bool]:
        return people.c.finished_at.is_(None) & (people.c.seen_at >= self.clock() - self.patience_s)

    def _is_full(self, connection: Connection) -> bool:
        quota = self.study.plan.recruiting.quota
        taken = (people.c.outcome == "completed") | self._is_under_way()
        count = sa.select(sa.func.count()).select_from(people).where(self._counts(), taken)
        return bool(quota) and connection.execute(count).scalar_one() >= quota

    def _digest(self, connection: Connection, external: str) -> str:
        """What is kept of an id whose person is gone: enough to know it again, and without the key nothing else."""
        secret = connection.execute(sa.select(studies.c.secret).where(studies.c.id == self.study_id)).scalar_one()
        return hmac.new(secret.encode(), external.encode(), hashlib.sha256).hexdigest()

    def _has_withdrawn(self, connection: Connection, external: str) -> bool:
        mine = withdrawn_ids.c.study_id == self.study_id
        digest = self._digest(connection, external)
        found = sa.select(withdrawn_ids).where(mine, withdrawn_ids.c.digest == digest)
        return connection.execute(found).one_or_none() is not None

    def _delete(self, connection: Connection, person: Person) -> None:
        """Delete all about a person; that somebody counted withdrew stays so, and their id cannot begin anew."""
        if person.ids is not None:
            digest = self._digest(connection, person.ids.external)
            connection.execute(sa.insert(withdrawn_ids).values(study_id=self.study_id, digest=digest))
        connection.execute(sa.delete(people).where(people.c.id == person.id))
        if not (person.preview or person.pilot):
            self._note(connection, "withdrawn")

    def _person(self, connection: Connection, where: sa.ColumnElement[bool]) -> Person | None:
        row = connection.execute(
            sa.select(people, studies.c.paused, *_IDS, trials.c.token)
            .join(studies, people.c.study_id == studies.c.id)
            .join(trials, (trials.c.person_id == people.c.id) & (trials.c.position == 0))
            .outerjoin(external_ids, external_ids.c.person_id == people.c.id)
            .where(people.c.study_id == self.study_id, where)
        ).one_or_none()
        if row is None:
            return None
        marks = (row.preview, row.pilot, row.instructed_at is not None, row.questioned_at is not None)
        ids = None if row.external is None else RecruitmentIds(row.external, row.recruitment, row.session)
        return Person(row.id, row.code, row.token, row.key, ids, *marks, row.outcome or None, row.paused)

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
            raise RefusedForm("nobody")
        return person

    def _lock(self, connection: Connection, table: sa.Table, row: int) -> None:
        connection.execute(sa.select(table.c.id).where(table.c.id == row).with_for_update())

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
        values["secret"] = secrets.token_urlsafe(24)
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
