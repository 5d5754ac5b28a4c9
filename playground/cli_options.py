"""Options that mean the same in several commands."""

from typing import Annotated

import typer

Model = Annotated[
    str, typer.Option("--model", metavar="NAME", help="smollm2, tiny, a folder, or a Hub id owner/name[@revision].")
]
Dtype = Annotated[
    str,
    typer.Option(
        "--dtype", metavar="TYPE", help="auto (the fast one of float32 and bfloat16), either, float16, or int8."
    ),
]
