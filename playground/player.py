"""One base model with its axes: runs a request, remembers what was visited, and scores the finished replies.

It holds weights and nothing of who asks: strengths come with each request, so people cannot steer each other.
"""

from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from playground import axes, cards, descriptions, instant, places, sources
from playground.axes import Axis
from playground.cards import Base
from playground.descriptions import Described
from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.engine.prefix_tree import PrefixTree
from playground.engine.scheduler import Scheduler, kv_budget
from playground.errors import AxisMismatch, InvalidInput
from playground.events import Event, Finished, Occupancy, Progress, exhaust
from playground.rewards import Reward
from playground.settings import MOST_NAMED, Message, Request, Row
from playground.sources.memory import free_on
from playground.sources.quiet import no_bars

Conversation = tuple[Message, ...]

_REWARDS = 4096  # how many are remembered, so that a reply that was written before is not read again


class Player:
    """Runs requests on a loaded base model. `axes` maps names to the axes loaded so far."""

    def __init__(
        self,
        model: LanguageModel,
        known: dict[str, Axis] | None = None,
        damaged: Mapping[Path, AxisMismatch] | None = None,
        calibrations: Path | None = None,
        keep: bool = True,
    ) -> None:
        """`damaged` says what is wrong with the folders of axes that had to be left out.

        In the folder `calibrations` instant axes are kept; None is the user's cache. Without `keep` only shipped ones
        are: what people describe is not written down.
        """
        self.model = model
        self.damaged: dict[Path, AxisMismatch] = dict(damaged or {})
        self.axes: dict[str, Axis] = dict(known or {})
        self.calibrations = calibrations or places.cache_directory() / "instant"
        self.keep = keep
        self.tree = PrefixTree()
        self.scheduler = Scheduler(model, kv_budget(free_on(model.device), model.device))
        self._instant: OrderedDict[Described, Axis] = OrderedDict()
        self._rewards: OrderedDict[tuple[Reward, Conversation, str], float] = OrderedDict()

    @classmethod
    def open(
        cls,
        model: str = sources.DEFAULT,
        dtype: str = "auto",
        report: Callable[[Progress], None] | None = None,
        device: str = "auto",
        keep: bool = True,
    ) -> "Player":
        """Load base weights by name, folder or Hub id, with the shipped axes that fit them; see settings.Placement.

        Without `keep` nothing that people describe is written down.
        Raises ModelUnavailable or InvalidInput when the weights cannot be had.
        """
        language_model = open_model(model, dtype, report, device)
        found = axes.load_all(cards.shipped_folders(), language_model)
        return cls(language_model, dict(found.axes), found.damaged, keep=keep)

    @property
    def name(self) -> str:
        """The base model's display name."""
        return self.model.name

    @property
    def base(self) -> Base:
        """What the base model is, to the last weight."""
        return self.model.identity()

    @property
    def context_length(self) -> int:
        """The longest prompt and reply together, in tokens."""
        return self.model.context_length

    @property
    def dtype(self) -> str:
        """What the base model's weights are stored in."""
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def occupancy(self) -> Occupancy:
        """How much is in use now."""
        scheduler = self.scheduler
        return Occupancy(scheduler.running, scheduler.kv_bytes, scheduler.kv_budget)

    def piece(self, token: int) -> str:
        """A token by itself as text; nothing for one that ends a turn."""
        return self.model.text([token])

    def axis(self, name_or_folder: str) -> Axis:
        """The axis of this name, or the one in this folder, which is loaded and known by its name from then on.

        Two descriptions with a | between them are the name of an instant axis (see `instant`), which is calibrated
        first unless it is ready; so is one whose TOML file is named.
        """
        if name_or_folder in self.axes:
            return self.axes[name_or_folder]
        if described := self._described(name_or_folder):
            return exhaust(self.instant(described))
        if name_or_folder and _is(Path.is_dir, name_or_folder):
            return self._add(axes.load(Path(name_or_folder), self.model))
        for folder, error in self.damaged.items():
            if folder.name == name_or_folder:
                raise error.with_traceback(None)  # which would grow by each time it is raised
        for folder, card in cards.known().items():
            if card.name == name_or_folder:  # one of the person's own, or it does not fit: let the check say why
                return self._add(axes.load(folder, self.model))
        raise AxisMismatch(
            f"There is no axis named {name_or_folder!r}.",
            f"Choose one of: {', '.join(self.axes) or 'none for this model'}; or give the folder of an axis.",
        )

    def _add(self, axis: Axis) -> Axis:
        # A new mapping, so that whoever reads the old one meanwhile sees it whole.
        self.axes = {**self.axes, axis.card.name: axis}
        return axis

    def known(self, name: str) -> Axis | None:
        """The axis of this name if it steers at once: one that is loaded, or an instant one that is calibrated."""
        if name in self.axes:
            return self.axes[name]
        with suppress(InvalidInput):  # who names it so is told when they ask
            if described := descriptions.named(name):
                return self._instant.get(described)
        return None

    def ready(self, name: str) -> bool:
        """Whether there is nothing to wait for before an axis of this name steers, or is refused."""
        described = self._described(name)
        return described is None or described in self._instant

    def _described(self, name: str) -> Described | None:
        """The instant axis that a name tells of, if no other axis is called so."""
        if name in self.axes:
            return None
        if name.endswith(".toml") and _is(Path.is_file, name):
            return descriptions.read(Path(name))
        return descriptions.named(name)

    def prepare(self, names: Iterable[str]) -> Generator[Progress, None, None]:
        """Make those axes ready that are not, and tell how far that is; see `instant`."""
        for name in names:
            if described := self._described(name):
                yield from self.instant(described)

    def instant(self, described: Described) -> Generator[Progress, None, Axis]:
        """Make an axis of two descriptions and tell meanwhile how far that is; the axis is returned.

        From then on whoever names its `address` (or, of a shipped one, its name) is steered by it at once. It is in
        nobody's list of axes, and known by what it says alone, so that people with other descriptions do not meet.
        The calibration is found again by later runs of this program, unless the player keeps none; a shipped axis's
        always is. Raises InvalidInput where the descriptions make no difference to the model.
        """
        axis = self._instant.get(described)
        if axis is None:
            kept = self.keep or descriptions.gallery().get(described.name) == described
            folder = instant.folder_of(self.calibrations, described, self.model) if kept else None
            axis = yield from instant.make(self.scheduler, described, folder)
        self._instant[described] = axis
        self._instant.move_to_end(described)
        while len(self._instant) > MOST_NAMED:  # the least recently used is made anew
            self._instant.popitem(last=False)
        return axis

    def run(self, request: Request, client: Hashable = None) -> Generator[Event, None, None]:
        """Decode a request's rows; Finished events carry the reward of the row's first axis.

        A strength names its axis by name or by folder.

        The rows of all threads' requests run as one batch, see Scheduler.run. Close the generator to stop, which frees
        their places at once. Raises Busy, InvalidInput or AxisMismatch before the first event other than Progress,
        which tells how far instant axes are that were not ready.
        """
        yield from self.prepare(request.axes)
        used = {name: self.axis(name) for name in sorted(request.axes)}
        steering = {name: axis.steering for name, axis in used.items()}
        with closing(self.scheduler.run(steering, request, self.tree, client)) as steps:
            for step in steps:
                yield from (event for event in step if not isinstance(event, Finished))
                if ends := [event for event in step if isinstance(event, Finished)]:
                    with self.scheduler.alone():
                        ends = self._scored(ends, request.rows, used)
                    yield from ends

    def _scored(self, ends: list[Finished], rows: Sequence[Row], used: Mapping[str, Axis]) -> list[Finished]:
        """Add rewards to rows that end together: those not known yet are read in one batch for each axis."""
        asked = {
            index: (used[end.strengths[0].axis].reward, rows[end.row].messages, end.text)
            for index, end in enumerate(ends)
            if end.strengths
        }
        new: dict[Reward, list[tuple[Reward, Conversation, str]]] = {}
        for key in dict.fromkeys(asked.values()):
            if key not in self._rewards:
                new.setdefault(key[0], []).append(key)
        for reward, keys in new.items():
            numbers = reward([messages for _, messages, _ in keys], [text for _, _, text in keys]).tolist()
            self._rewards.update(zip(keys, numbers, strict=True))
        scored = [replace(end, reward=self._rewards[asked[i]]) if i in asked else end for i, end in enumerate(ends)]
        while len(self._rewards) > _REWARDS:
            self._rewards.popitem(last=False)
        return scored


def open_model(
    name: str, dtype: str = "auto", report: Callable[[Progress], None] | None = None, device: str = "auto"
) -> LanguageModel:
    """Base weights by name, folder or Hub id; see settings.Placement."""
    where = sources.pick_device(device)
    number_format = sources.pick_dtype(dtype, where)
    folder = sources.resolve(name, report or (lambda progress: None))
    with no_bars():
        return load_model(folder, number_format, where, sources.display_name(name))


def _is(there: Callable[[Path], bool], path: str) -> bool:
    try:
        return there(Path(path))
    except (OSError, ValueError):  # too long, or with a zero byte: no path at all
        return False
