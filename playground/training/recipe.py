"""Every number of the training in one place: what `axis train` and `axis invent` do unless told otherwise."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from playground.settings import FURTHEST, Level, Settings, Temperature, TopK, Updates

WORK = "training"
"""The folder inside an axis's folder where the stages keep their work; not needed once the card is written."""

Stage = Literal["pairs", "reward", "layer", "refinement", "rollouts", "value", "calibration", "card"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""What a training does, in this order; it can be stopped after any of them."""

Factor = Annotated[float, Field(gt=0, le=100)]
"""What a layer or a step size is multiplied by, so that the outcome stays far within what a request may ask."""


class Recipe(Settings):
    """Settings of all stages. Defaults suit a model of about 135 million weights on two cores."""

    seed: int = Field(default=0, ge=0, lt=2**31, description="Fixes every draw: noise, order, initial weights.")
    development_share: float = Field(default=0.15, gt=0, lt=1, description="Share of prompts kept for checking.")
    judge_share: float = Field(
        default=0.3, gt=0, lt=1, description="Share of pairs kept for the judge, where it has none of its own."
    )
    pairs: int = Field(default=240, ge=8, description="At most this many pairs are trained on, chosen by hash.")

    samples: int = Field(
        default=4, ge=1, description="Replies invented for each prompt and side; the better half is paired."
    )
    invent_keep: float = Field(
        default=0.6, gt=0, le=1, description="Share of invented pairs kept: those that tell most."
    )
    invent_tokens: int = Field(default=48, ge=8, description="Length of an invented reply, in tokens.")
    invent_temperature: Temperature = Field(default=0.8, gt=0, description="Temperature of invented replies.")
    invent_top_k: TopK = Field(
        default=40, description="Invented replies take only the k likeliest tokens; 0 takes all."
    )

    distil_prompts: int = Field(default=96, ge=1, description="Prompts whose replies teach the contrast.")
    distil_tokens: int = Field(default=40, ge=8, description="Length of these replies, in tokens.")
    distil_strength: float = Field(
        default=5.0, gt=0, description="How strong a contrast of the two descriptions the layer is taught."
    )
    distil_steps: int = Field(
        default=0, ge=0, description="Steps in which it learns the contrast before it learns of pairs; 0 for none."
    )
    distil_learning_rate: float = Field(default=4e-4, gt=0, description="Of these steps.")

    ridge: float = Field(default=0.01, gt=0, description="Ridge penalty of the reward head.")

    pair_tokens: int = Field(default=64, ge=1, description="The layer learns from each reply up to this many tokens.")
    learning_rate: float = Field(
        default=2e-4, gt=0, description="Of the identity layer (Adam, short warm-up, linear decay)."
    )
    beta: float = Field(default=0.05, gt=0, description="DPO's beta: how dear it is to move away from the base.")
    anchor: float = Field(
        default=0.1, ge=0, description="Weight of the KL to the base, in nats per token, in the loss."
    )
    likelihood: float = Field(
        default=0.0, ge=0, description="Weight of the preferred replies' likelihood, in nats per token, in the loss."
    )
    opposite: float = Field(
        default=1.0, ge=0, description="Weight of the loss at alpha -1, preference reversed; 0 trains alpha 1 alone."
    )
    batch: int = Field(default=8, ge=1, description="Pairs in a step.")
    steps: int = Field(default=60, ge=1, description="Most steps of the identity layer.")
    check_every: int = Field(
        default=15, ge=1, description="Steps between checks, each a candidate for the layer that is kept."
    )
    most_perplexity: float = Field(
        default=1.35, gt=1, description="Guard: perplexity at strength 1 over the base's own."
    )
    least_diversity: float = Field(
        default=0.92, gt=0, le=1, description="Guard: diversity at strength 1 over the base's own."
    )
    least_relevance: float = Field(
        default=0.97,
        ge=0,
        le=1,
        description="Guard: how often a reply fits its own prompt rather than others, over the base's own.",
    )
    refine_rounds: int = Field(
        default=3, ge=0, description="Most rounds on with the steered model's own best and worst replies."
    )
    refine_steps: int = Field(default=40, ge=1, description="Steps of the identity layer in each round.")
    refine_learning_rate: float = Field(default=1e-4, gt=0, description="Of these steps.")
    contrast_prompts: int = Field(default=80, ge=1, description="Prompts answered in each round, others in each.")
    contrast_samples: int = Field(
        default=8, ge=4, description="Replies to each; the best quarter is paired with the worst, by reward."
    )
    guard_prompts: int = Field(default=32, ge=1, description="Prompts answered at each end at each check.")
    scales: tuple[Factor, ...] = Field(
        default=(0.15, 0.2, 0.3, 0.45, 0.6, 0.7, 0.8, 0.9, 1.2, 1.4, 1.7),
        description="What the fitted layer adds is multiplied by 1 or the one of these that has the highest reward and "
        "passes the guard: alpha 1 is as strong as stays fluent.",
    )
    scale_prompts: int = Field(default=32, ge=1, description="Prompts answered at each end for each scale.")
    room: float = Field(
        default=1.25,
        ge=1,
        le=FURTHEST,
        description="The alpha up to which replies stay in the tested range; it bounds the last scale.",
    )
    room_scales: tuple[Factor, ...] = Field(
        default=(0.95, 0.9, 0.85, 0.8, 0.7), description="What the layer is multiplied by until they do."
    )

    rollouts: int = Field(
        default=640,
        ge=16,
        description="Replies, half of them steered, that the value function learns from beside the first round's.",
    )
    reply_tokens: int = Field(default=48, ge=8, description="Length of the replies learnt from, in tokens.")
    rollout_temperature: Temperature = Field(default=0.8, gt=0, description="Temperature of rollouts.")
    discount_lambda: float = Field(
        default=0.95, ge=0, le=1, description="TD(lambda): 1 waits for the reward, 0 trusts V."
    )
    hidden: int = Field(default=256, ge=1, description="Width of the value function.")
    value_learning_rate: float = Field(default=1e-3, gt=0, description="Of the value function (AdamW).")
    value_epochs: int = Field(default=25, ge=1, description="Most passes over the rollouts.")
    reach: float = Field(
        default=0.22,
        gt=0,
        description="How far the climb of control 1 goes while V learns, as a share of a state's length.",
    )
    climb: float = Field(
        default=1.0,
        ge=0,
        description="Weight of the KL from the aligned choice to the climb's; 0 leaves V's slope to the rewards.",
    )
    climb_steps: int = Field(default=200, ge=1, description="Steps in which V's slope is fitted.")
    weight_decay: float = Field(default=0.05, ge=0, description="Of the value function.")

    updates: Updates = Field(default=30, ge=1, description="Gradient steps per token at control 1.")
    step_factors: tuple[Factor, ...] = Field(
        default=(0.6, 0.4, 0.8, 1.0, 0.3, 1.3, 1.6),
        min_length=1,
        description="Step sizes tried, as multiples of the one V learnt with, the likeliest first in case time ends.",
    )
    measured_prompts: int = Field(default=40, ge=2, description="Development prompts behind each measured point.")
    measured_tokens: int = Field(
        default=128,
        ge=8,
        description="Length, in tokens, of the replies that checks and the curve are read from: a paragraph.",
    )
    measured_temperature: Temperature = Field(default=0.7, description="Temperature of measured replies.")
    alphas: tuple[Level, ...] = Field(
        default=(-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.1, 1.25, 1.5, 2, 2.5, 3)
    )
    controls: tuple[Level, ...] = Field(default=(-1, -0.5, 0.5, 1, 1.5, 2))
    safe_perplexity: float = Field(
        default=1.5, gt=1, description="Where the tested range ends: perplexity over the base's own."
    )
    safe_diversity: float = Field(
        default=0.9, gt=0, le=1, description="Where the tested range ends: diversity over the base's."
    )

    @property
    def grids(self) -> dict[str, tuple[float, ...]]:
        """What the card's curve is measured at along each slider that is trained, the others at 0."""
        return {"alpha": self.alphas, "control": self.controls}


WARM_UP = 10


def schedule(step: int, steps: int) -> float:
    """Share of the learning rate: a short warm-up, then linear down to a tenth."""
    return min((step + 1) / WARM_UP, 1 - 0.9 * step / steps)
