"""The last answer can be taken back, once; nothing is lost or doubled by it, by a reload or by a late form."""

from collections import Counter

import pytest
import sqlalchemy as sa

from playground.study import results
from playground.study.database import transact
from playground.study.forms import Answer
from playground.study.pages import EndScreen, QuestionsScreen, TrialScreen
from playground.study.stimuli import Study
from playground.study.store import OpenTrial, RefusedForm, Store
from playground.study.tables import answers
from playground.study.visit import Visits
from tests.study.made import an_answer, walk
from tests.study.test_visit import PROLIFIC, form, good, trial


def shown(store: Store, code: str) -> OpenTrial:
    found = store.show(code)
    assert found is not None
    return found


def count(store: Store) -> int:
    query = sa.select(sa.func.count()).select_from(answers)
    return transact(store.engine, lambda connection: connection.execute(query).scalar_one())


def test_an_answer_taken_back_is_asked_again_and_the_second_counts(store: Store, study: Study) -> None:
    code = store.enrol("form-0001").code
    assert not shown(store, code).undo  # there is nothing before
    walk(store, code, 5)
    first = shown(store, code)
    assert not first.undo or first.counted
    store.answer(code, first.token, "key-first", Answer(choice="left", degree=-1))
    second = shown(store, code)
    assert second.undo
    store.undo(code, second.token)
    again = shown(store, code)
    assert (again.id, again.options) == (first.id, first.options)
    assert not again.undo  # the one before it cannot be taken back as well
    store.answer(code, again.token, "key-again", Answer(choice="right", degree=3))
    assert shown(store, code).id == second.id
    walk(store, code)
    rows = results.long_table(store, study).to_dict("records")
    assert len(rows) == 15
    assert Counter(row["undone"] for row in rows) == {0: 14, 1: 1}
    assert [(row["choice"], row["degree"]) for row in rows if row["undone"]] == [("right", 3)]
    (undone,) = [event for event in store.events() if event["kind"] == "undone"]
    assert (undone["detail"]["choice"], undone["detail"]["degree"]) == ("left", -1)


def test_the_same_form_twice_takes_one_answer_back(store: Store) -> None:
    code = store.enrol("form-0001").code
    walk(store, code, 7)
    here = shown(store, code)
    for _ in range(3):
        store.undo(code, here.token)
    assert count(store) == 6
    store.undo(code, "forged")
    store.undo(code, "")
    assert count(store) == 6


def test_a_late_copy_of_what_was_taken_back_changes_nothing(store: Store) -> None:
    code = store.enrol("form-0001").code
    walk(store, code, 4)
    first = shown(store, code)
    answer = an_answer(first)
    store.answer(code, first.token, "key-first", answer)
    store.undo(code, shown(store, code).token)
    store.answer(code, first.token, "key-first", answer)  # the same form, as a bad line delivers it
    assert count(store) == 4
    store.answer(code, first.token, "key-later", answer)
    assert count(store) == 5


def test_practice_is_not_taken_back_from_the_study_nor_anybody_elses(store: Store) -> None:
    mine, theirs = store.enrol("form-0001").code, store.enrol("form-0002").code
    walk(store, mine, 1)
    here = shown(store, mine)
    assert here.after_practice
    assert not here.undo
    store.undo(mine, here.token)
    assert count(store) == 1
    walk(store, theirs, 6)
    store.undo(mine, shown(store, theirs).token)
    assert count(store) == 7
    with pytest.raises(RefusedForm):
        store.undo("nobody", here.token)


def test_the_last_trial_is_taken_back_from_the_questions_and_nothing_after_the_end(store: Store, study: Study) -> None:
    visits = Visits(study, store)
    page = trial(visits, PROLIFIC)
    while not isinstance(page.screen, QuestionsScreen):
        last, page = page, visits.act(good(page), PROLIFIC)
    assert page.screen.undo
    undo = form(page, "undo")
    back = visits.act(undo, PROLIFIC)
    assert isinstance(back.screen, TrialScreen)
    assert isinstance(last.screen, TrialScreen)
    assert back.screen.token == last.screen.token
    assert visits.act(undo, PROLIFIC).screen == back.screen
    page = visits.act(good(back), PROLIFIC)
    assert isinstance(page.screen, QuestionsScreen)
    end = visits.act(good(page), PROLIFIC)
    assert isinstance(end.screen, EndScreen)
    assert visits.act(undo, PROLIFIC).screen == end.screen
    assert count(store) == 19


def test_a_page_offers_it_by_name_and_key(store: Store, study: Study) -> None:
    from playground.study.web import screens

    visits = Visits(study, store)
    page = trial(visits, PROLIFIC)
    assert "undo" not in screens.page(page, study.plan)
    page = visits.act(good(page), PROLIFIC)
    assert "undo" not in screens.page(page, study.plan)  # that was practice
    page = visits.act(good(page), PROLIFIC)
    html = screens.page(page, study.plan)
    assert 'data-action="undo" data-shortcut="Backspace"' in html
    assert 'aria-label="Change the previous answer"' in html
