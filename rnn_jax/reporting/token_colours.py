"""A text on a terminal, each token in the colour of its surprise."""

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.text import Text

from rnn_jax.reporting.formatting import printable

# From what was expected to what was not, in nats: each background up to its bound.
SCALE = ((0.5, ""), (1.5, "on #3a3000"), (3.0, "on #5a4000"), (5.0, "on #803800"), (8.0, "on #a02020"))
BEYOND = "bold on #d00050"


def style_of(nats: float) -> str:
    """The style of a token that surprised by so much; none where it was expected."""
    return next((style for bound, style in SCALE if nats <= bound), BEYOND)


def show(tokens: Sequence[str], surprises: np.ndarray) -> None:
    """Prints tokens with their surprises [tokens], in nats, and what the colours mean."""
    console = Console(highlight=False, markup=False, emoji=False)
    text = Text()
    for token, nats in zip(tokens, surprises, strict=True):
        style = style_of(float(nats))
        # Of a line's end that surprised, the colour would be lost.
        ends_line = style and token.startswith("\n")
        text.append(printable(f"↵{token}" if ends_line else token), style)
    console.print(text, soft_wrap=True)
    legend = Text("surprise in nats: ")
    for bound, style in SCALE:
        legend.append(f" ≤ {bound:g} ", style)
    console.print(legend + Text(" more ", BEYOND))
