"""Blocks of edges: broadcasting arrays that expand to columns in C order."""

from __future__ import annotations

import numpy as np
import pytest

from gmn_tf.graph import schema
from gmn_tf.graph.blocks import make_block


def test_a_kernel_block_expands_in_the_order_of_its_weights():
    # Sources 0, 1 along the first axis, targets 5, 6, 7 along the second.
    block = make_block(
        np.array([[0], [1]]), np.array([[5, 6, 7]]), type=2, layer=4, slot=np.arange(10, 16).reshape(2, 3)
    )
    assert (block.shape, block.size) == ((2, 3), 6)
    assert block.column(schema.SOURCE).tolist() == [0, 0, 0, 1, 1, 1]
    assert block.column(schema.TARGET).tolist() == [5, 6, 7, 5, 6, 7]
    assert block.column(schema.SLOT).tolist() == [10, 11, 12, 13, 14, 15]
    assert block.column(schema.TYPE).tolist() == [2] * 6
    assert block.column(schema.LAYER).tolist() == [4] * 6
    assert block.column(schema.KERNEL_POSITION).tolist() == [[schema.NO_POSITION] * 3] * 6


def test_positions_broadcast_and_are_filled_up():
    block = make_block(
        np.zeros((2, 1), int),
        np.array([[1, 2]]),
        type=0,
        layer=0,
        kernel_position=[np.array([[0], [1]]), 7],
        entry_position=[np.array([[3, 4]])],
    )
    assert block.column(schema.KERNEL_POSITION).tolist() == [[0, 7, -1], [0, 7, -1], [1, 7, -1], [1, 7, -1]]
    assert block.column(schema.ENTRY_POSITION).tolist() == [[3, -1, -1], [4, -1, -1]] * 2
    assert block.column(schema.SLOT).tolist() == [schema.NO_SLOT] * 4


def test_a_position_alone_makes_several_edges():
    block = make_block(np.array(0), np.array(1), type=0, layer=0, kernel_position=[np.arange(3)])
    assert block.size == 3 and block.column(schema.SOURCE).tolist() == [0, 0, 0]


def test_a_weight_on_two_edges_is_an_error_of_the_converter():
    with pytest.raises(AssertionError, match="a weight on two edges"):
        make_block(np.zeros((2, 1), int), np.zeros((1, 2), int), type=0, layer=0, slot=np.arange(2))


def test_unknown_columns():
    with pytest.raises(KeyError):
        make_block(np.array([0]), np.array([1]), type=0, layer=0).column("value")
