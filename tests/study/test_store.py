"""The database keeps what was acknowledged, once, and gives nobody what is another's. On both kinds of database."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from playground.errors import InvalidInput
from playground.study.database import connect, sqlite_url, transact
from playground.study.forms import Answer
from playground.study.recruiting import RecruitmentIds
from playground.study.schedule import design
from playground.study.stimuli import Study
from playground.study.store import RefusedForm, Store
from playground.study.tables import answers, events, external_ids, metadata, people, responses, trials
from tests.study.made import PLAN, an_answer, make_study, walk


def rows(store: Store, table: sa.Table) -> int:
    return transact(store.engine, lambda c: c.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def cells(store: Store) -> Counter[str]:
    query = sa.select(trials.c.cell).where(trials.c.counted, trials.c.check == "")
    return Counter(transact(store.engine, lambda c: list(c.execute(query).scalars())))


def finished(store: Store, key: str, ids: RecruitmentIds | None = None) -> str:
    code = store.enrol(key, ids).code
    walk(store, code)
    store.respond(code, {"mood": "4"})
    store.finish(code)
    return code


def test_the_tables_are_those_the_migrations_make(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = connect(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_visit_from_consent_to_code(store: Store) -> None:
    person = store.enrol("form-0001")
    assert (person.instructed, person.questioned, person.outcome) == (False, False, None)
    store.instructed(person.code)
    seen = walk(store, person.code)
    assert [(shown.kind, shown.counted) for shown in seen] == [
        *[("pair", False), *[("pair", True)] * 9],
        *[("adjustment", False), *[("adjustment", True)] * 2],
        *[("single", False), *[("single", True)] * 2],
        *[("adaptive", False), *[("adaptive", True)] * 2],
    ]
    assert [shown.done for shown in seen if not shown.counted] == [0] * 4  # each task's practice is a part of its own
    assert [shown.done for shown in seen if shown.counted] == list(range(15))
    assert [shown.kind for shown in seen if shown.after_practice] == ["pair", "adjustment", "single", "adaptive"]
    assert store.show(person.code) is None
    store.respond(person.code, {"mood": "4", "remarks": "none"})
    assert store.finish(person.code) == "completed"
    known = store.person(person.code)
    assert known is not None
    assert (known.instructed, known.questioned, known.outcome) == (True, True, "completed")
    kinds = Counter(event["kind"] for event in store.events())
    assert kinds == {"consented": 1, "instructed": 1, "shown": 19, "answered": 19, "responded": 1, "finished": 1}


def test_a_form_sent_twice_counts_once_and_another_form_not_at_all(store: Store) -> None:
    person = store.enrol("form-0001")
    assert store.enrol("form-0001") == person
    shown = store.show(person.code)
    assert shown is not None
    for _ in range(3):
        store.answer(person.code, shown.token, "key-one-1", an_answer(shown))
    with pytest.raises(RefusedForm, match="already"):
        store.answer(person.code, shown.token, "key-two-2", an_answer(shown))
    assert rows(store, answers) == 1
    store.respond(person.code, {"mood": "4"})
    store.respond(person.code, {"mood": "1"})
    assert store.enrolled()[0]["responses"] == {"mood": "4"}


def test_a_repeated_id_never_gets_a_second_schedule(store: Store) -> None:
    ids = RecruitmentIds("pid-1", "study", "session-1")
    first = store.enrol("form-0001", ids)
    walk(store, first.code, 3)
    again = store.enrol("form-0002", RecruitmentIds("pid-1", "study", "session-2"))
    assert again.code == first.code
    assert store.person_called("pid-1") == again
    assert rows(store, people) == 1
    assert rows(store, trials) == 19


def test_a_visit_goes_on_at_the_next_unanswered_trial(store: Store) -> None:
    code = store.enrol("form-0001").code
    walk(store, code, 7)
    one, two = store.show(code), store.show(code)
    assert one == two
    assert one is not None
    assert (one.done, one.total) == (6, 15)
    assert len(walk(store, code)) == 12


def test_forged_foreign_and_unshown_trials_are_refused(store: Store) -> None:
    mine, theirs = store.enrol("form-0001").code, store.enrol("form-0002").code
    shown = store.show(theirs)
    assert shown is not None
    tokens = transact(
        store.engine, lambda c: list(c.execute(sa.select(trials.c.token).where(trials.c.shown_at.is_(None))).scalars())
    )
    for code, token in ((mine, shown.token), (mine, "forged"), (mine, ""), (mine, tokens[0]), ("nobody", shown.token)):
        with pytest.raises(RefusedForm):
            store.answer(code, token, "key-00001", an_answer(shown))
    with pytest.raises(RefusedForm, match="left"):
        store.finish(mine)
    assert rows(store, answers) == 0


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("pair", Answer(choice="weak")),
        ("pair", Answer(choice="'; DROP TABLE x")),
        ("pair", Answer(choice="left", degree=2)),
        ("pair", Answer(choice="tie", degree=1)),
        ("pair", Answer(choice="left", option=1)),
        ("adjustment", Answer(choice="liked")),
        ("adjustment", Answer(choice="liked", option=4)),
        ("adjustment", Answer(choice="liked", option=1, path=((0.0, 9),))),
        ("single", Answer(choice="left")),
        ("single", Answer(choice="right", degree=1)),
    ],
)
def test_an_answer_must_fit_its_question(study: Study, tmp_path: Path, kind: str, answer: Answer) -> None:
    with Store.open(sqlite_url(tmp_path / "x.sqlite"), study) as store:
        code = store.enrol("form-0001").code
        while (shown := store.show(code)) is not None and shown.kind != kind:
            store.answer(code, shown.token, "key-" + shown.token, an_answer(shown))
        assert shown is not None
        with pytest.raises(InvalidInput):
            store.answer(code, shown.token, "key-bad-1", answer)
        again = store.show(code)
        assert again is not None
        assert again.token == shown.token


def test_cells_stay_even_however_many_enrol_at_once(store: Store, study: Study) -> None:
    with ThreadPoolExecutor(8) as pool:
        codes = {person.code for person in pool.map(lambda n: store.enrol(f"form-{n:04}"), range(24))}
    assert len(codes) == 24
    filled = cells(store)
    for kind in ("pair", "adjustment", "single", "adaptive"):
        of_kind = [filled[cell] for cell in design(study, study.plan.of_kind(kind)[0], study.plan.scored_prompts)]
        assert max(of_kind) - min(of_kind) <= 1


def test_people_who_stay_away_free_their_cells_and_their_answers_still_count(url: str, study: Study) -> None:
    now = [1000.0]
    store = Store.open(url, study, clock=lambda: now[0])
    gone = store.enrol("form-0001").code
    walk(store, gone, 6)
    now[0] += store.patience_s + 1
    fills = transact(store.engine, store._fills)
    answered = {(row["cell"], row["content"]) for row in store.answered_trials() if not row["check"]}
    assert set(fills) == answered
    standing = store.progress()
    assert (standing.consented, standing.abandoned, standing.left_at) == (1, 1, {5: 1})
    store.show(gone)
    assert store.progress().abandoned == 0
    store.close()


def test_withdrawing_deletes_all_about_a_person_and_nothing_else(store: Store) -> None:
    stays = finished(store, "form-0001", RecruitmentIds("stays"))
    goes = finished(store, "form-0002", RecruitmentIds("goes"))
    store.withdraw(goes)
    store.withdraw(goes)
    store.withdraw("nobody")
    assert store.person(goes) is None
    assert store.person_called("goes") is None
    assert store.person(stays) is not None
    assert [rows(store, table) for table in (people, external_ids, trials, answers, responses)] == [1, 1, 19, 19, 1]
    assert store.progress().withdrawn == 1
    owners = {event["person_id"] for event in store.events() if event["kind"] != "withdrawn"}
    assert len(owners) == 1
    with pytest.raises(RefusedForm):
        store.show(goes)


def test_a_preview_fills_no_cell_and_is_in_no_count(store: Store) -> None:
    code = store.enrol("form-0001", preview=True).code
    walk(store, code)
    assert transact(store.engine, store._fills) == {}
    assert store.progress().consented == 0
    assert store.answered_trials() == store.enrolled() == []


def test_declining_stores_nobody(store: Store) -> None:
    store.decline()
    assert store.progress().declined == 1
    assert rows(store, people) == 0


def test_too_many_failed_checks_are_an_outcome(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s", PLAN.replace("[checks]", "[checks]\nfail_after = 2"))
    with Store.open(sqlite_url(tmp_path / "x.sqlite"), study) as store:
        for key, wrong, outcome in (("form-0001", 2, "failed"), ("form-0002", 1, "completed")):
            code, failed = store.enrol(key).code, 0
            while (shown := store.show(code)) is not None:
                inputs = None
                if shown.expected and failed < wrong:
                    inputs, failed = "tie", failed + 1
                store.answer(code, shown.token, f"key-{shown.token}", an_answer(shown, inputs))
            assert store.finish(code) == outcome


def test_adaptive_trials_follow_the_person_and_stay_as_shown(store: Store, study: Study) -> None:
    def shown_strengths(key: str, verdict: str) -> list[float]:
        code, found = store.enrol(key).code, []
        while (shown := store.show(code)) is not None:
            if shown.kind == "adaptive" and shown.counted:
                assert shown.start is not None
                assert store.show(code).start == shown.start  # pyright: ignore
                found.append(study.stimuli[shown.options[shown.start]].strength)
            inputs = verdict if shown.kind == "adaptive" else None
            store.answer(code, shown.token, f"key-{shown.token}", an_answer(shown, inputs))
        return found

    always, never = shown_strengths("form-0001", "broken"), shown_strengths("form-0002", "weak")
    assert always[1] < never[1]


def test_a_study_that_has_begun_cannot_change(url: str, study: Study, tmp_path: Path) -> None:
    other = make_study(tmp_path / "other", PLAN.replace("We store", "We keep"))
    store = Store.open(url, study)
    store.enrol("form-0001", preview=True)
    store.close()
    store = Store.open(url, other)  # nobody but a preview had begun
    assert rows(store, people) == 0
    store.enrol("form-0002")
    store.close()
    with pytest.raises(InvalidInput, match="another version"):
        Store.open(url, study)
    with Store.open(url, other) as again:
        assert rows(again, people) == 1


def test_two_studies_in_one_database_do_not_meet(store: Store, url: str, tmp_path: Path) -> None:
    ids = RecruitmentIds("pid")
    code = finished(store, "form-0001", ids)
    with Store.open(url, make_study(tmp_path / "o", PLAN.replace('"made"', '"other"'))) as other:
        assert other.person(code) is None
        assert other.person_called("pid") is None
        assert other.enrol("form-0002", ids).code != code
        assert other.progress().consented == 1
        assert other.answered_trials() == []


def test_the_event_log_cannot_be_rewritten(store: Store) -> None:
    store.decline()
    with pytest.raises(sa.exc.DBAPIError, match="only added"), store.engine.begin() as connection:
        connection.execute(sa.update(events).values(kind="other"))


def test_no_table_has_room_for_an_address(store: Store) -> None:
    names = {column.name for table in metadata.tables.values() for column in table.columns}
    assert not {name for name in names if "ip" in name.split("_") or "agent" in name or "address" in name}


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("nonsense", "no database address"),
        ("mysql://x/y", "no database address"),
        ("sqlite:////nosuch/folder/x.sqlite", "cannot be used"),
        ("postgresql://nobody@127.0.0.1:1/x", "cannot be used"),
    ],
)
def test_a_database_that_cannot_be_had_is_told_plainly(
    study: Study, address: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInput, match=says):
        Store.open(address, study)


def test_a_lost_connection_is_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    tries: list[int] = []

    def once_away(connection: sa.Connection) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise sa.exc.OperationalError("select", {}, Exception("the server is away"))
        return "done"

    assert transact(store.engine, once_away) == "done"
    assert len(tries) == 3


def test_a_mistake_in_the_work_is_not_tried_again(store: Store) -> None:
    tries: list[int] = []

    def wrong(connection: sa.Connection) -> None:
        tries.append(1)
        connection.execute(sa.text("SELECT nothing FROM nowhere_at_all"))

    with pytest.raises(sa.exc.DBAPIError):
        transact(store.engine, wrong)
    assert len(tries) == 1


def test_what_a_refusal_was_is_noted(store: Store) -> None:
    code = store.enrol("form-0001").code
    store.refuse(code, "stale")
    store.refuse("nobody", "forged")
    refused = [event for event in store.events() if event["kind"] == "refused"]
    assert [event["detail"]["reason"] for event in refused] == ["stale", "forged"]
    assert [event["person_id"] is None for event in refused] == [False, True]
