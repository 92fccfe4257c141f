"""A zoo of INRs of waves that nobody fitted: amplitude is the size of the last kernel, which labels tell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from gmn_tf.inr.architecture import InrArchitecture
from gmn_tf.zoo import files, store
from gmn_tf.zoo.store import Zoo

ARCHITECTURE = InrArchitecture(hidden=(4, 3), num_inputs=1, output_shift=0.0)
SPLITS = ["train"] * 48 + ["validation"] * 16 + ["test"] * 16


def write(folder: Path) -> Zoo:
    """Makes the zoo: `label` is 0, 1 or 2 for small, medium and large amplitudes."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(5)
    number = len(SPLITS)
    flat = ARCHITECTURE.initial(number, seed=0)
    label = generator.integers(0, 3, number)
    amplitude = (np.array([0.5, 2.5, 9.0])[label] * generator.uniform(0.8, 1.2, number)).astype(np.float32)
    frequency = generator.uniform(0, 10, number).astype(np.float32)
    last = ARCHITECTURE.variables()[-2]
    kernel = slice(flat.shape[1] - 1 - last.size, flat.shape[1] - 1)
    flat[:, kernel] *= (0.2 + amplitude)[:, np.newaxis]
    flat[:, : ARCHITECTURE.hidden[0]] *= (0.2 + frequency)[:, np.newaxis]
    rows = [
        {
            "network": i,
            "architecture": 0,
            "row": i,
            "split": split,
            "label": int(label[i]),
            "amplitude": float(amplitude[i]),
            "frequency": float(frequency[i]),
        }
        for i, split in enumerate(SPLITS)
    ]
    files.write_array(folder / files.weights_file(0), flat)
    files.write_table(folder / files.TABLE, rows)
    model = ARCHITECTURE.keras_model(name="siren")
    files.write_json(folder / files.ARCHITECTURES, [json.dumps(json.loads(model.to_json()))])
    names = [files.TABLE, files.ARCHITECTURES, files.weights_file(0)]
    manifest = {
        "format_version": store.FORMAT_VERSION,
        "family": "siren",
        "data": {"name": "sine", "hash": "0"},
        "seed": 5,
        "recipe": {"kind": "waves", "data": "sine", "architectures": [ARCHITECTURE.to_dict()]},
        "files": {name: files.fingerprint(folder / name) for name in names},
    }
    files.write_json(folder / files.MANIFEST, manifest)
    return Zoo.load(folder)
