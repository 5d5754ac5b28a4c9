"""The page as a program: it comes up for programs and people, and Ctrl-C ends it without a complaint."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
COMMAND = ["-m", "playground", "app", "--no-browser"]


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize("program", [["app.py"], COMMAND], ids=["app.py", "command"])
def test_it_comes_up_and_ctrl_c_ends_it(program: list[str], tmp_path: Path) -> None:
    port = str(free_port())
    told = {"PLAYGROUND_MODEL": "tiny", "GRADIO_SERVER_PORT": port, "BROWSER": "true"}
    command = [sys.executable, *program, *(["--model", "tiny", "--port", port] if program == COMMAND else [])]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(
        command, cwd=ROOT, env=os.environ | told, stdout=subprocess.PIPE, stderr=log, text=True
    ) as page:  # fmt: skip
        try:
            assert page.stdout is not None
            assert any("The page is at" in line for line in page.stdout), (tmp_path / "log").read_text()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}") as answer:
                assert "Alignment Playground" in answer.read().decode()
            page.send_signal(signal.SIGINT)
            page.communicate()
        finally:
            page.kill()
    assert page.returncode == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_port_that_is_none_is_told_in_a_sentence() -> None:
    told = os.environ | {"GRADIO_SERVER_PORT": "abc"}
    ran = subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=told, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr == "GRADIO_SERVER_PORT is no port: 'abc'. Set it to a number such as 7860.\n"
