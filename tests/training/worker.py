"""One training process for the tests: `python worker.py ZOO OUT JSON`.

JSON holds the arguments of `train_accuracy`, and "kill": [epoch, batch] to die by SIGKILL there.
"""

from __future__ import annotations

import json
import os
import signal
import sys

import gmn_tf  # noqa: F401  isort: skip

from gmn_tf.training import keeper
from gmn_tf.training.fit import train_accuracy


def main() -> None:
    zoo, out, text = sys.argv[1:]
    arguments = json.loads(text)
    kill = arguments.pop("kill", None)
    if kill:
        seen = {"epoch": 0}

        def begin(self, epoch, logs=None):
            seen["epoch"] = epoch

        def die(self, batch, logs=None):
            if [seen["epoch"], batch] == kill:
                os.kill(os.getpid(), signal.SIGKILL)

        keeper.Keeper.on_epoch_begin = begin
        keeper.Keeper.on_train_batch_end = die
    print(json.dumps(train_accuracy(zoo, out, progress=False, **arguments)))


if __name__ == "__main__":
    main()
