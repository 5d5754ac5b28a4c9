"""The Hub: what is asked of it, and what it refuses."""

import errno
import hashlib
import json
from pathlib import Path

import pytest

from playground import sources
from playground.errors import InvalidInput, ModelUnavailable
from tests.conftest import FolderOf


class FakeHub:
    """Stands in for snapshot_download: remembers what it was asked and fails as told."""

    def __init__(self, answer: Path | Exception) -> None:
        self.answer = answer
        self.asked: dict[str, object] = {}

    def __call__(self, repo: str, **how: object) -> str:
        self.asked = {"repo": repo, **how}
        if isinstance(self.answer, Exception):
            raise self.answer
        return str(self.answer)


@pytest.mark.parametrize(
    ("name", "revision", "expected"),
    [("a/b", None, None), ("a/b@v1", None, "v1"), ("a/b", "refs/pr/2", "refs/pr/2"), ("a/b@v1", "v1", "v1")],
)
def test_a_hub_model_is_asked_for_at_its_revision(
    name: str, revision: str | None, expected: str | None, tiny_folder: FolderOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeHub(tiny_folder("llama"))
    monkeypatch.setattr("huggingface_hub.snapshot_download", fake)
    assert sources.resolve(name, revision=revision) == tiny_folder("llama")
    assert (fake.asked["repo"], fake.asked["revision"]) == ("a/b", expected)


def test_changed_bytes_of_a_hub_model_are_told_and_fetched_again(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Hub's cache names large files by their SHA-256."""
    weights = copy / "model.safetensors"
    content = weights.read_bytes()
    blob = tmp_path / hashlib.sha256(content).hexdigest()
    blob.write_bytes(content)
    weights.unlink()
    weights.symlink_to(blob)

    def download(repo: str, **how: object) -> str:
        if not blob.exists():
            blob.write_bytes(content)
        return str(copy)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert sources.resolve("a/b") == copy
    blob.write_bytes(content[:-4] + b"\0\0\1\0")
    with pytest.raises(ModelUnavailable, match=f"damaged: .*{blob.name}") as told:
        sources.resolve("a/b")
    assert told.value.hint == "Run: playground model fetch a/b"
    assert sources.fetch("a/b") == copy
    assert weights.read_bytes() == content


def test_two_different_revisions_are_refused() -> None:
    with pytest.raises(InvalidInput, match="Two revisions"):
        sources.resolve("a/b@v1", revision="v2")


def test_only_weights_configuration_and_tokenizer_are_asked_of_the_hub(
    tiny_folder: FolderOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.utils import filter_repo_objects

    fake = FakeHub(tiny_folder("llama"))
    monkeypatch.setattr("huggingface_hub.snapshot_download", fake)
    sources.resolve("a/b")
    wanted = ["config.json", "model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json",
              "tokenizer.json", "tokenizer_config.json", "merges.txt", "vocab.json", "chat_template.jinja"]  # fmt: skip
    unwanted = ["pytorch_model.bin", "modeling_evil.py", "original/model.safetensors", "README.md", "model.gguf"]
    chosen = filter_repo_objects(
        wanted + unwanted, allow_patterns=fake.asked["allow_patterns"], ignore_patterns=fake.asked["ignore_patterns"]
    )
    assert list(chosen) == wanted


def test_packed_weights_are_refused_before_they_are_downloaded(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    packed = {**config, "quantization_config": {"quant_method": "awq"}}
    (copy / "config.json").write_text(json.dumps(packed), encoding="utf-8")
    fake = FakeHub(copy)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fake)
    with pytest.raises(ModelUnavailable, match="weights of a/b are packed by awq"):
        sources.resolve("a/b")
    assert fake.asked["allow_patterns"] == ["config.json"]


def hub_errors() -> dict[str, tuple[Exception, str]]:
    import httpx
    from huggingface_hub import errors

    refused = httpx.Response(404, request=httpx.Request("GET", "https://example.invalid"))
    return {
        "offline": (errors.LocalEntryNotFoundError("no connection"), "cannot be reached"),
        "no such model": (errors.RepositoryNotFoundError("404", response=refused), "no model"),
        "no such revision": (errors.RevisionNotFoundError("404", response=refused), "no revision"),
        "gated": (errors.GatedRepoError("403", response=refused), "terms"),
        "disk full": (OSError(errno.ENOSPC, "No space left on device"), "No space left"),
    }


@pytest.mark.parametrize("case", ["offline", "no such model", "no such revision", "gated", "disk full"])
def test_what_the_hub_refuses_is_told_with_a_hint(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error, word = hub_errors()[case]
    monkeypatch.setattr("huggingface_hub.snapshot_download", FakeHub(error))
    with pytest.raises(ModelUnavailable, match=word) as caught:
        sources.resolve("a/b@v1")
    assert caught.value.hint
