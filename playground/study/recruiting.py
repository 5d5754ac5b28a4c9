"""Where people come from and go back to: what a recruiting service says in the address, and what it wants to hear.

Pure: knows no database. What a service calls people is needed to pay them, and never to analyse.
"""

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from pydantic import Field, model_validator

from playground.errors import InvalidInput
from playground.study.parts import PlanTable

Outcome = Literal["completed", "failed", "screened", "full", "declined", "withdrawn"]

_OWN = frozenset({"code", "preview"})  # what this study's own addresses carry
_LONGEST_ID = 200
_UNFILLED = re.compile(r"[{}\[\]<>$%#\N{REPLACEMENT CHARACTER}]")
_NOTHING = frozenset(
    {"", "undefined", "null", "nil", "none", "nan", "na", "false", "true", "unknown", "objectobject", "empty",
     "prolificpid", "studyid", "sessionid", "participantid", "workerid", "surveycode", "assignmentidnotavailable"}
)  # fmt: skip


@dataclass(frozen=True)
class RecruitmentIds:
    """What a recruiting service calls a person, the study and the visit."""

    external: str
    recruitment: str = ""
    session: str = ""


class Recruiting(PlanTable):
    """How people come: the names of a service's parameters, who may begin, and how many."""

    id: str = Field(default="PROLIFIC_PID", max_length=60, description="The parameter with a person's id.")
    study: str = Field(
        default="STUDY_ID", max_length=60, description="The one with the id of its study; empty for none."
    )
    session: str = Field(
        default="SESSION_ID", max_length=60, description="The one with the id of this visit; empty for none."
    )
    required: bool = Field(default=False, description="Whether only those begin who come with an id.")
    pilot: bool = Field(default=False, description="Whether who begins now only tries the study out for the lab.")
    quota: int = Field(default=0, ge=0, le=1_000_000, description="Nobody begins once so many have; 0 is no limit.")
    hours_away: float = Field(
        default=24,
        ge=0.1,
        le=10_000,
        description="After so long without a sign of somebody, their place is free again.",
    )

    @model_validator(mode="after")
    def _names_differ(self) -> "Recruiting":
        names = [name for name in (self.id, self.study, self.session) if name]
        if not self.id or len(set(names)) < len(names) or _OWN & set(names):
            raise InvalidInput(
                f"recruiting: {', '.join(names) or 'nothing'} cannot be the names of three parameters.",
                "Name each differently; id is needed, and code and preview are the study's own.",
            )
        return self

    def ids(self, query: Mapping[str, str]) -> RecruitmentIds | None:
        """What a service put into the address, None if it did not say who comes."""
        names = (self.id, self.study, self.session)
        external, recruitment, session = (identifier(query.get(name, "")) if name else "" for name in names)
        return RecruitmentIds(external, recruitment, session) if external else None


class Codes(PlanTable):
    """Completion codes by outcome. A value such as $STUDY_COMPLETED is read from that environment variable."""

    completed: str = ""
    failed: str = Field(default="", description="Too many checks were failed; empty gives the code of completed.")
    screened: str = Field(default="", description="An answer at the start says that the study is for others.")
    full: str = Field(default="", description="As many people as recruiting.quota have begun.")
    declined: str = ""
    withdrawn: str = ""
    url: str = Field(
        default="", description="Where the button leads; {code}, {id}, {study} and {session} become what they are."
    )

    def of(self, outcome: Outcome) -> str:
        """The code of an outcome, empty if none is set."""
        if outcome == "failed" and not self.failed:
            outcome = "completed"
        return _from_environment(getattr(self, outcome))

    def link(self, outcome: Outcome, ids: RecruitmentIds | None = None) -> str:
        """Where the button leads after an outcome, empty if nowhere.

        It leads nowhere where the outcome has no code, unless the address needs none, as of a service that credits
        whoever comes; and nowhere where the address asks for an id that nobody gave.
        """
        code, known = self.of(outcome), ids or RecruitmentIds("")
        if not code and ("{code}" in self.url or outcome not in ("completed", "failed")):
            return ""
        link = self.url
        values = {"code": code, "id": known.external, "study": known.recruitment, "session": known.session}
        for name, value in values.items():
            if f"{{{name}}}" in self.url and not value:
                return ""
            link = link.replace(f"{{{name}}}", quote(value, safe=""))
        return link

    def missing(self) -> list[str]:
        """Environment variables that are named and not set."""
        given = [self.completed, self.failed, self.screened, self.full, self.declined, self.withdrawn]
        return [code[1:] for code in given if code.startswith("$") and code[1:] not in os.environ]

    @model_validator(mode="after")
    def _leads_somewhere(self) -> "Codes":
        if self.url and not self.url.startswith(("https://", "http://")):
            raise InvalidInput(f"codes.url is no web address: {self.url!r}.", "Begin it with https://.")
        return self


def identifier(value: str) -> str:
    """What a recruiting service calls somebody or something; empty where the address was not filled in.

    Services leave a placeholder as it was, programs write what they call nothing. Whoever comes so is nobody known, and
    must never be taken for the next who does.
    """
    text = value.strip()
    letters = "".join(one for one in text.casefold() if one.isalnum())
    is_broken = any(unicodedata.category(one) in ("Cc", "Cs") for one in text)
    return "" if is_broken or len(text) > _LONGEST_ID or _UNFILLED.search(text) or letters in _NOTHING else text


def _from_environment(code: str) -> str:
    return os.environ.get(code[1:], "") if code.startswith("$") else code
