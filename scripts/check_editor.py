"""Checks an exported editor where only TensorFlow and numpy are installed.

    python scripts/check_editor.py savedmodels/NAME

Edits the networks in NAME/check through the signature `weights` (flat weights in the order of Keras'
`get_weights()`) and compares with the answers stored beside them. Prints one JSON object; exit code 0 if they
agree within 1e-5.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

TOLERANCE = 1e-5


def main(folder: str) -> int:
    path = Path(folder)
    loaded = tf.saved_model.load(str(path))
    before = np.load(path / "check" / "weights.npy", allow_pickle=False)
    expected = np.load(path / "check" / "edited.npy", allow_pickle=False)
    served = loaded.signatures["weights"](weights=tf.constant(before))["weights"].numpy()
    apart = float(np.abs(served - expected).max())
    print(
        json.dumps(
            {
                "networks": len(before),
                "largest_difference": apart,
                "largest_change": float(np.abs(expected - before).max()),
                "modules": sorted({"gmn_tf", "tensorflow_gnn"} & set(sys.modules)),
            }
        )
    )
    return 0 if apart < TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
