"""Who somebody is, and the codes that open their page.

A person has two codes. Their own goes to the browser they began in and nowhere else, and only it can delete what they
answered. The other goes on where they were: it stands in the address, and another device gets it that shows the session
the recruiting service gave. Knowing somebody's id alone opens nothing. Pure: knows no database.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass

from playground.study.recruiting import Outcome, RecruitmentIds

_PROOF = 22  # letters: 128 bits, as the codes that `secrets` draws


@dataclass(frozen=True)
class Person:
    """One person and how far they have come.

    `name` tells people apart and nothing about them; `key` is their consent form's; `ids` are what the recruiting
    service said, None if it did not.
    """

    id: int
    code: str
    name: str
    key: str
    ids: RecruitmentIds | None
    preview: bool
    pilot: bool
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
        mine = self.ids.session if self.ids else ""
        return bool(mine) and hmac.compare_digest(mine.encode(), session.encode())


def name_in(code: str) -> str:
    """The name of the person whose resuming code this is; empty for any other code."""
    return code[:-_PROOF]
