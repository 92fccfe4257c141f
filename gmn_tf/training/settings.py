"""What defines a training run; it is written into the run's folder and compared when it goes on."""

from __future__ import annotations

import dataclasses
from typing import Any

from gmn_tf.errors import RunError
from gmn_tf.inr.augmentation import InrAugmentation
from gmn_tf.models.registry import ACCURACY, METHODS, is_method, method

CHANNELS = 9
"""Values that an edge of the default metanetwork carries: a 3 x 3 kernel is one edge."""

METHOD, ALL = "gmn", "all"
"""The default method, and the default setting: all networks of a zoo, as its table splits them."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of a run. `Settings.of(name, task)` has the defaults of a task's method.

    Attributes:
        method: what is trained, a name of `gmn_tf.models.registry.methods(task)`.
        setting: which of the zoo's splits into train, validation and test (`Zoo.settings`).
        epochs: passes over the training networks at most.
        batch_size: networks in a global batch.
        learning_rate: peak of the schedule: a linear rise over `warmup` of all steps, then half a cosine
            to 0.
        warmup: share of all steps.
        weight_decay: of AdamW; 0 for none.
        clip_norm: gradients are scaled down to this global norm; 0 for never.
        averaging: momentum of the exponential moving average of the weights, which is what is judged
            and kept; 0 for none.
        patience: epochs without a better validation loss after which training stops; 0 for never.
        seed: of the initial weights and of the shuffling.
        augment: how every epoch shows each network changed at random: True for mirrored and turned (its
            kernels, `gmn_tf.training.augment`), or a mapping of fields of
            `gmn_tf.inr.augmentation.InrAugmentation` for a zoo of INRs; False for not at all.
        channels: values an edge may carry; 1 gives every parameter an edge of its own.
        model: arguments of the method's class.
    """

    method: str = METHOD
    setting: str = ALL
    epochs: int = 24
    batch_size: int = 8
    learning_rate: float = 3e-3
    warmup: float = 0.1
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    averaging: float = 0.99
    patience: int = 10
    seed: int = 0
    augment: bool | dict[str, float] = True
    channels: int = CHANNELS
    model: dict[str, Any] = dataclasses.field(default_factory=lambda: dict(METHODS[METHOD].model))

    @classmethod
    def of(cls, name: str = METHOD, task: str = ACCURACY, **changes: Any) -> Settings:
        """The default settings of a task's method, single fields replaced.

        Raises:
            RunError: there is no such method, or a value is out of range.
        """
        entry = method(name, task)
        fields: dict[str, Any] = {**entry.settings, "model": dict(entry.model), **changes}
        return cls(method=name, **fields)

    def __post_init__(self) -> None:
        if not is_method(self.method):
            method(self.method)
        if not isinstance(self.augment, bool):
            InrAugmentation.of(self.augment)
        checks = {
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 1,
            "learning_rate": self.learning_rate > 0,
            "warmup": 0 <= self.warmup < 1,
            "weight_decay": self.weight_decay >= 0,
            "clip_norm": self.clip_norm >= 0,
            "averaging": 0 <= self.averaging < 1,
            "patience": self.patience >= 0,
            "channels": self.channels >= 1,
        }
        expected = {
            "learning_rate": "more than 0",
            "warmup": "a share from 0 to below 1",
            "averaging": "a momentum from 0 to below 1",
            "epochs": "1 or more",
            "batch_size": "1 or more",
            "channels": "1 or more",
        }
        for name, holds in checks.items():
            if not holds:
                raise RunError(
                    f"received {name}={getattr(self, name)}, expected {expected.get(name, '0 or more')}"
                )

    def learning_rate_at(self, step: int, total: int) -> float:
        """The learning rate of step `step` of `total`, as `schedule` has it."""
        import math

        rise = round(self.warmup * total)
        if step < rise:
            return self.learning_rate * step / rise
        return (
            self.learning_rate
            * 0.5
            * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, total - rise))))
        )


def optimizer(settings: Settings, total_steps: int, *, jit_compile: bool) -> Any:
    """AdamW under the schedule, with the moving average of the weights. All its state is in `variables`."""
    import tf_keras

    rise = round(settings.warmup * total_steps)
    schedule = tf_keras.optimizers.schedules.CosineDecay(
        0.0 if rise else settings.learning_rate,
        decay_steps=max(1, total_steps - rise),
        warmup_target=settings.learning_rate if rise else None,
        warmup_steps=rise,
    )
    return tf_keras.optimizers.AdamW(
        schedule,
        weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm or None,
        use_ema=settings.averaging > 0,
        ema_momentum=settings.averaging or 0.99,
        jit_compile=jit_compile,
    )
