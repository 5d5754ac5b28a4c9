"""API keys, which come from the environment and are kept as digests."""

import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256

from playground.errors import InvalidInput

NONE = "none"
"""The name of the variable where no key is asked for."""


class Keys:
    """The keys that open an endpoint; without any it is open."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests = tuple(_digest(key) for key in keys)

    @classmethod
    def of(cls, environment: Mapping[str, str], variable: str) -> "Keys":
        """The keys in a variable of the environment, with commas or blanks between.

        Raises InvalidInput where there are none in it: an endpoint that was to be locked is never open.
        """
        if variable == NONE:
            return cls()
        keys = environment.get(variable, "").replace(",", " ").split()
        if not keys:
            raise InvalidInput(f"There is no API key in the variable {variable}.", f"Set it: export {variable}=...")
        return cls(keys)

    def fit(self, authorization: str) -> bool:
        """Whether an Authorization header holds one of them; how long that takes tells nothing of the keys."""
        scheme, _, key = authorization.partition(" ")
        given = _digest(key.strip())
        found = [hmac.compare_digest(digest, given) for digest in self._digests]
        return not self._digests or (scheme.lower() == "bearer" and any(found))


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()
