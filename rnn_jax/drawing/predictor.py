"""The network of a run, which reads a drawing row by row."""

from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.checkpoints.store import Which
from rnn_jax.config.schema import Config
from rnn_jax.datasets import dataset_info
from rnn_jax.datasets.dataset_info import DatasetInfo
from rnn_jax.drawing import preprocessing
from rnn_jax.drawing.preprocessing import DEFAULT_BRUSH, HANDWRITING_BRUSH
from rnn_jax.inference.image_reading import ImageReader
from rnn_jax.inference.loading import load_trained


class DrawingPredictor:
    """Predicts the class of a drawing after each row of the image. Not for several threads at once."""

    def __init__(self, reader: ImageReader, info: DatasetInfo, about: str, *, bidirectional: bool) -> None:
        """`about` describes the network to people, in a few words."""
        self._reader, self._info, self._about, self._bidirectional = reader, info, about, bidirectional
        self.canvas = preprocessing.canvas_size(info.spec)
        """Height and width of a drawing in pixels."""

    def describe(self) -> dict[str, Any]:
        """Return what the page shows of the network and its data, for JSON."""
        return {
            "about": self._about,
            "bidirectional": self._bidirectional,
            "dataset": self._info.name,
            "classes": list(self._info.classes),
            "image": {key: int(self._info.spec[key]) for key in ("height", "width", "maximum")},
            "canvas": {"height": self.canvas[0], "width": self.canvas[1]},
            "brush": DEFAULT_BRUSH if preprocessing.box_of(self._info.name) is None else HANDWRITING_BRUSH,
            "pixels": self._reader.pixels.tolist(),
        }

    def predict(self, ink: np.ndarray) -> dict[str, Any]:
        """Return the network's input image, class probabilities and states after each row, for JSON.

        `ink` is the drawing, uint8 [height, width] as `canvas`. If it is empty, `image` is None.
        """
        image = preprocessing.to_image(ink, self._info.spec, self._info.name, self._info.background)
        if image is None:
            return {"image": None}
        reading = self._reader.read(image)
        return {
            "image": image.tolist(),
            "probabilities": np.round(reading.probabilities.astype(np.float64), 5).tolist(),
            "states": np.round(reading.states.astype(np.float64), 3).tolist(),
        }


def load(config: Config, workdir: Path, which: Which) -> DrawingPredictor:
    """Load and compile the network of a run; raises as `dataset_info.load` and `load_trained`."""
    info = dataset_info.load(workdir)
    with load_trained(config, info, workdir, which) as trained:
        about = f"{trained.network.name}, {which} checkpoint, step {trained.step:,}"
        return DrawingPredictor(ImageReader(trained), info, about, bidirectional=config.model.bidirectional)
