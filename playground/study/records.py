"""What is kept of a study, to be read: by its staff, by results, by exports and copies.

Who opens records can read them and change nothing; `store.Store` adds what people do. These two hold the playground's
SQL; `database` knows how to connect and `backup` how to copy whole tables.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from playground.errors import InvalidInput
from playground.study.database import READS, connect_existing, reads, told, transact
from playground.study.recruiting import RecruitmentIds
from playground.study.stimuli import Study
from playground.study.tables import answers, events, external_ids, people, responses, studies, trials


@dataclass(frozen=True)
class StudyCounts:
    """How a study stands, without its pilots; those who finished include those who failed or were screened out."""

    consented: int
    finished: int
    failed: int
    screened: int
    pilots: int
    abandoned: int
    declined: int
    withdrawn: int
    answers: int
    paused: bool
    left_at: Mapping[int, int]
    """How many people who dropped out have answered this many trials."""


_SEEN = (people.c.finished_at, people.c.seen_at, people.c.outcome, people.c.pilot)
_ABOUT = ("id", "consented_at", "consent_version", "finished_at", "outcome", "group", "pilot")


class Records:
    """A connection to one study's rows, for the length of a `with`, or until `close`. Many threads may use it."""

    def __init__(self, engine: Engine, study: Study, study_id: int, clock: Callable[[], float] = time.time) -> None:
        self.engine, self.study, self.study_id, self.clock = engine, study, study_id, clock

    @classmethod
    def open(cls, url: str, study: Study, clock: Callable[[], float] = time.time) -> Self:
        """Connect to what is there; nothing is made.

        Raises InvalidInput when there is no database, or it does not hold this version of the study.
        """
        engine = connect_existing(url)
        try:
            study_id = transact(engine, lambda connection: _found(connection, study, told(engine.url)), READS)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, study, study_id, clock)

    @property
    def patience_s(self) -> float:
        """After so long without a sign of a person, what they have not answered is others' to answer."""
        return 3600 * self.study.plan.recruiting.hours_away

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @reads
    def paused(self, connection: Connection) -> bool:
        """Whether the staff have paused the study."""
        return self._paused(connection)

    @reads
    def progress(self, connection: Connection) -> StudyCounts:
        """Counts of people and answers; previews are not among them."""
        kinds = sa.select(events.c.kind, sa.func.count().label("times")).where(events.c.study_id == self.study_id)
        counts = {row.kind: row.times for row in connection.execute(kinds.group_by(events.c.kind))}
        behind = (
            sa.select(
                people.c.finished_at,
                people.c.seen_at,
                people.c.outcome,
                people.c.pilot,
                sa.func.count(answers.c.id).label("answers"),
            )
            .outerjoin(trials, (trials.c.person_id == people.c.id) & trials.c.counted)
            .outerjoin(answers, answers.c.trial_id == trials.c.id)
            .where(people.c.study_id == self.study_id, ~people.c.preview)
            .group_by(people.c.id)
        )
        everybody = connection.execute(behind).all()
        rows = [row for row in everybody if not row.pilot]
        gone = [row.answers for row in rows if row.finished_at is None and row.seen_at < self.clock() - self.patience_s]
        return StudyCounts(
            consented=len(rows),
            finished=sum(row.finished_at is not None for row in rows),
            failed=sum(row.outcome == "failed" for row in rows),
            screened=sum(row.outcome == "screened" for row in rows),
            pilots=len(everybody) - len(rows),
            abandoned=len(gone),
            declined=counts.get("declined", 0),
            withdrawn=counts.get("withdrawn", 0),
            answers=sum(row.answers for row in rows),
            paused=self._paused(connection),
            left_at={answered: gone.count(answered) for answered in sorted(set(gone))},
        )

    @reads
    def answered_trials(self, connection: Connection, counted: bool = True) -> list[dict[str, Any]]:
        """Each counted answer, or each of practice, with its trial and person, in order; no previews."""
        undone = sa.select(sa.func.count()).where(events.c.trial_id == trials.c.id, events.c.kind == "undone")
        query = (
            sa.select(
                trials,
                undone.correlate(trials).scalar_subquery().label("undone"),
                *(column for column in answers.c if column.name not in ("id", "trial_id", "key")),
                people.c.consented_at,
                people.c.finished_at,
                people.c.outcome,
                people.c.group,
                people.c.pilot,
            )
            .join(answers, answers.c.trial_id == trials.c.id)
            .join(people, trials.c.person_id == people.c.id)
            .where(people.c.study_id == self.study_id, ~people.c.preview, trials.c.counted == counted)
            .order_by(people.c.id, trials.c.position)
        )
        return [dict(row) for row in connection.execute(query).mappings()]

    @reads
    def enrolled(self, connection: Connection) -> list[dict[str, Any]]:
        """Each person with the number of their counted trials and their responses; previews are not among them."""
        who = (people.c.study_id == self.study_id) & ~people.c.preview
        counted = sa.select(sa.func.count()).where(trials.c.person_id == people.c.id, trials.c.counted)
        columns = [people.c[name] for name in _ABOUT]
        rows = connection.execute(
            sa.select(*columns, counted.scalar_subquery().label("trials")).where(who).order_by(people.c.id)
        )
        persons = {row["id"]: dict[str, Any](row, responses={}) for row in rows.mappings()}
        query = sa.select(responses).join(people, responses.c.person_id == people.c.id).where(who)
        for response in connection.execute(query):
            persons[response.person_id]["responses"][response.question] = response.value
        return list(persons.values())

    @reads
    def external(self, connection: Connection) -> dict[int, RecruitmentIds]:
        """Whom a recruiting service calls what, by person; needed to pay people, never to analyse."""
        query = sa.select(external_ids).where(external_ids.c.study_id == self.study_id)
        return {
            row.person_id: RecruitmentIds(row.external, row.recruitment, row.session)
            for row in connection.execute(query)
        }

    @reads
    def events(self, connection: Connection) -> list[dict[str, Any]]:
        """The event log, in order, each with the `position` of its trial."""
        query = (
            sa.select(events, trials.c.position)
            .outerjoin(trials, events.c.trial_id == trials.c.id)
            .where(events.c.study_id == self.study_id)
            .order_by(events.c.id)
        )
        return [dict(row) for row in connection.execute(query).mappings()]

    def _paused(self, connection: Connection) -> bool:
        return connection.execute(sa.select(studies.c.paused).where(studies.c.id == self.study_id)).scalar_one()


def _found(connection: Connection, study: Study, where: str) -> int:
    """The id of the study's row."""
    row = connection.execute(sa.select(studies).where(studies.c.name == study.plan.name)).one_or_none()
    if row is None:
        raise InvalidInput(
            f"{where} holds no study named {study.plan.name}.", "Name the folder it was served from, or its database."
        )
    if row.digest != study.digest:
        raise InvalidInput(
            f"{where} holds another version of the study {study.plan.name!r}.", "Name the folder it was served from."
        )
    return row.id
