"""The projector's files, read back as TensorBoard's plugin reads them."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.errors import RunError
from gmn_tf.training.projector import CONFIG, write_projector

VECTORS = np.array([[1.5, -2.0], [0.25, 3e-7], [1e6, 0.0]])
FACTS = {"network": np.array([4, 5, 9]), "amplitude": np.array([0.5, 1.25, 9.0], np.float32)}


def test_the_plugin_reads_what_was_written(tmp_path):
    from google.protobuf import text_format
    from tensorboard.plugins.projector import ProjectorConfig, projector_plugin

    write_projector(tmp_path / "logs", VECTORS, FACTS, name="waves")
    config = text_format.Parse((tmp_path / "logs" / CONFIG).read_text(), ProjectorConfig())
    (embedding,) = config.embeddings
    assert embedding.tensor_name == "waves"
    path = projector_plugin._rel_to_abs_asset_path(embedding.tensor_path, str(tmp_path / "logs" / CONFIG))
    np.testing.assert_allclose(projector_plugin._read_tensor_tsv_file(path), VECTORS, rtol=1e-5)
    lines = (tmp_path / "logs" / embedding.metadata_path).read_text().splitlines()
    assert lines == ["network\tamplitude", "4\t0.5", "5\t1.25", "9\t9"]
    assert not list(tmp_path.rglob(".*"))


def test_one_fact_has_no_heading(tmp_path):
    write_projector(tmp_path, VECTORS, {"word": np.array(["a", "b\tc", "d"])})
    assert (tmp_path / "facts.tsv").read_text() == "a\nb c\nd\n"


def test_wrong_rows_are_refused(tmp_path):
    with pytest.raises(RunError, match="received 2 values of network for 3 vectors"):
        write_projector(tmp_path, VECTORS, {"network": np.arange(2)})
    for vectors, facts in ((np.zeros((0, 2)), FACTS), (VECTORS, {})):
        with pytest.raises(RunError, match="expected a matrix, and one fact or more"):
            write_projector(tmp_path, vectors, facts)
