"""A person's way through a study: which page comes next, and what a form they send does to the database.

No wording and no gradio: pages are frozen values that carry just what a person may know. Nothing is remembered
between two calls, so any server process can answer any of them.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from playground.errors import PlaygroundError
from playground.study import forms
from playground.study.forms import Form
from playground.study.plan import Kind, Outcome, Question
from playground.study.records import Ids
from playground.study.stimuli import Study
from playground.study.store import Person, Refused, Shown, Store

_LONGEST_ID = 200
_LONGEST_REASON = 300


@dataclass(frozen=True)
class Consent:
    """Asks whether the person agrees to take part."""

    text: str


@dataclass(frozen=True)
class Instructions:
    """Tells what is asked of the person."""

    text: str


@dataclass(frozen=True)
class Trial:
    """Asks for one answer. `replies` stand as on the page; `start` is where a slider begins.

    `choose` is the side an instructed pair asks for, which then has no replies.
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


@dataclass(frozen=True)
class Questions:
    """Asks the study's questions; `values` are what the person has given so far."""

    questions: tuple[Question, ...]
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class End:
    """The visit is over; what is known is saved, or deleted."""

    outcome: Outcome
    text: str
    code: str
    link: str


@dataclass(frozen=True)
class Closed:
    """Nothing can be asked now."""

    reason: Literal["paused", "unknown"]


Screen = Consent | Instructions | Trial | Questions | End | Closed


@dataclass(frozen=True)
class Page:
    """What a person sees. `code` opens it again, `key` makes its form count once, `notice` tells how the last went."""

    screen: Screen
    code: str = ""
    notice: str = ""
    key: str = field(default_factory=lambda: secrets.token_urlsafe(12))


class Visits:
    """Answers the browsers of one study."""

    def __init__(self, study: Study, store: Store) -> None:
        self.study, self.store = study, store

    def arrive(self, query: Mapping[str, str]) -> Page:
        """The page of whoever opens the study's address with this query string."""
        person = self._known(query)
        if person is not None:
            return self._page(person)
        if self.store.paused():
            return Page(Closed("paused"))
        if query.get("code") and _ids(query) is None:
            return Page(Closed("unknown"))
        return Page(Consent(self.study.plan.consent.text))

    def act(self, data: Any, query: Mapping[str, str]) -> Page:
        """Save what a form says, then give the next page. What may not count is noted, and changes nothing."""
        code = ""
        try:
            form = forms.read(data)
            code = form.code
            return self._do(form, query)
        except PlaygroundError as error:
            notice = str(error)
            self.store.refuse(code, forms.clean(error.message, _LONGEST_REASON))
        person = self.store.person(code) if code else self._known(query)
        page = self._page(person) if person else self.arrive(query)
        return Page(page.screen, page.code, notice)

    def _do(self, form: Form, query: Mapping[str, str]) -> Page:
        match form.action:
            case "consent":
                if self.store.paused():
                    return Page(Closed("paused"))
                preview = _is_preview(query)
                return self._page(self.store.enrol(form.key, None if preview else _ids(query), preview))
            case "decline":
                self.store.decline()
                return self._end("declined")
            case "withdraw":
                self.store.withdraw(form.code)
                return self._end("withdrawn")
            case "begin":
                self.store.instructed(form.code)
            case "answer":
                if form.answer is None:
                    raise Refused("There was no answer.", "Choose one and send it again.")
                self.store.answer(form.code, form.token, form.key, form.answer)
            case "questions":
                try:
                    self.store.respond(form.code, forms.responses(self.study.plan, form.values))
                except forms.Incomplete as error:
                    return Page(Questions(self.study.plan.questions, form.values), form.code, str(error))
        person = self.store.person(form.code)
        return self._page(person) if person else Page(Closed("unknown"))

    def _known(self, query: Mapping[str, str]) -> Person | None:
        ids = _ids(query)
        if ids is not None and not _is_preview(query):
            return self.store.person_called(ids.external)
        code = forms.clean(query.get("code", ""), _LONGEST_ID)
        return self.store.person(code) if code else None

    def _page(self, person: Person) -> Page:
        """Where a person is now."""
        plan = self.study.plan
        if person.outcome is not None:
            return self._end(person.outcome, person.code)
        if person.paused:
            return Page(Closed("paused"), person.code)
        if "instructions" in plan.phases and plan.instructions and not person.instructed:
            return Page(Instructions(plan.instructions), person.code)
        shown = self.store.show(person.code)
        if shown is not None:
            return Page(self._trial(shown), person.code)
        if "questions" in plan.phases and plan.questions and not person.questioned:
            return Page(Questions(plan.questions), person.code)
        return self._end(self.store.finish(person.code), person.code)

    def _trial(self, shown: Shown) -> Trial:
        task = self.study.plan.task(shown.kind)
        assert task is not None
        replies = [self.study.stimuli[option] for option in shown.options]
        if shown.kind == "adaptive":
            replies = [replies[shown.start or 0]]
        return Trial(
            kind="single" if shown.kind == "adaptive" else shown.kind,
            question=task.wording,
            prompt=replies[0].prompt_text if replies else "",
            replies=tuple(reply.shown for reply in replies),
            token=shown.token,
            degree=task.degree,
            practice=not shown.counted,
            done=shown.done,
            total=shown.total,
            start=(shown.start or 0) if shown.kind == "adjustment" else 0,
            choose=shown.expected if shown.check == "instructed" else "",
        )

    def _end(self, outcome: Outcome, code: str = "") -> Page:
        codes = self.study.plan.codes
        given = codes.of(outcome)
        return Page(End(outcome, self.study.plan.thanks, given, codes.link(given)), code)


def _ids(query: Mapping[str, str]) -> Ids | None:
    """What a recruiting service put into the address, None if it did not."""
    names = ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID")
    external, recruitment, session = (forms.clean(query.get(name, ""), _LONGEST_ID) for name in names)
    return Ids(external, recruitment, session) if external else None


def _is_preview(query: Mapping[str, str]) -> bool:
    return query.get("preview") == "1"
