"""People who vote straight into a store, in a process that may be killed at any moment.

Run as `python -m tests.study.voter FOLDER DATABASE NAME`: enrols person after person on two threads and writes one line
for each answer once it is acknowledged: the person's code and the trial's token.
"""

import sys
import threading
from itertools import count
from pathlib import Path

from playground.study import stimuli
from playground.study.store import Store
from tests.study.made import an_answer

_printing = threading.Lock()


def tell(line: str) -> None:
    with _printing:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def vote(store: Store, name: str) -> None:
    for number in count():
        code = store.enrol(f"form-{name}-{number}").code
        while (shown := store.show(code)) is not None:
            store.answer(code, shown.token, f"key-{shown.token}", an_answer(shown))
            tell(f"{code} {shown.token}")
        store.finish(code)


def main(folder: str, database: str, name: str) -> None:
    store = Store.open(database, stimuli.load(Path(folder)))
    tell("ready")
    for thread in range(2):
        threading.Thread(target=vote, args=(store, f"{name}-{thread}"), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
