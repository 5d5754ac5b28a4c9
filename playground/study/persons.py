"""Who somebody is: what a recruiting service calls them, and the codes that open their page.

A person has two codes. Their own goes to the browser they began in and nowhere else, and only it can delete what they
answered. The other goes on where they were: it stands in the address, and another device gets it that shows the session
the recruiting service gave. Knowing somebody's id alone opens nothing. Pure: knows no database.
"""

import base64
import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass

from playground.study.plan import Outcome

_PROOF = 22  # letters: 128 bits, as the codes that `secrets` draws
_LONGEST_ID = 200
_UNFILLED = re.compile(r"[{}\[\]<>$%#\N{REPLACEMENT CHARACTER}]")
_NOTHING = frozenset(
    {"", "undefined", "null", "nil", "none", "nan", "na", "false", "true", "unknown", "objectobject", "empty",
     "prolificpid", "studyid", "sessionid", "participantid", "workerid", "assignmentidnotavailable"}
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """One person and how far they have come.

    `name` tells people apart and nothing about them; `key` is their consent form's; `session` is the visit's that the
    recruiting service sent them on, empty if it did not say.
    """

    id: int
    code: str
    name: str
    key: str
    session: str
    preview: bool
    instructed: bool
    questioned: bool
    outcome: Outcome | None
    paused: bool

    @property
    def resuming(self) -> str:
        """The code that goes on where the person was, and deletes nothing."""
        proof = hmac.digest(self.code.encode(), self.name.encode(), hashlib.sha256)[:16]
        return self.name + base64.urlsafe_b64encode(proof).decode().rstrip("=")

    def owns(self, code: str) -> bool:
        """Whether this is the code of the browser they began in."""
        return hmac.compare_digest(self.code.encode(), code.encode())

    def is_opened_by(self, code: str) -> bool:
        """Whether this is either of their codes."""
        return self.owns(code) or hmac.compare_digest(self.resuming.encode(), code.encode())

    def is_visiting(self, session: str) -> bool:
        """Whether this is the session they came with."""
        return bool(self.session) and hmac.compare_digest(self.session.encode(), session.encode())


def name_in(code: str) -> str:
    """The name of the person whose resuming code this is; empty for any other code."""
    return code[:-_PROOF]


def identifier(value: str) -> str:
    """What a recruiting service calls somebody or something; empty where the address was not filled in.

    Services leave a placeholder as it was, programs write what they call nothing. Whoever comes so is nobody known, and
    must never be taken for the next who does.
    """
    text = value.strip()
    letters = "".join(one for one in text.casefold() if one.isalnum())
    is_broken = any(unicodedata.category(one) in ("Cc", "Cs") for one in text)
    return "" if is_broken or len(text) > _LONGEST_ID or _UNFILLED.search(text) or letters in _NOTHING else text
