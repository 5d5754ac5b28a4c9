"""One process at a time works in a folder, and a process that dies lets it go."""

import subprocess
import sys
from pathlib import Path

import pytest

from playground.errors import InvalidInput
from playground.locks import held

HOLD = "import sys; from pathlib import Path; from playground.locks import held\nwith held(Path(sys.argv[1])):\n print('held', flush=True); sys.stdin.read()"  # noqa: E501


def test_the_second_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "a")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(InvalidInput, match="Another process"), held(tmp_path / "a"):
            pass
        with held(tmp_path / "b"):
            pass
        other.kill()
    with held(tmp_path / "a"):
        pass


def test_a_folder_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InvalidInput, match="cannot be used"), held(folder):
            pass
