"""Options that the commands `gmn-tf train TASK` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Out = Annotated[Path, typer.Option(metavar="RUN", help="The run folder; an unfinished run there goes on.")]
Setting = Annotated[
    str,
    typer.Option(
        help="Which of the zoo's splits: all, or one of low_data, wider, unseen_family where it has them."
    ),
]
Strategy = Annotated[
    str,
    typer.Option(
        help="auto (all GPUs of this host, else the processor), mirrored (all GPUs of this host), "
        "multiworker (all hosts that TF_CONFIG lists; start the same command on each), or cpu."
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(help="Passes over the training networks, at most.", show_default="the method's own"),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        help="Networks per step, over all devices together.",
        show_default="the method's own",
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(help="Highest learning rate of the schedule.", show_default="the method's own"),
]
Seed = Annotated[int, typer.Option(help="Decides initial weights and the order of networks.")]
TimeLimit = Annotated[
    float | None,
    typer.Option(help="Seconds after which it stops at the end of an epoch; started again it goes on."),
]
Further = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any other setting of the training or argument of the method's class, such as num_blocks=4 or "
        "'augment={\"noise\": 0.05}'; may be given more than once.",
    ),
]


def given(**values: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}
