"""How fast this is, as ratios of what is compared: each measured A, B, A, B, ... in one run on one machine."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import torch

from playground import descriptions, instant
from playground.bench import baselines, endpoint, llama_cpp, shapes
from playground.bench.load import Load, under_load
from playground.engine.decode import decode
from playground.engine.forced import reply_states
from playground.engine.language_model import LanguageModel
from playground.engine.methods import CLM, REControl, Steering
from playground.engine.methods.identity_layer import IdentityLayer
from playground.engine.methods.prompt_contrast import PromptContrast
from playground.engine.methods.value_function import ValueFunction
from playground.engine.prefix_tree import PrefixTree
from playground.engine.scheduler import Scheduler
from playground.engine.streams import Streams
from playground.errors import InvalidInput, PlaygroundError
from playground.events import Finished, Progress, Token, exhaust
from playground.player import Player, open_model
from playground.settings import Request, Row, Sampling, Strength, conversation
from playground.sources import DEFAULT
from playground.training.clm import dpo
from playground.training.pairs import Pair
from playground.training.recipe import Recipe

PROMPT = "Describe a morning in your office."
PROMPTS = (
    PROMPT, "Tell me about yourself.", "What did you do last weekend?", "How do you feel about Mondays?",
    "Tell me a story about a lost umbrella.", "Describe your ideal holiday.", "Give me advice for my first day.",
    "Describe a walk through your town.",
)  # fmt: skip
NINE = tuple(step / 4 - 0.5 for step in range(9))
"""Strengths of the sweep: from -0.5 to 1.5."""
DESCRIPTIONS = "a cheerful person who enjoys every day", "a gloomy person whom every day tires"
UPDATES = 30
LONG_PROMPTS = (512, 4096)
"""Words of the prompts before nine strengths whose step is timed."""
PAIRS = 8
"""Pairs in a training step."""

Seconds = Callable[[], float]
Numbers = dict[str, Any]


class BenchSize(NamedTuple):
    """How much is measured: tokens a reply, rounds of A and B, and numbers read to find the memory's bandwidth."""

    new_tokens: int = 64
    rounds: int = 5
    floats: int = 2**27  # far more than any cache holds


QUICK = BenchSize(8, 2, 2**16)
"""Tries every measurement out and measures little."""


def ratio(first: Seconds, second: Seconds, rounds: int) -> Numbers:
    """first / second, measured in turn after one round that does not count: their median, lowest and highest ratio."""
    pairs = [(first(), second()) for _ in range(rounds + 1)][1:]
    return {
        **summary([a / b for a, b in pairs]),
        "seconds": [statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)],
    }


def summary(ratios: Sequence[float]) -> Numbers:
    """What a list of ratios comes to."""
    return {"ratio": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}


