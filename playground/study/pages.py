"""What a person sees of a study, page by page: frozen values that carry just what they may know.

No wording and no gradio.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from playground.study.parts import Kind, Question
from playground.study.recruiting import Outcome


@dataclass(frozen=True)
class ConsentScreen:
    """Asks whether the person agrees to take part."""

    text: str


@dataclass(frozen=True)
class InstructionsScreen:
    """Tells what is asked of the person."""

    text: str


@dataclass(frozen=True)
class TrialScreen:
    """Asks for one answer. `replies` stand as on the page; `start` is where a slider begins.

    `choose` is the side an instructed pair asks for, which then has no replies. `undo` tells whether the answer before
    can be taken back; `choices` what can be answered, `labels` what some of it is called in place of the usual.
    `after_practice` tells that the one before was practice, and this one counts.
    """

    kind: Kind
    question: str
    prompt: str
    replies: tuple[str, ...]
    token: str
    degree: bool
    practice: bool
    done: int
    total: int
    start: int = 0
    choose: str = ""
    undo: bool = False
    choices: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    after_practice: bool = False


@dataclass(frozen=True)
class QuestionsScreen:
    """Asks the study's questions; `values` are what the person has given so far.

    `token` is where they stand, `last` tells that the end comes next.
    """

    questions: tuple[Question, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    undo: bool = False
    last: bool = True


@dataclass(frozen=True)
class DebriefingScreen:
    """Tells what the study was about."""

    text: str


@dataclass(frozen=True)
class EndScreen:
    """The visit is over; what is known is saved, or deleted."""

    outcome: Outcome
    text: str
    code: str
    link: str


@dataclass(frozen=True)
class ClosedScreen:
    """Nothing can be asked now.

    `elsewhere` is for who comes with the id of somebody who began, and nothing else; `gone` for the id of somebody who
    withdrew; `nameless` for who comes without an id where one is needed.
    """

    reason: Literal["paused", "unknown", "elsewhere", "gone", "nameless"]


Screen = (
    ConsentScreen | InstructionsScreen | TrialScreen | QuestionsScreen | DebriefingScreen | EndScreen | ClosedScreen
)


@dataclass(frozen=True)
class Page:
    """What a person sees. `code` opens it again, `key` makes its form count once, `notice` tells how the last went.

    `name` is the person's, under which a browser keeps their own code; `own` tells that `code` is that. `address` is
    the code to add to the page's address, so that loading it again goes on; empty where the address does without.
    """

    screen: Screen
    code: str = ""
    notice: str = ""
    name: str = ""
    own: bool = False
    address: str = ""
    key: str = field(default_factory=lambda: secrets.token_urlsafe(12))
