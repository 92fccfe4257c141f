"""Folders of state dicts: read by hand-worked rules, pickles refused with a way out."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from gmn_tf.errors import InrError
from gmn_tf.inr import targets
from gmn_tf.inr.architecture import InrArchitecture
from gmn_tf.inr.published import import_inrs
from gmn_tf.inr.state_dicts import layers_of, read_state_dict


def _state(seed: int, *, pattern: str = "seq.{}", width: int = 3) -> dict[str, np.ndarray]:
    """A SIREN 2-width-width-1 as PyTorch has it: weights [out, in]."""
    rng = np.random.default_rng(seed)
    sizes, state = [2, width, width, 1], {}
    for number in range(3):
        name = pattern.format(number)
        state[f"{name}.weight"] = rng.normal(scale=0.1, size=(sizes[number + 1], sizes[number])).astype("f4")
        state[f"{name}.bias"] = rng.normal(scale=0.1, size=sizes[number + 1]).astype("f4")
    return state


def _torch_siren(state: dict[str, np.ndarray], points: np.ndarray) -> np.ndarray:
    """What the network says, as PyTorch computes it."""
    x = points
    for number in range(2):
        x = np.sin(30.0 * (x @ state[f"seq.{number}.weight"].T + state[f"seq.{number}.bias"]))
    return x @ state["seq.2.weight"].T + state["seq.2.bias"] + 0.5


def _safetensors(arrays: dict[str, np.ndarray]) -> bytes:
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in arrays.items():
        place = [len(data), len(data) + array.nbytes]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": place}
        data += array.astype("<f4").tobytes()
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def _folder(path, number=6):
    for index in range(number):
        side = "testing" if index >= number - 2 else "training"
        place = path / f"mnist_png_{side}_{index % 3}_{100 + index}"
        place.mkdir(parents=True)
        if index % 2:
            np.savez(place / "model_final.npz", **_state(index))
        else:
            (place / "model_final.safetensors").write_bytes(_safetensors(_state(index)))
    return path


def test_a_folder_becomes_a_zoo(tmp_path):
    zoo = import_inrs(_folder(tmp_path / "inrs"), tmp_path / "zoo")
    assert len(zoo) == 6 and targets.architecture_of(zoo) == InrArchitecture(hidden=(3, 3))
    points = np.random.default_rng(0).uniform(-1, 1, (5, 2)).astype(np.float32)
    for index in range(6):
        number = int(zoo.table["file"][index].split("/")[0].rsplit("_", 1)[1]) - 100
        assert zoo.table["label"][index] == number % 3
        assert (zoo.table["split"][index] == "test") == (number >= 4)
        expected = _torch_siren(_state(number), points)
        np.testing.assert_allclose(zoo.model(index).predict_on_batch(points), expected, atol=1e-5)
    assert len(zoo.indices("validation")) == 1
    with pytest.raises(InrError, match="does not say what its INRs"):
        targets.images_of(zoo)
    with pytest.raises(InrError, match="exists: choose another folder"):
        import_inrs(tmp_path / "inrs", tmp_path / "zoo")


def test_waves_bring_their_coefficients(tmp_path):
    for index in range(4):
        extra = {"coef": np.array([index, 0.5]), "x": np.zeros(9), "y": np.zeros(9)}
        np.savez(tmp_path / f"model_{index}.npz", **_state(index), **extra)
    zoo = import_inrs(tmp_path, tmp_path.parent / "waves")
    np.testing.assert_array_equal(zoo.table["amplitude"], [0, 1, 2, 3])
    np.testing.assert_array_equal(zoo.table["frequency"], [0.5] * 4)
    assert "label" not in zoo.table and len(zoo.indices("test")) == 1


def test_names_of_other_code_are_read():
    state = _state(0, pattern="net.{}.linear")
    state["net.2.weight"], state["net.2.bias"] = (
        state.pop("net.2.linear.weight"),
        state.pop("net.2.linear.bias"),
    )
    weights, other = layers_of(state, "x.npz")
    assert [w.shape for w in weights] == [(2, 3), (3,), (3, 3), (3,), (3, 1), (1,)] and not other
    np.testing.assert_array_equal(weights[2], state["net.1.linear.weight"].T)


def test_pickles_are_refused_with_a_way_out(tmp_path):
    (tmp_path / "model_final.pth").write_bytes(pickle.dumps({"seq.0.weight": np.zeros((2, 2))}))
    with pytest.raises(InrError, match=r"holds 1 files such as .pth: these are pickled.*numpy.savez"):
        import_inrs(tmp_path, tmp_path / "zoo")
    with pytest.raises(InrError, match="would run what is in it"):
        read_state_dict(tmp_path / "model_final.pth")
    np.savez(tmp_path / "inside.npz", seq=np.array([{}], dtype=object))
    with pytest.raises(InrError, match=r"no readable .npz file of plain numbers"):
        read_state_dict(tmp_path / "inside.npz")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s.pop("seq.1.bias"), "layer 1 has no weight"),
        (lambda s: s.update({"seq.1.weight": np.zeros((3, 4))}), "layer 1 takes 4 inputs after 3 outputs"),
        (lambda s: s.update(extra=np.zeros(2)), "holds 'extra', which is not known"),
        (lambda s: [s.pop(name) for name in list(s) if "seq.0" not in name], "has 1 linear layers"),
        (lambda s: s.update({"seq.0.bias": np.full(3, np.nan)}), "holds NaN"),
        (lambda s: s.update(_state(0, width=5)), r"has hidden layers \(5, 5\)"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, spoil, message):
    folder = _folder(tmp_path / "inrs")
    state = _state(9)
    spoil(state)
    np.savez(folder / "z.npz", **state)
    with pytest.raises(InrError, match=message):
        import_inrs(folder, tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()


def test_a_file_cut_short_is_told(tmp_path):
    content = _safetensors(_state(0))
    for number, cut in enumerate((4, 40, len(content) - 3)):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(content[:cut])
        with pytest.raises(InrError, match=r"no readable .safetensors file"):
            read_state_dict(path)


def test_a_folder_without_inrs_is_told(tmp_path):
    with pytest.raises(InrError, match=r"holds 0 .npz or .safetensors files, expected three or more INRs"):
        import_inrs(tmp_path, tmp_path / "zoo")
    with pytest.raises(InrError, match="is no folder"):
        import_inrs(tmp_path / "nowhere", tmp_path / "zoo")
