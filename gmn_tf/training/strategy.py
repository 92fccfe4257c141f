"""Where a training runs: one device, all GPUs of a machine, or several machines, from one name."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING

from gmn_tf.errors import RunError

if TYPE_CHECKING:
    import tensorflow as tf

STRATEGIES = ("auto", "cpu", "mirrored", "multiworker")


@dataclasses.dataclass(frozen=True)
class Placement:
    """A strategy and what follows from it.

    Attributes:
        strategy: the tf.distribute strategy; TensorFlow's default one on a single device.
        jit_compile: whether XLA may compile the step.
        is_chief: whether this process writes the run folder.
    """

    strategy: tf.distribute.Strategy
    jit_compile: bool
    is_chief: bool = True

    @property
    def replicas(self) -> int:
        """Replicas over all workers."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def distributed(self) -> bool:
        """Whether there is a strategy to speak of, be it with one replica."""
        import tensorflow as tf

        return self.strategy is not tf.distribute.get_strategy()

    @property
    def across_hosts(self) -> bool:
        """Whether several processes train together."""
        import tensorflow as tf

        return isinstance(self.strategy, tf.distribute.MultiWorkerMirroredStrategy)


def place(name: str = "auto", *, replicas: int | None = None, jit_compile: bool | None = None) -> Placement:
    """The placement called `name`; call it before TensorFlow runs anything.

    Args:
        name: "cpu": one CPU device. "mirrored": every GPU, or logical CPU devices where there is none.
            "multiworker": the workers of the environment variable TF_CONFIG, one process each. "auto":
            multiworker where TF_CONFIG names two workers or more, mirrored where there are two GPUs or
            more, otherwise the one device there is.
        replicas: for "mirrored": how many devices to use (default: all GPUs, or 2 logical CPU devices).
        jit_compile: False keeps XLA out, which starts at once and then takes longer per step; by default
            XLA compiles the step wherever it can.

    Raises:
        RunError: an unknown name, no valid TF_CONFIG, or fewer devices than asked for.
    """
    if name not in STRATEGIES:
        raise RunError(f"received strategy {name!r}, expected one of {', '.join(STRATEGIES)}")
    if replicas is not None and (name != "mirrored" or replicas < 1):
        raise RunError(
            f"received replicas={replicas} with strategy {name!r}, expected a positive number with 'mirrored'"
        )
    workers = _workers(required=name == "multiworker")
    if jit_compile is False:
        return dataclasses.replace(place(name, replicas=replicas), jit_compile=False)
    if name == "multiworker" or (name == "auto" and workers > 1):
        return _multiworker()
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        return _mirrored(len(gpus), replicas)
    if name == "cpu" and gpus:
        try:
            tf.config.set_visible_devices([], "GPU")
        except RuntimeError as error:
            raise RunError(f"TensorFlow already uses a GPU ({error}): choose the strategy first") from error
    return Placement(tf.distribute.get_strategy(), jit_compile=True)


def _mirrored(gpus: int, replicas: int | None) -> Placement:
    import tensorflow as tf

    if gpus:
        if replicas is not None and replicas > gpus:
            raise RunError(f"received replicas={replicas}, expected at most the {gpus} GPUs of this machine")
        devices = [f"GPU:{number}" for number in range(replicas or gpus)]
        return Placement(tf.distribute.MirroredStrategy(devices), jit_compile=True)
    number = replicas or 2
    configured = tf.config.LogicalDeviceConfiguration()
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(cpu, [configured] * number)
    except RuntimeError as error:
        if len(tf.config.list_logical_devices("CPU")) < number:
            raise RunError(
                f"TensorFlow already runs with {len(tf.config.list_logical_devices('CPU'))} logical CPU "
                f"devices, expected {number}: choose the strategy before TensorFlow is used"
            ) from error
    devices = [f"CPU:{i}" for i in range(number)]
    # XLA fails across logical CPU devices ("resource on different device").
    return Placement(tf.distribute.MirroredStrategy(devices), jit_compile=False)


def _multiworker() -> Placement:
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    resolver = strategy.cluster_resolver
    is_chief = resolver.task_type in (None, "chief") or (
        resolver.task_type == "worker"
        and resolver.task_id == 0
        and "chief" not in resolver.cluster_spec().as_dict()
    )
    return Placement(strategy, jit_compile=False, is_chief=is_chief)


def _workers(*, required: bool) -> int:
    text = os.environ.get("TF_CONFIG", "")
    if not text and not required:
        return 0
    how = (
        'expected JSON such as {"cluster": {"worker": ["host0:12345", "host1:12345"]}, '
        '"task": {"type": "worker", "index": 0}}'
    )
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        count = len(cluster.get("worker", [])) + len(cluster.get("chief", []))
        cluster[task["type"]][int(task["index"])]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise RunError(
            f"received TF_CONFIG={text!r}, {how}" if text else f"TF_CONFIG is not set, {how}"
        ) from error
    return count
