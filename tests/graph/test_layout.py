"""The flat vector of a model's weights, and back."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.errors import ConversionError
from gmn_tf.graph.layout import make_layout

SPECS = [
    ("d/kernel", (2, 3), "float32", True),
    ("n/count", (), "int64", False),
    ("n/scale", (), "float32", True),
    ("d/bias", (3,), "bfloat16", True),
]


def arrays():
    return [
        np.arange(6.0, dtype=np.float32).reshape(2, 3),
        np.array(7),
        np.float32(8.0),
        np.array([9.0, 10.0, 11.0]),
    ]


def test_floats_lie_one_after_another_and_integers_nowhere():
    layout = make_layout(SPECS)
    assert [spec.offset for spec in layout.specs] == [0, -1, 6, 7]
    assert [spec.is_state for spec in layout.specs] == [False, True, False, False]
    assert [spec.size for spec in layout.specs] == [6, 1, 1, 3]
    assert (layout.size, layout.dtype) == (10, np.float32)
    assert layout.flatten(arrays()).tolist() == [0, 1, 2, 3, 4, 5, 8, 9, 10, 11]


def test_unflatten_is_the_inverse_in_shape_value_and_dtype():
    layout = make_layout(SPECS)
    back = layout.unflatten(layout.flatten(arrays()), arrays())
    assert [np.shape(a) for a in back] == [(2, 3), (), (), (3,)]
    assert [a.dtype.name for a in back] == ["float32", "int64", "float32", "bfloat16"]
    for got, want in zip(back, arrays(), strict=True):
        np.testing.assert_array_equal(np.asarray(got, float), np.asarray(want, float))
    back[0][...] = 0
    assert layout.flatten(arrays())[1] == 1, "the arrays are copies"


def test_one_double_makes_the_whole_vector_double():
    assert make_layout([*SPECS, ("w", (1,), "float64", True)]).dtype == np.float64


def test_state_needs_a_base():
    layout = make_layout(SPECS)
    with pytest.raises(ConversionError, match=r"integer state in 'n/count', .* pass .* as `base`"):
        layout.unflatten(np.zeros(10, np.float32), None)


@pytest.mark.parametrize(
    "path, dtype, trainable",
    [("d/kernel", "int8", False), ("d/x", "int8", True), ("d/k", "float8_e4m3fn", True)],
)
def test_quantised_weights_are_refused_with_the_way_out(path, dtype, trainable):
    with pytest.raises(ConversionError, match=rf"'{path}' is quantised \({dtype}\).*before it is quantised"):
        make_layout([(path, (2,), dtype, trainable)])


def test_what_does_not_fit_is_said():
    layout = make_layout(SPECS)
    with pytest.raises(ConversionError, match="received 1 weight arrays, but this architecture has 4"):
        layout.flatten(arrays()[:1])
    with pytest.raises(ConversionError, match=r"'d/bias' has shape \(4,\), but this architecture has \(3,\)"):
        layout.flatten([*arrays()[:3], np.zeros(4)])


def test_no_weights_at_all():
    layout = make_layout([])
    assert layout.size == 0 and layout.flatten([]).shape == (0,) and layout.unflatten(np.zeros(0), None) == []
