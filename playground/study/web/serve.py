"""Serves a study: one page for the people who take part, and one at another address for the staff."""

import os
import secrets
import signal
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from playground.serving.address import Address, listen
from playground.serving.hosting import ServerSettings
from playground.serving.origins import is_local
from playground.serving.passwords import check_token
from playground.serving.running import running_beside, web_server
from playground.study import stimuli
from playground.study.copies import EVERY_S, Copies
from playground.study.database import located, told
from playground.study.stimuli import Study
from playground.study.store import Store
from playground.study.web.app import study_app
from playground.study.web.staff import staff_app

_OPEN = (
    "Warning: the staff page is open to the network. Without TLS its password and the answers can be read on the way. "
    "Leave out --staff-host and reach it by an SSH tunnel, or put a proxy with TLS in front of it; see docs/studies.md."
)


@dataclass(frozen=True)
class Staff:
    """Where the staff's page is, and its password; one is made where none is given."""

    address: Address
    token: str = ""


def serve(folder: Path, database: str, address: Address, staff: Staff | None = None, copy_to: str = "") -> None:
    """Serve a built study until interrupted; `copy_to` is a private dataset on the Hub.

    Raises PlaygroundError if the folder, database or an address cannot be had, or the staff token is soon guessed.
    """
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if staff is not None and staff.token:
        check_token(staff.token)
    hosting = ServerSettings.read(os.environ)
    study = stimuli.load(folder)
    with ExitStack() as stack:
        line = stack.enter_context(listen(address))
        beside = stack.enter_context(listen(staff.address)) if staff is not None else None
        store = stack.enter_context(Store.open(database, study))
        if copy_to:
            stack.callback(_copies(study, store, database, copy_to).close)
        if staff is not None and beside is not None:
            token = staff.token or secrets.token_urlsafe(12)
            app = staff_app(study, store, token, hosting.access(staff.address.host))
            stack.enter_context(running_beside(web_server(app), beside))
            _say_staff(staff, token)
        _say_study(study, database, address)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # who ends it that way, too, gets a last copy
        with suppress(KeyboardInterrupt):
            web_server(study_app(study, store, hosting.access(address.host))).run(sockets=[line])


def _copies(study: Study, store: Store, database: str, dataset: str) -> Copies:
    from huggingface_hub import HfApi

    copies = Copies(study, store, database, dataset, HfApi())
    copies.start()
    _say(f"Copies go to the private dataset {dataset} every {EVERY_S / 60:g} minutes.")
    return copies


def _say_staff(staff: Staff, token: str) -> None:
    _say(f"The staff page is at {staff.address.url}, its password {'as given' if staff.token else f'is {token}'}.")
    if not is_local(staff.address.host):
        _say(_OPEN)


def _say_study(study: Study, database: str, address: Address) -> None:
    for name in study.plan.codes.missing():
        _say(f"The completion code {name} is not set: people will see none. Set the environment variable {name}.")
    _say(f"{study.plan.title}: {len(study.stimuli)} replies. Try them at {address.url}?preview=1, which never counts.")
    _say(f"Answers are kept in {told(located(database))}.")
    _say(f"The study is at {address.url} (Ctrl-C stops it).")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201
