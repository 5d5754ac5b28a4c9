"""Copies of a running study in a private dataset of the Hugging Face Hub, for servers that lose their disk.

Off unless asked for. A copy is one commit: the answers and the people as Parquet, and a backup to restore from, which
holds external ids. Earlier copies are squashed away, so that who withdraws is in none for long.

Not by huggingface_hub's CommitScheduler (2.4): it starts to upload before anybody could see that a dataset which is
there already is public, only logs that its first upload failed, and takes files for append-only, while these are made
anew.
"""

import tempfile
import threading
from pathlib import Path
from typing import Any, Protocol

from playground.errors import InvalidInput
from playground.study import backup, results
from playground.study.records import Records
from playground.study.stimuli import Study

EVERY_S = 300.0
BACKUP = "backup.zip"


class Hub(Protocol):
    """What copying asks of the Hub; `huggingface_hub.HfApi` is one."""

    def create_repo(self, repo_id: str, *, repo_type: str, private: bool, exist_ok: bool) -> Any:
        """Make the dataset if there is none."""
        ...

    def repo_info(self, repo_id: str, *, repo_type: str) -> Any:
        """What is known about it; `private` tells whether anybody may read it."""
        ...

    def upload_folder(self, *, repo_id: str, repo_type: str, folder_path: str, commit_message: str) -> Any:
        """Write a folder's files in one commit."""
        ...

    def super_squash_history(self, repo_id: str, *, repo_type: str) -> Any:
        """Forget all but the newest commit."""
        ...


class Copies:
    """Copies a study every few minutes, from a thread of its own, when something has happened since the last copy."""

    def __init__(self, study: Study, records: Records, url: str, dataset: str, hub: Hub) -> None:
        self.study, self.records, self.url, self.dataset, self.hub = study, records, url, dataset, hub
        self.copied = -1
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="copies", daemon=True)

    def start(self) -> None:
        """Make the first copy at once, and go on. Raises InvalidInput when it cannot be made, or would be public."""
        try:
            self.hub.create_repo(self.dataset, repo_type="dataset", private=True, exist_ok=True)
            is_private = self.hub.repo_info(self.dataset, repo_type="dataset").private
            if is_private:
                self.save()
        except Exception as error:  # the Hub's library lets its network library's own errors through
            raise InvalidInput(
                f"The dataset {self.dataset} cannot be had: {error}.", "Set HF_TOKEN to a token that may write it."
            ) from None
        if not is_private:
            raise InvalidInput(
                f"The dataset {self.dataset} is public.", "Name a private one, or one that is not there."
            )
        self._thread.start()

    def save(self) -> bool:
        """Copy now if something has happened since the last time; says whether it did."""
        seen = max((event["id"] for event in self.records.events()), default=0)
        if seen == self.copied:
            return False
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            results.long_table(self.records, self.study).to_parquet(folder / "answers.parquet", index=False)
            results.people_table(self.records, self.study).to_parquet(folder / "people.parquet", index=False)
            backup.write(self.url, folder / BACKUP)
            where = {"repo_id": self.dataset, "repo_type": "dataset"}
            self.hub.upload_folder(**where, folder_path=name, commit_message=f"{self.study.plan.name}: a copy")
            self.hub.super_squash_history(**where)
        self.copied = seen
        return True

    def close(self) -> None:
        """Stop, after one last copy."""
        self._stop.set()
        self._thread.join()
        self._try()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self._try()

    def _try(self) -> None:
        """A copy that fails is made again next time, whatever failed: the network, the Hub, or the database."""
        try:
            self.save()
        except Exception as error:
            print(f"No copy was made: {error}. It is tried again.", flush=True)  # noqa: T201
