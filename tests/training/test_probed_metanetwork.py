"""The metanetwork beside learnt probes; `test_methods` trains, stores and opens it."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.errors import ZooError
from gmn_tf.training.probed_metanetwork import ProbedMetanetwork

WIDTHS = {"num_blocks": 1, "node_dim": 4, "edge_dim": 4, "message_dim": 4, "readout_dim": 4}


@pytest.fixture(scope="module")
def fitted(zoo):
    method = ProbedMetanetwork(
        probes=4, probe_epochs=2, head_epochs=4, epochs=3, hidden_dim=8, metanetwork=WIDTHS
    )
    return method.fit(zoo, zoo.indices("train"))


def test_every_part_has_a_history_and_the_best_epoch_is_kept(fitted):
    parts = [row["part"] for row in fitted.history]
    assert parts == ["probes"] * 2 + ["head"] * 4 + ["metanetwork"] * 4
    losses = [row["validation_loss"] for row in fitted.history[-4:]]
    assert fitted.settings["best_epoch"] == int(np.argmin(losses))
    alone = [min(row["validation_loss"] for row in fitted.history[part]) for part in (slice(2), slice(2, 6))]
    assert losses[0] <= min(alone) + 1e-6  # the mixture is no worse than either
    assert fitted.settings["probes"]["epochs"] == 2


def test_graph_and_answers_both_count(fitted, zoo, monkeypatch):
    test = zoo.indices("test")
    predictions = fitted.predict(zoo, test)
    answers = fitted._probes.answers(zoo, test)
    assert answers.shape == (len(test), fitted._probes.num_features)
    monkeypatch.setattr(fitted._probes, "answers", lambda zoo, indices: answers[::-1])
    assert np.abs(fitted.predict(zoo, test) - predictions).max() > 1e-4
    monkeypatch.undo()
    fitted._model._step.assign(1.0)
    predictions = fitted.predict(zoo, test)
    readout = fitted._model.metanetwork._readout[0]._output
    kept = readout.get_weights()
    readout.set_weights([kept[0] + 1.0, kept[1]])
    assert np.abs(fitted.predict(zoo, test) - predictions).max() > 1e-4
    readout.set_weights(kept)
    np.testing.assert_allclose(fitted.predict(zoo, test), predictions)


def test_a_damaged_state_is_refused(fitted):
    state = fitted.get_state()
    with pytest.raises(ZooError, match="without 'config'"):
        ProbedMetanetwork.from_state({k: v for k, v in state.items() if k != "config"})
    state["weight_0003"] = state["weight_0003"][..., np.newaxis]
    with pytest.raises(ZooError, match="do not fit its settings"):
        ProbedMetanetwork.from_state(state)


def test_what_was_not_fitted_is_refused(zoo):
    with pytest.raises(ZooError, match="not fitted"):
        ProbedMetanetwork().predict(zoo, zoo.indices("test"))
