"""A small population, generated once for all tests of the zoo."""

from __future__ import annotations

import pytest

from gmn_tf.zoo.data import Data, load_data
from gmn_tf.zoo.generate import generate_zoo
from gmn_tf.zoo.store import Zoo

SIZE, KERAS_FILES, SEED = 4, 2, 5


@pytest.fixture(scope="session")
def digits() -> Data:
    return load_data("digits")


@pytest.fixture(scope="session")
def small_zoo(tmp_path_factory) -> Zoo:
    path = tmp_path_factory.mktemp("zoo") / "small"
    return generate_zoo(path, size=SIZE, seed=SEED, keras_files=KERAS_FILES, workers=2)
