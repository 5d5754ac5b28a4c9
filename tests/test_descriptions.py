"""Instant axes as people write them: tables, and two descriptions that are a name."""

from pathlib import Path

import pytest

from playground import descriptions, places
from playground.cards import Poles
from playground.descriptions import Described
from playground.errors import InvalidInput
from tools import gallery

PIRATE, CLERK = "a swashbuckling pirate", "a dull accountant"


def test_two_descriptions_are_a_name_that_tells_all() -> None:
    axis = descriptions.of(f"  {PIRATE} ", CLERK)
    assert axis.address == f"{PIRATE} | {CLERK}"
    assert descriptions.named(axis.address) == descriptions.named(f"{PIRATE}|{CLERK}") == axis
    assert axis.poles == Poles(negative=CLERK, positive=PIRATE)
    assert descriptions.named("extraversion") is None


@pytest.mark.parametrize(
    ("positive", "negative"),
    [("", CLERK), (PIRATE, " "), (PIRATE, PIRATE), ("a | b", CLERK), ("x" * 301, CLERK), (PIRATE, f"{PIRATE} ")],
)
def test_what_cannot_be_told_apart_or_is_too_long_is_refused(positive: str, negative: str) -> None:
    with pytest.raises(InvalidInput):
        descriptions.of(positive, negative)


@pytest.mark.parametrize("name", ["|", "a|", "|b", "a|b|c", "a | a"])
def test_a_name_that_tells_no_two_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        descriptions.named(name)


def test_a_table_goes_to_a_file_and_back(tmp_path: Path) -> None:
    axis = Described(name="pirate", positive=PIRATE, negative=CLERK, right="pirate", left="clerk", notes="Arr.")
    (tmp_path / "pirate.toml").write_text(descriptions.to_toml(axis), "utf-8")
    assert descriptions.read_all(tmp_path) == (axis,)
    assert axis.poles == Poles(negative="clerk", positive="pirate")


def test_a_table_that_is_wrong_is_told_by_its_file(tmp_path: Path) -> None:
    for number, text in enumerate(("name = 1", f'name = "x"\npositive = "{PIRATE}"', "nothing", 'shout = "x"')):
        (tmp_path / f"{number}.toml").write_text(text, "utf-8")
    assert descriptions.read_all(tmp_path) == ()
    assert [error.message.split(":")[0] for error in descriptions.damaged(tmp_path)] == [
        f"In the instant axis {number}.toml" for number in range(4)
    ]


def test_a_long_description_is_named_shortly() -> None:
    axis = descriptions.of("a person who " + "very " * 20 + "much likes rain", CLERK)
    assert len(axis.name) <= 60 and axis.name.endswith("\N{HORIZONTAL ELLIPSIS}")


def test_the_gallery_is_whole_and_nothing_in_it_failed_when_it_was_measured() -> None:
    shipped, found = descriptions.gallery(), gallery.known()
    assert len(shipped) >= 40 and not descriptions.damaged(places.INSTANT)
    assert len(list(places.INSTANT.glob("*.toml"))) == len(shipped), "names are their own"
    assert all(axis.left and axis.right for axis in shipped.values())
    stale = [name for name, one in found.items() if name not in shipped or one["of"] != shipped[name].address]
    assert not stale, "measure again: python -m tools.gallery"
    assert [name for name, one in found.items() if not gallery.passes(one)] == []
