"""The tables of the study database. Times are seconds since 1970 (UTC); no table holds a network address."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()


def _owner(table: str, nullable: bool = False) -> Column[int]:
    """A column that names a row of another table and goes when that row goes."""
    one = {"studies": "study_id", "people": "person_id", "trials": "trial_id"}[table]
    return Column(one, Integer, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=nullable)


studies = Table(
    "studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(60), nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    Column("plan", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("secret", String(40), nullable=False),
)
"""One row per study. `secret` is the key of the digests in `withdrawn_ids`."""

people = Table(
    "people",
    metadata,
    Column("id", Integer, primary_key=True),
    _owner("studies"),
    Column("code", String(40), nullable=False, unique=True),
    Column("key", String(40), nullable=False, unique=True),
    Column("preview", Boolean, nullable=False),
    Column("seed", String(40), nullable=False),
    Column("consent_version", String(40), nullable=False),
    Column("consented_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("instructed_at", Double),
    Column("questioned_at", Double),
    Column("finished_at", Double),
    Column("outcome", String(20), nullable=False),
    Column("group", String(40), nullable=False),
    Column("blocks", Integer, nullable=False),
    Column("pilot", Boolean, nullable=False),
    Index("people_of_a_study", "study_id", "preview"),
)
"""One row per person who consented. `code` opens the person's own page; `key` is the consent form's.

`group` is the group they are in, empty in a study without; `blocks` which of the plan's orders of tasks they have.
"""

external_ids = Table(
    "external_ids",
    metadata,
    Column("person_id", Integer, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    _owner("studies"),
    Column("external", String(200), nullable=False),
    Column("recruitment", String(200), nullable=False),
    Column("session", String(200), nullable=False),
    UniqueConstraint("study_id", "external", name="external_ids_once"),
)
"""What a recruiting service calls a person. Nothing else in the database tells who a person is."""

withdrawn_ids = Table(
    "withdrawn_ids",
    metadata,
    Column("study_id", Integer, ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", String(64), primary_key=True),
)
"""Who withdrew and may not begin anew: a digest of their id, which is itself deleted."""

trials = Table(
    "trials",
    metadata,
    Column("id", Integer, primary_key=True),
    _owner("people"),
    Column("position", Integer, nullable=False),
    Column("token", String(40), nullable=False, unique=True),
    Column("task", String(40), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("counted", Boolean, nullable=False),
    Column("cell", String(80), nullable=False),
    Column("content", String(80), nullable=False),
    Column("options", JSON, nullable=False),
    Column("start", Integer),
    Column("check", String(20), nullable=False),
    Column("expected", String(20), nullable=False),
    Column("repeats", Integer),
    Column("shown_at", Double),
    Column("last_shown_at", Double),
    Column("shows", Integer, nullable=False),
    UniqueConstraint("person_id", "position", name="trials_once"),
)
"""Each person's schedule, written whole at consent; see `schedule.Trial`."""

answers = Table(
    "answers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("key", String(40), nullable=False),
    Column("choice", String(20), nullable=False),
    Column("degree", Integer),
    Column("option", Integer),
    Column("path", JSON, nullable=False),
    Column("changes", Integer, nullable=False),
    Column("client_ms", Double, nullable=False),
    Column("hidden", Integer, nullable=False),
    Column("hidden_ms", Double, nullable=False),
    Column("answered_at", Double, nullable=False),
)
"""At most one answer a trial; `key` is the form's, so that a form sent twice counts once."""

responses = Table(
    "responses",
    metadata,
    Column("person_id", Integer, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("question", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)
"""What people answered beside the trials."""

passed = Table(
    "passed",
    metadata,
    Column("person_id", Integer, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("page", String(60), primary_key=True),
    Column("at", Double, nullable=False),
)
"""The pages between the trials that a person has left behind."""

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    _owner("studies"),
    _owner("people", nullable=True),
    _owner("trials", nullable=True),
    Column("kind", String(20), nullable=False),
    Column("at", Double, nullable=False),
    Column("detail", JSON, nullable=False),
    Index("events_of_a_person", "person_id"),
)
"""What happened, in order; rows are only ever added, and go only when a person withdraws."""

REVISION = "0002"
"""The newest migration; see `migrations`."""
