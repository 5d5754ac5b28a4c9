"""The engine that settings name, and what it is told of them."""

import pytest

from playground.remote import replica
from playground.remote.cluster import _own
from playground.remote.opening import opened
from playground.serving.hosting import ServerSettings
from tests.conftest import FolderOf


@pytest.mark.parametrize("public", [True, False])
def test_an_engine_knows_whether_it_may_write_down_what_people_describe(
    tiny_folder: FolderOf, monkeypatch: pytest.MonkeyPatch, public: bool
) -> None:
    monkeypatch.setattr(replica, "_keep_to_this_machine", lambda: None)
    hosting = ServerSettings(model=str(tiny_folder()), device="cpu", public=public)
    with opened(hosting) as (player, _):
        assert player.keep is not public  # type: ignore[attr-defined]
    assert replica.Replica(_own(hosting, "cpu"), (), "1").player.keep is not public