class Bench:
    """A loaded model, an axis of it, and the measurements. Replies never end early here, so that lengths agree.

    clock: what tells seconds; time.process_time on a machine that does other work beside this.
    """

    def __init__(
        self,
        player: Player,
        model_name: str,
        axis: str | None = None,
        scale: BenchSize = BenchSize(),  # noqa: B008
        clock: Seconds = time.perf_counter,
    ) -> None:
        self.player, self.model, self.model_name = player, player.model, model_name
        self.scale, self.clock = scale, clock
        self.model.stop_ids = frozenset()
        self.axis = self._axis(player, axis)
        self.measures: dict[str, Callable[[], Numbers]] = {
            "sweep_speedup": self.sweep_speedup,
            "sweep_27": self.sweep_27,
            "stream_overhead": self.stream_overhead,
            "instant": self.instant,
            "control_overhead": self.control_overhead,
            "replay_same": self.replay_same,
            "replay_changed": self.replay_changed,
            "decode": self.decode,
            "decode_int8": self.decode_int8,
            "decode_llama_cpp": self.decode_llama_cpp,
            "sweep_llama_cpp": self.sweep_llama_cpp,
            "roofline": self.roofline,
            "people": self.people,
            "people_http": self.people_http,
            "first_token_under_load": self.first_token_under_load,
            "train": self.train,
            "calibration": self.calibration,
            "cost": self.cost,
            **{f"shape_{name}": partial(self.shape, name) for name in shapes.SHAPES},
        }

    def run(self, only: Sequence[str] = ()) -> Iterator[Progress | Numbers]:
        """Take the measurements, all or some; yields Progress before each, and at last the object that holds them.

        One that cannot be taken here says why under "missing".
        """
        if unknown := sorted(set(only) - set(self.measures)):
            raise InvalidInput(
                f"There is no measurement {', '.join(unknown)}.", f"Choose from: {', '.join(self.measures)}."
            )
        on_gpu = self.model.device.type == "cuda"
        names = list(only) or [name for name in self.measures if on_gpu or not name.startswith("shape_")]
        found: Numbers = {"machine": self.machine()}
        for done, name in enumerate(names):
            yield Progress(f"measuring {name}", done, len(names))
            try:
                found[name] = self.measures[name]()
            except PlaygroundError as error:
                found[name] = {"missing": f"{error.message} {error.hint}".strip()}
        yield found

    def run_load(self, people: Sequence[int]) -> Iterator[Progress | Numbers]:
        """Load tests of so many people each, in the same way as `run`."""
        found: Numbers = {"machine": self.machine(), "load": []}
        for done, count in enumerate(people):
            yield Progress(f"answering {count} at once", done, len(people))
            told = self.load(count)
            found["load"].append({**told._asdict(), "first_token": told.first_token._asdict()})
        yield found

    def machine(self) -> Numbers:
        """What this ran on."""
        on_gpu = self.model.device.type == "cuda"
        return {
            "device": torch.cuda.get_device_name() if on_gpu else _processor(),
            "threads": torch.get_num_threads(),
            "load": round(os.getloadavg()[0], 2),
            "clock": self.clock.__name__,
            "bandwidth": self._bandwidth(),
            "model": self.model.name,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "torch": torch.__version__,
        }

    def sweep_speedup(self) -> Numbers:
        """Nine separate `generate` calls against one sweep of nine strengths, both streams."""
        rows = self._rows(NINE)
        return ratio(lambda: sum(self._generate() for _ in NINE), lambda: self._decode(rows), min(3, self.scale.rounds))

    def sweep_27(self) -> Numbers:
        """A sweep of 27 strengths against one of 9 over the same range."""
        finer = [NINE[0] + (NINE[-1] - NINE[0]) * step / 26 for step in range(27)]
        return self._ratio(lambda: self._decode(self._rows(finer)), lambda: self._decode(self._rows(NINE)))

    def stream_overhead(self) -> Numbers:
        """One strength with both streams against the base stream alone."""
        return self._ratio(lambda: self._decode(self._rows([0.5])), lambda: self._decode([self._base()]))

    def instant(self) -> Numbers:
        """One strength of two descriptions, whose streams are three, against the base stream alone."""
        axes = {"axis": Steering((PromptContrast(*DESCRIPTIONS, scale=2.0),))}
        return self._ratio(lambda: self._decode(self._rows([0.5]), axes=axes), lambda: self._decode([self._base()]))

    def control_overhead(self) -> Numbers:
        """Eight rows with 30 updates a token against the same rows with control off."""

        def rows(control: float) -> list[Row]:
            strength = Strength(axis="axis", alpha=1.0, control=control, updates=UPDATES)
            return [Row(messages=conversation(prompt), strengths=(strength,)) for prompt in PROMPTS]

        return self._ratio(lambda: self._decode(rows(1.0)), lambda: self._decode(rows(0.0)))

    def replay_same(self) -> Numbers:
        """A redraw after alpha moved inside its interval against the same reply from scratch."""
        ratios = []
        for alpha in NINE[: self.scale.rounds]:
            tree = PrefixTree()
            end = self._finished(alpha, tree)
            high = end.alpha_interval[1] if end.alpha_interval else None
            inside = (alpha + (alpha + 1.0 if high is None else high)) / 2
            again = self._timed(lambda at=inside, tree=tree: self._finished(at, tree))
            ratios.append(again / self._timed(lambda at=inside: self._finished(at, None)))
        return summary(ratios)

    def replay_changed(self) -> Numbers:
        """A redraw after alpha moved by 0.05 and the text changed, against that share of the reply from scratch."""
        ratios = []
        for alpha in [step / 10 for step in range(-3, 12)]:
            tree = PrefixTree()
            before = self._finished(alpha, tree).token_ids
            redraw = self._timed(lambda at=alpha + 0.05, tree=tree: self._finished(at, tree))
            after = self._finished(alpha + 0.05, tree).token_ids
            if before == after:
                continue
            same = next(place for place, (a, b) in enumerate(zip(before, after, strict=True)) if a != b)
            scratch = self._timed(lambda at=alpha + 0.05: self._finished(at, None))
            ratios.append(redraw / (scratch * (len(after) - same) / len(after)))
        if not ratios:
            raise InvalidInput("No text changed when alpha moved by 0.05.", "Try another axis.")
        return summary(ratios)

    def decode(self) -> Numbers:
        """Tokens a second of the base alone against `generate`, one row."""
        return self._ratio(self._generate, lambda: self._decode([self._base()]))

    def decode_int8(self) -> Numbers:
        """The same with int8 weights, against `generate` with the weights as they are, and what the rounding costs."""
        model = self._int8
        found = self._ratio(self._generate, lambda: self._decode([self._base()], model))
        return {**found, "quality": self._quality(model)}

    def decode_llama_cpp(self) -> Numbers:
        """Tokens a second of the base alone against llama.cpp's with the same weights, one row."""
        return self._beside_llama_cpp(1, lambda: self._decode([self._base()]))

    def sweep_llama_cpp(self) -> Numbers:
        """Nine separate replies of llama.cpp's against one sweep of nine strengths, both streams."""
        rows = self._rows(NINE)
        return self._beside_llama_cpp(len(NINE), lambda: self._decode(rows))

    def roofline(self) -> Numbers:
        """The time it takes to read the weights once, at the measured bandwidth, against one step of one row."""
        streams = Streams(self.model, {None: None})
        states = streams.prefill({(None, 0): self.model.prompt_ids(conversation(PROMPT))})

        def step() -> None:
            nonlocal states
            states = streams.advance({(None, 0): (0, int(self.model.head(states[None, 0]).argmax()))})

        def steps() -> float:
            return self._timed(lambda: [step() for _ in range(self.scale.new_tokens)]) / self.scale.new_tokens

        found = self._ratio(lambda: self._weight_bytes / self._bandwidth(), steps)
        return {**found, "weight_bytes": self._weight_bytes}

    def people(self) -> Numbers:
        """Tokens a second of eight people at once, each with a prompt and a strength of their own, against one's."""

        def answered(prompts: Sequence[str]) -> float:
            asked = [self._steered([prompt], [0.5 + place / 16]) for place, prompt in enumerate(prompts)]
            return self._timed(lambda: self._at_once(Scheduler(self.model), asked))

        return self._ratio(lambda: len(PROMPTS) * answered(PROMPTS[:1]), lambda: answered(PROMPTS))

    def people_http(self) -> Numbers:
        """The same through the endpoint for programs: eight clients' streams at once against one's, rewards read."""

        def answered(prompts: Sequence[str]) -> float:
            player = Player(self.model, self.player.axes)  # which remembers nothing
            axes = list(self.player.axes)[:1]
            asked = [
                {
                    "model": DEFAULT, "messages": [{"role": "user", "content": prompt}], "temperature": 0,
                    "max_tokens": self.scale.new_tokens,
                    "steering": [{"axis": axis, "alpha": 0.5 + place / 16} for axis in axes],
                }
                for place, prompt in enumerate(prompts)
            ]  # fmt: skip
            with endpoint.served(player) as port:
                return self._timed(lambda: endpoint.answer(port, asked))

        return self._ratio(lambda: len(PROMPTS) * answered(PROMPTS[:1]), lambda: answered(PROMPTS))

    def first_token_under_load(self) -> Numbers:
        """Seconds to the first token of one who comes while a sweep of 64 rows runs against those on a quiet engine."""
        scheduler = Scheduler(self.model)
        sweep = self._steered(PROMPTS, NINE[: 64 // len(PROMPTS)], min(512, self.model.context_length // 2))
        asked = self._steered([PROMPT], [0.6])

        def first_token(beside: Scheduler) -> float:
            with closing(beside.run({"axis": self.axis}, asked)) as steps:
                return self._timed(lambda: next(step for step in steps if any(isinstance(e, Token) for e in step)))

        with closing(scheduler.run({"axis": self.axis}, sweep)) as steps, ThreadPoolExecutor(1) as person:

            def beside_the_sweep() -> float:
                """Somebody asks from a thread of their own, at a moment that falls anywhere in a step of the sweep."""
                while scheduler.running < len(sweep.rows):
                    next(steps)
                asking = person.submit(first_token, scheduler)
                while not asking.done():
                    next(steps)
                return asking.result()

            return self._ratio(beside_the_sweep, lambda: first_token(Scheduler(self.model)))

    def load(self, people: int) -> Load:
        """What so many people at once get, each with a prompt and a strength of their own."""
        asked = [
            self._steered([f"{PROMPTS[place % len(PROMPTS)]} ({place + 1})"], [0.5 + place / (2 * people)])
            for place in range(people)
        ]
        return under_load(self.model, self.axis, asked, self.scale.rounds, self.clock)

    def train(self) -> Numbers:
        """Seconds of TRL's DPO for a step of pairs against ours: same layer, objective, batch and dtype."""
        pairs = [
            Pair(prompt=conversation(prompt), chosen=self._text(prompt, 1), rejected=self._text(prompt, 2))
            for prompt in PROMPTS[:PAIRS]
        ]
        recipe = Recipe(opposite=0.0)
        data = dpo.encode(self.model, pairs, recipe.pair_tokens)
        layer = IdentityLayer(self.model).float()
        optimizer = torch.optim.Adam(layer.layer.parameters(), lr=recipe.learning_rate)

        def step() -> None:
            cost = dpo.loss(dpo.read(self.model, data, range(len(pairs)), layer), recipe)
            optimizer.zero_grad()
            with self.model.products():
                cost.backward()
            torch.nn.utils.clip_grad_norm_(layer.layer.parameters(), 1.0)
            optimizer.step()

        theirs, ours = baselines.dpo(self.model, pairs, lambda: self._timed(step), self.scale.rounds, self.clock)
        ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
        return {**summary(ratios), "seconds": [statistics.median(theirs), statistics.median(ours)]}

    def calibration(self) -> Numbers:
        """Seconds until two descriptions are an axis: its scale, its steering vector and its tested range."""
        described = descriptions.of(*DESCRIPTIONS)
        seconds = [
            self._timed(lambda: exhaust(instant.make(Scheduler(self.model), described, None)))
            for _ in range(self.scale.rounds)
        ]
        return {"seconds": statistics.median(seconds), "low": min(seconds), "high": max(seconds)}

    def cost(self) -> Numbers:
        """Seconds of a sweep by number of strengths, and of nine strengths by length of reply and of prompt."""
        self._decode(self._rows(NINE))
        words = " ".join(PROMPTS)
        return {
            "strengths": {str(count): self._decode(self._rows(_spread(count))) for count in (1, 3, 9, 27, 81)},
            "reply_tokens": {
                str(length): self._decode(self._rows(NINE), new_tokens=length) for length in (16, 64, 128)
            },
            "prompt_tokens": {
                str(len(self.model.prompt_ids(conversation(text)))): self._decode(self._rows(NINE, text))
                for text in (PROMPT, f"{words} {words}", f"{words} " * 8)
            },
            "kv_bytes_per_token": self.model.kv_bytes,
        }

    def shape(self, name: str) -> Numbers:
        """Milliseconds a token of a model of this shape and random weights, on this one's device and in its dtype."""
        model = shapes.random_model(name, self.model.device, self.model.dtype)
        return Bench(Player(model), name, scale=self.scale, clock=self.clock).step_times()

    def step_times(self) -> Numbers:
        """Milliseconds a token: the floor, ours by what is asked, a redraw, and `generate` with either cache.

        The floor is to read the weights of decoder and head once, at the bandwidth that a sum reaches.
        """
        tokens = self.scale.new_tokens
        texts = [" ".join(["word"] * words) for words in LONG_PROMPTS]
        long = [
            text
            for text in texts
            if len(self.model.prompt_ids(conversation(text))) + tokens <= self.model.context_length
        ]

        def a_token(seconds: Callable[[int], float]) -> float:
            seconds(tokens)
            return 1000 * (seconds(tokens) - seconds(tokens // 2)) / (tokens - tokens // 2)

        def ours(rows: Sequence[Row]) -> float:
            return a_token(lambda count: self._decode(rows, new_tokens=count))

        tree = PrefixTree()
        self._finished(0.5, tree)
        return {
            "floor": 1000 * self._weight_bytes / self._bandwidth(),
            "base": ours([self._base()]),
            "strengths": {str(count): ours(self._rows(_spread(count))) for count in (1, 9, 27, 64)},
            "nine_after": {
                str(len(self.model.prompt_ids(conversation(text)))): ours(self._rows(NINE, text)) for text in long
            },
            "redraw": 1000 * self._timed(lambda: self._finished(0.5, tree)),
            "generate": a_token(self._generate),
            "generate_static": a_token(partial(self._generate, static=True)),
        }

    def _beside_llama_cpp(self, replies: int, ours: Seconds) -> Numbers:
        prompt, count = self.model.prompt_ids(conversation(PROMPT)), self.scale.new_tokens
        with llama_cpp.opened(self.model, len(prompt) + count) as generate:
            return self._ratio(lambda: self._timed(lambda: [generate(prompt, count) for _ in range(replies)]), ours)

    def _quality(self, other: LanguageModel) -> Numbers:
        """How far another model's predictions are from this one's, over this one's greedy replies to a few prompts.

        KL(this || other) in nats a token, the share of tokens where both would choose the same, and by how much the
        replies' perplexity grows.
        """
        prompts = [self.model.prompt_ids(conversation(prompt)) for prompt in PROMPTS]
        rows = tuple(Row(messages=conversation(prompt)) for prompt in PROMPTS)
        request = Request(rows=rows, max_new_tokens=self.scale.new_tokens)
        ends = [event for event in decode(self.model, {}, request) if isinstance(event, Finished)]
        replies = [end.token_ids for end in sorted(ends, key=lambda end: end.row)]
        ours, theirs = (
            model.head(torch.cat(reply_states(model, prompts, replies))).log_softmax(-1)
            for model in (self.model, other)
        )
        tokens = torch.tensor([token for reply in replies for token in reply], device=ours.device).unsqueeze(1)
        return {
            "kl": float((ours.exp() * (ours - theirs)).sum(-1).mean()),
            "same_token": float((ours.argmax(-1) == theirs.argmax(-1)).float().mean()),
            "perplexity_ratio": float((ours - theirs).gather(1, tokens).mean().exp()),
            "tokens": len(tokens),
        }

    @cached_property
    def _weight_bytes(self) -> int:
        """What a step reads of the weights: the decoder's layers and the head."""
        output: Any = self.model.model.get_output_embeddings()
        return output.weight.nbytes + sum(weight.nbytes for weight in self.model.decoder.layers.parameters())

    @cached_property
    def _int8(self) -> LanguageModel:
        if self.model.device.type != "cpu":
            raise InvalidInput("int8 works on a CPU only.")
        model = open_model(self.model_name, "int8", device="cpu")
        model.stop_ids = frozenset()
        return model

    def _axis(self, player: Player, name: str | None) -> Steering:
        """The axis of this name, or the first that fits, or random weights: speed does not depend on them."""
        if name is not None or player.axes:
            steering = player.axis(name or next(iter(player.axes))).steering
            return Steering(
                tuple(replace(m, updates=UPDATES) if isinstance(m, REControl) else m for m in steering.methods)
            )
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            layer = IdentityLayer(self.model)
            for parameter in layer.layer.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.01)
            function = ValueFunction(self.model.width, self.model.width).to(self.model.device).requires_grad_(False)
        return Steering((CLM(layer.requires_grad_(False)), REControl(function, 0.1, UPDATES)))

    def _timed(self, work: Callable[[], object]) -> float:
        """Seconds that `work` takes; on an accelerator, until it is done there too."""
        start = self.clock()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return self.clock() - start

    def _ratio(self, first: Seconds, second: Seconds) -> Numbers:
        return ratio(first, second, self.scale.rounds)

    def _generate(self, new_tokens: int | None = None, static: bool = False) -> float:
        """Seconds that `transformers` needs for a reply of one row."""
        count = new_tokens or self.scale.new_tokens
        return self._timed(lambda: baselines.generate(self.model, PROMPT, count, static))

    def _bandwidth(self) -> float:
        """Bytes a second that all threads together read from memory: the best of a few sums."""
        many = torch.ones(self.scale.floats, device=self.model.device)
        return many.nbytes / min(self._timed(many.sum) for _ in range(5))

    def _base(self) -> Row:
        return Row(messages=conversation(PROMPT))

    def _rows(self, alphas: Sequence[float], prompt: str = PROMPT) -> list[Row]:
        return [Row(messages=conversation(prompt), strengths=(Strength(axis="axis", alpha=alpha),)) for alpha in alphas]

    def _steered(self, prompts: Sequence[str], alphas: Sequence[float], new_tokens: int | None = None) -> Request:
        rows = [row for prompt in prompts for row in self._rows(alphas, prompt)]
        return Request(rows=tuple(rows), max_new_tokens=new_tokens or self.scale.new_tokens)

    def _at_once(self, scheduler: Scheduler, asked: Sequence[Request]) -> None:
        """Answer requests at once, each for a thread of its own."""
        with ThreadPoolExecutor(len(asked)) as people:
            for answer in [people.submit(list, scheduler.run({"axis": self.axis}, request)) for request in asked]:
                answer.result()

    def _decode(
        self,
        rows: Sequence[Row],
        model: LanguageModel | None = None,
        new_tokens: int | None = None,
        axes: Mapping[str, Steering] | None = None,
    ) -> float:
        """Seconds to decode rows from scratch."""
        request = Request(rows=tuple(rows), max_new_tokens=new_tokens or self.scale.new_tokens)
        steered = axes or {"axis": self.axis}
        return self._timed(lambda: [None for _ in decode(model or self.model, steered, request)])

    def _finished(self, alpha: float, tree: PrefixTree | None) -> Finished:
        request = Request(rows=tuple(self._rows([alpha])), max_new_tokens=self.scale.new_tokens)
        events = decode(self.model, {"axis": self.axis}, request, tree)
        return next(event for event in events if isinstance(event, Finished))

    def _text(self, prompt: str, seed: int) -> str:
        """A sampled reply of the base model's, to train on."""
        rows = (Row(messages=conversation(prompt), seed=seed),)
        request = Request(rows=rows, sampling=Sampling(temperature=0.8), max_new_tokens=self.scale.new_tokens * 3 // 4)
        events = decode(self.model, {}, request)
        return next(event.text for event in events if isinstance(event, Finished))


def _spread(count: int) -> list[float]:
    """So many strengths over the range of the sweep."""
    return [NINE[0] + 2.0 * step / max(1, count - 1) for step in range(count)]


def _processor() -> str:
    """The processor's name as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as told:
            names = [line.partition(":")[2].strip() for line in told if line.startswith("model name")]
    except OSError:
        names = []
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"
