"""What the page is told: of the network once, and of each drawing what the network made of it."""

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.drawing import picture

if TYPE_CHECKING:
    from rnn_jax.datasets.dataset_info import DatasetInfo
    from rnn_jax.inference.image_reading import Reader


class Stopped(Exception):
    """The program is about to end, and answers no more."""


class Answers:
    """Answers to drawings, one at a time, from any thread."""

    def __init__(self, reader: "Reader", known: "DatasetInfo", about: str, *, bidirectional: bool) -> None:
        """`about` says in a few words for people which network it is."""
        self._reader, self._known, self._about, self._bidirectional = reader, known, about, bidirectional
        self._turn, self._stopped = threading.Lock(), False
        self.canvas = picture.canvas_size(known.spec)
        """Height and width of a drawing in pixels."""

    def describe(self) -> dict[str, Any]:
        """What the page needs to know beforehand, for JSON."""
        height, width, maximum = (int(self._known.spec[key]) for key in ("height", "width", "maximum"))
        return {
            "about": self._about,
            "bidirectional": self._bidirectional,
            "dataset": self._known.name,
            "classes": list(self._known.classes),
            "image": {"height": height, "width": width, "maximum": maximum},
            "canvas": dict(zip(("height", "width"), self.canvas, strict=True)),
            "brush": picture.brush_of(self._known.name),
            "pixels": self._reader.pixels.tolist(),
        }

    def answer(self, ink: np.ndarray) -> dict[str, Any]:
        """The network's view of a drawing, uint8 [height, width] as `canvas` says, and its reading, for JSON.

        Where nothing was drawn, there is no view, and nothing is read.

        Raises:
            Stopped: after `stop`.
        """
        image = picture.as_image(ink, self._known.spec, self._known.name, self._known.background)
        if image is None:
            return {"image": None}
        with self._turn:
            if self._stopped:
                raise Stopped
            read = self._reader.read(image)
        return {
            "image": image.tolist(),
            "probabilities": _numbers(read.probabilities, 5),
            "states": _numbers(read.states, 3),
        }

    def stop(self) -> None:
        """Waits for the answer that is being computed, and lets none begin: a process must not end within."""
        with self._turn:
            self._stopped = True


def _numbers(values: np.ndarray, digits: int) -> list[list[float]]:
    return np.round(values.astype(np.float64), digits).tolist()
