"""`gmn-tf render`: an implicit neural representation as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmn_tf.commands import console
from gmn_tf.errors import InrError


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command("render")(render)


def render(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="INR", help="A .keras file that maps points (None, 2) to grey or colour values."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.png", help="The picture to write.")],
    size: Annotated[
        str, typer.Option(metavar="PIXELS", help="Pixels a side, or height x width, such as 128x256.")
    ] = "256",
    as_json: console.Json = False,
) -> None:
    """Render the implicit neural representation INR as a picture, at any resolution.

    The picture shows what the network says on the square from -1 to 1, values cut to 0 .. 1. The file is
    loaded in Keras' safe mode: no code from it is run.
    """
    height, width = _sides(size)
    console.start_tensorflow()
    from gmn_tf.inr.pictures import write_png
    from gmn_tf.inr.rendering import render_image

    image = render_image(model, height, width)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_png(out, image)
    if as_json:
        console.print_json(
            {
                "model": str(model),
                "picture": str(out),
                "shape": image.shape,
                "min": image.min(),
                "max": image.max(),
            }
        )
        return
    print(f"{out}: {height} x {width} pixels, values {image.min():.2f} to {image.max():.2f}.")


def _sides(text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    try:
        height, width = int(sides[0]), int(sides[-1])
    except ValueError:
        height = width = 0
    if len(sides) > 2 or height < 1 or width < 1:
        raise InrError(f"Received --size {text}: expected pixels a side such as 256, or 128x256.")
    return height, width
