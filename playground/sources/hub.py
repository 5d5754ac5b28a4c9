"""Models from the Hugging Face Hub, only when the user names one: safetensors, configuration and tokenizer."""

import re
from pathlib import Path

from playground.errors import InvalidInput, ModelUnavailable
from playground.sources import sums
from playground.sources.folder import check_packing, read_json

_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
_SHA256 = re.compile("[0-9a-f]{64}")
_WANTED = [
    "config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*",
    "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "chat_template*",
]  # fmt: skip
_UNWANTED = ["*/*", "consolidated*"]  # other formats' folders, and the makers' second copy of the same weights


def is_hub_id(name: str) -> bool:
    """Whether `name` reads like owner/name or owner/name@revision."""
    return _ID.fullmatch(name) is not None


def fetch(name: str, revision: str | None = None) -> Path:
    """The local snapshot of a Hub model, downloaded where needed.

    Raises InvalidInput when two revisions are named, ModelUnavailable when the model cannot be had.
    """
    from huggingface_hub import errors, snapshot_download

    repo, revision = split(name, revision)
    hint = "Check the id and your connection, or give a local folder: --model FOLDER"
    try:
        folder = Path(snapshot_download(repo, revision=revision, allow_patterns=_WANTED[:1]))
        check_packing(read_json(folder / _WANTED[0]), repo)  # before gigabytes are downloaded
        return Path(snapshot_download(repo, revision=revision, allow_patterns=_WANTED, ignore_patterns=_UNWANTED))
    except errors.GatedRepoError:
        raise ModelUnavailable(
            f"The Hub model {repo} wants you to accept its terms first.",
            f"Accept them on huggingface.co/{repo}, run: hf auth login, and try again.",
        ) from None
    except errors.RevisionNotFoundError:
        raise ModelUnavailable(f"The Hub model {repo} has no revision {revision}.", "Correct the revision.") from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise ModelUnavailable(f"The Hub has no model {repo} that you may see.", hint) from None
    except errors.LocalEntryNotFoundError:
        raise ModelUnavailable(f"{repo} is not on this machine and the Hub cannot be reached.", hint) from None
    except (errors.HfHubHTTPError, OSError) as error:  # network errors are OSErrors or come wrapped
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelUnavailable(f"{repo} could not be downloaded: {first}", hint) from error


def damaged(snapshot: Path) -> list[Path]:
    """The files in the Hub's cache whose bytes have changed: it names large files, as weights are, by their SHA-256."""
    files = [path.resolve() for path in sorted(snapshot.iterdir()) if path.is_symlink()]
    return [
        file for file in files if _SHA256.fullmatch(file.name) and sums.differing(file.parent, [(file.name, file.name)])
    ]


def split(name: str, revision: str | None) -> tuple[str, str | None]:
    """The repository and the revision that `name` and `revision` speak of."""
    match = _ID.fullmatch(name)
    if match is None:
        raise InvalidInput(f"{name!r} is no Hub id.", "Hub ids read owner/name or owner/name@revision.")
    named = match["revision"]
    if named and revision and named != revision:
        raise InvalidInput(f"Two revisions are named: {named} and {revision}.", "Name one.")
    return match["repo"], named or revision


def downloaded() -> dict[str, Path]:
    """The models with safetensors weights in the Hub's cache on this machine: id -> newest snapshot."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = scan_cache_dir().repos
    except CacheNotFound:
        return {}
    found = {}
    for repo in repos:
        revisions = [item for item in repo.revisions if any(f.file_name == "config.json" for f in item.files)]
        if repo.repo_type == "model" and revisions:
            found[repo.repo_id] = max(revisions, key=lambda item: item.last_modified).snapshot_path
    return found
