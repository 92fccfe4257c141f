"""Generates a population, architecture by architecture, so that a killed run goes on where it stopped.

`gmn_tf.zoo.unfinished` says how.
"""

from __future__ import annotations

import os

from gmn_tf.zoo import unfinished
from gmn_tf.zoo.assemble import assemble
from gmn_tf.zoo.data import load_data
from gmn_tf.zoo.plan import Plan
from gmn_tf.zoo.store import Zoo
from gmn_tf.zoo.unfinished import Progress


def generate_zoo(
    path: str | os.PathLike[str],
    *,
    family: str = "cnn",
    data: str = "digits",
    size: int = 1400,
    seed: int = 0,
    workers: int | None = None,
    keras_files: int = 0,
    progress: Progress | None = None,
) -> Zoo:
    """Trains a population and stores it as a zoo; goes on where an earlier call was stopped.

    Args:
        path: the folder to make. A finished zoo of the same plan there is opened and answered at once.
        family: "cnn", "varying_cnns", "diverse" (all families, equal shares), or another family's name; see
            `gmn_tf.zoo.recipe.populations`.
        data: see `gmn_tf.zoo.data.load_data`.
        size: number of networks in the three splits, at least 3; of 1,400, 1,000 are for training, 100 for
            validation and 300 for test, of 5,000 they are 4,000, 300 and 700; see `recipe.split_names`.
        seed: decides everything: architectures, hyper-parameters, weights, batches, splits.
        workers: processes to train in, each on one processor; by default one per processor. The number does
            not change the result.
        keras_files: so many further networks, in no split, are trained and written to `path/keras/` as
            `.keras` files, with their accuracies in `path/keras/accuracies.csv`.
        progress: called when training starts and after every part.

    Raises:
        ZooError: a bad argument; `path` holds something else; the disk is full. What was finished before
            stays in `PATH.partial` and is used by the next call.
    """
    loaded = load_data(data)
    plan = Plan(family, data, loaded.hash, size, seed, keras_files)
    return unfinished.make_zoo(
        path,
        plan,
        sizes=[len(plan.indices(architecture)) for architecture in range(plan.num_architectures)],
        module="gmn_tf.zoo.parts",
        assemble=assemble,
        workers=workers,
        progress=progress,
    )
