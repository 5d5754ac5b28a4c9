"""The ids of models: the base model's, with any steering behind an @."""

from playground.api import steering
from playground.api.failures import NoSuchModel
from playground.errors import InvalidInput, shown
from playground.serving.limits import LimitedPlayer
from playground.settings import Strength
from playground.sources import DEFAULT


class Models:
    """The one base model of a server, steered in any way. Raises InvalidInput for a default that cannot be."""

    def __init__(self, player: LimitedPlayer) -> None:
        self.player = player
        self.base = DEFAULT if player.hosting.model == DEFAULT else player.name
        default = player.hosting.steering
        self.default = () if default == "none" else self._known(steering.parse(default))

    def ids(self) -> list[str]:
        """The base model, and each axis at alpha 1."""
        return [self.base, *(f"{self.base}@{name}=1" for name in self.player.axes)]

    def strengths(self, model: str, asked: tuple[Strength, ...] | None = None) -> tuple[Strength, ...]:
        """How a request is steered: as it says, as its model's id says, or else by the server's default.

        Raises NoSuchModel for an id of another base, InvalidInput or AxisMismatch for steering that cannot be.
        """
        rest = model.removeprefix(self.base)
        if not model.startswith(self.base) or rest[:1] not in ("", "@"):
            raise NoSuchModel(f"There is no model {shown(model)} here.", f"Use {self.base}, or see /v1/models.")
        if rest and asked is not None:
            raise InvalidInput("Steering is given twice, by the model's id and beside it.", "Give it once.", "steering")
        if asked is None:
            asked = steering.parse(rest[1:]) if rest else self.default
        return self._known(asked)

    def _known(self, strengths: tuple[Strength, ...]) -> tuple[Strength, ...]:
        """The strengths, if their axes are there; none is looked for in a folder."""
        for strength in strengths:
            self.player.check_named(strength.axis)
        return strengths
