"""The command `gmn-tf`: its commands are in `gmn_tf.commands`, what users get to see of errors is here.

Exit code 0 is success and 2 bad input, with one sentence on stderr and no traceback; anything else is a bug
and shows its traceback.
"""

from __future__ import annotations

import errno
import sys
from typing import Annotated, NoReturn

import typer
from typer.core import TyperGroup

import gmn_tf
from gmn_tf.commands import editing, inrs, learning, models, populations, ranking, serving, training
from gmn_tf.errors import GmnError

NO_SPACE = "No space left on device"

_ORDER = ["inspect", "check", "zoo", "train", "evaluate", "export", "predict", "edit", "rank", "render"]


class _Commands(TyperGroup):
    """Lists the commands in the order they are used in."""

    def list_commands(self, ctx: object) -> list[str]:
        return sorted(self.commands, key=_ORDER.index)


app = typer.Typer(
    name="gmn-tf",
    cls=_Commands,
    rich_markup_mode="markdown",
    help="Graph metanetworks: predict how well a neural network does, from its weights alone.",
    epilog="Start with: gmn-tf zoo, gmn-tf train accuracy, gmn-tf evaluate, gmn-tf export, gmn-tf predict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for commands in (models, populations, training, learning, editing, serving, ranking, inrs):
    commands.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        print(gmn_tf.__version__)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Graph metanetworks: predict how well a neural network does, from its weights alone."""


def main() -> None:
    """Runs the command line and exits; the entry point of the console script."""
    try:
        app(prog_name="gmn-tf")
    except GmnError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        print("gmn-tf: stopped.", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        if _no_space(error):
            _fail(f"{NO_SPACE}: free some, or choose a folder on another disk.")
        if isinstance(error, OSError) and error.strerror:
            where = f"{error.filename}: " if error.filename else ""
            _fail(f"{where}{error.strerror}.")
        raise


def _no_space(error: BaseException | None) -> bool:
    """Whether a full disk is behind this error: HDF5 and TensorFlow report it in words alone."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or NO_SPACE in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _fail(sentence: str) -> NoReturn:
    text = " ".join(sentence.split()).rstrip(".")
    print(f"gmn-tf: {text}.", file=sys.stderr)
    raise SystemExit(2)
