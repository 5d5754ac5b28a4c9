"""A person's way through a study: which page comes next, and what a form they send does to the database.

No wording and no gradio. Nothing is remembered
between two calls, so any server process can answer any of them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from playground.errors import PlaygroundError
from playground.study import forms
from playground.study.enrolment import StudyFull
from playground.study.forms import Form
from playground.study.pages import (
    ClosedScreen,
    ConsentScreen,
    DebriefingScreen,
    EndScreen,
    InstructionsScreen,
    Page,
    QuestionsScreen,
    Screen,
    TrialScreen,
)
from playground.study.persons import Person
from playground.study.recruiting import Outcome, RecruitmentIds
from playground.study.stimuli import Study
from playground.study.store import OpenTrial, Store
from playground.study.typed import clean
from playground.study.words import RefusedForm, say

_LONGEST_CODE = 64
_LONGEST_REASON = 300


class Visits:
    """Answers the browsers of one study."""

    def __init__(self, study: Study, store: Store) -> None:
        self.study, self.store = study, store

    def arrive(self, query: Mapping[str, str]) -> Page:
        """The page of whoever opens the study's address with this query string."""
        ids, code = self._ids(query), clean(query.get("code", ""), _LONGEST_CODE)
        person = self.store.person(code) if code else None
        if ids is not None:  # what the recruiting service says counts before a code of somebody else's
            called = self.store.person_called(ids.external)
            if called is not None and (person is None or person.id != called.id):
                if not called.is_visiting(ids.session):
                    return Page(ClosedScreen("elsewhere"), name=called.name)
                code = called.resuming
            person = called
        if person is not None:
            return self._page(person, code, query)
        if self.store.paused():
            return Page(ClosedScreen("paused"))
        if code and ids is None:
            return Page(ClosedScreen("unknown"))
        return self._door(ids, query) or Page(ConsentScreen(self.study.plan.consent.text))

    def _door(self, ids: RecruitmentIds | None, query: Mapping[str, str]) -> Page | None:
        """What keeps somebody from beginning, None if nothing does."""
        if _is_preview(query):
            return None
        if self._is_nameless(ids, query):
            return Page(ClosedScreen("nameless"))
        if ids is not None and self.store.has_withdrawn(ids.external):
            return Page(ClosedScreen("gone"))
        return Page(self._end("full", ids)) if self.store.is_full() else None

    def act(self, data: Any, query: Mapping[str, str]) -> Page:
        """Save what a form says, then give the next page. What may not count is noted, and changes nothing."""
        code = ""
        try:
            form = forms.read(data)
            code = form.code
            return self._do(form, query)
        except PlaygroundError as error:
            notice = self._told(error)
            self.store.refuse(code, clean(error.message, _LONGEST_REASON))
        person = self.store.person(code) if code else None
        return replace(self._page(person, code, query) if person else self.arrive(query), notice=notice)

    def _do(self, form: Form, query: Mapping[str, str]) -> Page:
        match form.action:
            case "consent":
                return self._begin(form, query)
            case "decline":
                self.store.decline(_is_preview(query))
                return Page(self._end("declined", self._ids(query)))
            case "withdraw":
                self.store.withdraw(form.code)
                return Page(self._end("withdrawn", self._ids(query)))
            case "begin":
                self.store.instructed(form.code)
            case "answer":
                if form.answer is None:
                    raise RefusedForm("no_answer")
                self.store.answer(form.code, form.token, form.key, form.answer)
            case "undo":
                self.store.undo(form.code, "" if form.token in self.study.plan.pages else form.token)
            case "read":
                self.store.read(form.code)
            case "questions":
                return self._respond(form, query)
            case "return":
                pass  # a browser that kept a person's code asks for their page
        return self._after(form, query)

    def _begin(self, form: Form, query: Mapping[str, str]) -> Page:
        if self.store.paused():
            return Page(ClosedScreen("paused"))
        ids = self._ids(query)
        if self._is_nameless(ids, query):
            return Page(ClosedScreen("nameless"))
        try:
            person = self.store.enrol(form.key, ids, _is_preview(query))
        except StudyFull:
            return Page(self._end("full", ids))
        if person.key != form.key:  # somebody of that id has begun before
            return self.arrive(query)
        return self._page(person, person.code, query)

    def _respond(self, form: Form, query: Mapping[str, str]) -> Page:
        place = form.token
        if self.store.due(form.code) != place:  # the form of a page that is gone
            return self._after(form, query)
        try:
            self.store.respond(form.code, forms.responses(self.study.plan.asked_at(place), form.values), place)
        except forms.Incomplete as error:
            page = self._after(form, query)
            if isinstance(page.screen, QuestionsScreen):
                return replace(page, screen=replace(page.screen, values=form.values), notice=self._told(error))
            return page
        return self._after(form, query)

    def _after(self, form: Form, query: Mapping[str, str]) -> Page:
        """Where the person of a form is now."""
        person = self.store.person(form.code)
        return self._page(person, form.code, query) if person else Page(ClosedScreen("unknown"))

    def _page(self, person: Person, code: str, query: Mapping[str, str]) -> Page:
        """Where a person is now, for a browser that holds one of their codes."""
        ids = self._ids(query)
        address = "" if ids is not None and person.is_visiting(ids.session) else person.resuming
        screen = self._screen(person)
        resumes = isinstance(screen, TrialScreen) and screen.after_practice and screen.done > 0
        notice = self.study.plan.spoken["practice_over"] if resumes else ""
        return Page(screen, code, notice, name=person.name, own=person.owns(code), address=address)

    def _screen(self, person: Person) -> Screen:
        plan = self.study.plan
        if person.outcome is not None:
            return self._farewell(person, person.outcome)
        if person.paused:
            return ClosedScreen("paused")
        place = self.store.due(person.code)
        if place == "start":
            return self._questions(person, place)
        if "instructions" in plan.phases and plan.instructions and not person.instructed:
            return InstructionsScreen(plan.instructions)
        if place is not None:
            return self._questions(person, place)
        shown = self.store.show(person.code)
        if shown is not None:
            return self._trial(shown)
        return self._farewell(person, self.store.finish(person.code))

    def _questions(self, person: Person, place: str) -> QuestionsScreen:
        plan = self.study.plan
        undo = place != "start" and self.store.can_undo(person.code)
        return QuestionsScreen(plan.asked_at(place), token=place, undo=undo, last=not place)

    def _farewell(self, person: Person, outcome: Outcome) -> Screen:
        """What comes once a visit has ended: what it was about, then the code."""
        text = self.study.plan.debriefing
        if text and not self.store.has_read(person.code):
            return DebriefingScreen(text)
        return self._end(outcome, person.ids)

    def _trial(self, shown: OpenTrial) -> TrialScreen:
        task = self.study.plan.task(shown.task)
        assert task is not None
        replies = [self.study.stimuli[option] for option in shown.options]
        if shown.kind == "adaptive":
            replies = [replies[shown.start or 0]]
        return TrialScreen(
            kind="single" if shown.kind == "adaptive" else shown.kind,
            question=task.question or self.study.plan.spoken[f"question_{task.kind}"],
            prompt=replies[0].prompt_text if replies else "",
            replies=tuple(reply.shown for reply in replies),
            token=shown.token,
            degree=task.degree,
            practice=not shown.counted,
            done=shown.done,
            total=shown.total,
            start=(shown.start or 0) if shown.kind == "adjustment" else 0,
            choose=shown.expected if shown.check == "instructed" else "",
            undo=shown.undo,
            choices=task.choices,
            labels=task.labels,
            after_practice=shown.after_practice,
        )

    def _end(self, outcome: Outcome, ids: RecruitmentIds | None) -> EndScreen:
        codes = self.study.plan.codes
        return EndScreen(outcome, self.study.plan.thanked, codes.of(outcome), codes.link(outcome, ids))

    def _told(self, error: PlaygroundError) -> str:
        """What went wrong, in the study's language."""
        return say(self.study.plan.spoken, error.word, **error.values) if isinstance(error, RefusedForm) else str(error)

    def _is_nameless(self, ids: RecruitmentIds | None, query: Mapping[str, str]) -> bool:
        """Whether somebody comes without an id where one is needed."""
        return ids is None and self.study.plan.recruiting.required and not _is_preview(query)

    def _ids(self, query: Mapping[str, str]) -> RecruitmentIds | None:
        """What a recruiting service put into the address, None if it did not, or somebody only looks."""
        return None if _is_preview(query) else self.study.plan.recruiting.ids(query)


def _is_preview(query: Mapping[str, str]) -> bool:
    return query.get("preview") == "1"
