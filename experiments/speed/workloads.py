"""The timed training steps, with the same arrays and parameters for every framework."""

from typing import NamedTuple

import numpy as np


class Workload(NamedTuple):
    """The training step of an LSTM classifier, or of a word language model.

    'classes': inputs [batch, time, width] -> linear layer [units], if `input_layer` -> LSTM -> last output ->
    classes; Adam 1e-3.
    'words': tokens [batch, time] -> embedding [units] -> LSTMs -> words at every step; SGD 1.0, clip norm 5.
    """

    batch: int
    time: int
    width: int
    units: int
    layers: int
    outputs: int
    kind: str = "classes"
    input_layer: bool = False

    @property
    def gigaflop(self) -> float:
        """The gigaflop of the matrix products of a step; a multiply-add counts as 2.

        It counts the forward products, those of the weights' gradients, and those of the inputs' gradients
        where an earlier layer needs them. The linear layer is multiplied into the weights of the LSTM.
        """
        reads, total = (self.units if self.kind == "words" else self.width), 0
        for layer in range(self.layers):
            needs_gradient = layer > 0 or self.kind == "words"
            total += 4 * self.units * (reads * (3 if needs_gradient else 2) + 3 * self.units)
            reads = self.units
        rows = self.batch * self.time
        last = 3 * self.units * self.outputs * (rows if self.kind == "words" else self.batch)
        return 2 * (rows * total + last) / 1e9


WORKLOADS = {
    # MNIST by rows, as in the tutorial script that this project grew from.
    "rows": Workload(128, 28, 28, 128, 1, 10, input_layer=True),
    # A small model, whose step is mostly overhead.
    "tiny": Workload(32, 28, 28, 32, 1, 10, input_layer=True),
    # MNIST pixel by pixel.
    "pixels": Workload(128, 784, 1, 128, 1, 10),
    # The small and the medium language model of Zaremba et al. 2014, without dropout.
    "ptb_small": Workload(20, 20, 10_000, 200, 2, 10_000, "words"),
    "ptb_medium": Workload(20, 35, 10_000, 650, 2, 10_000, "words"),
}

# The limit: the number and shapes of products [rows, inner] · [inner, columns], and their gigaflop.
LIMIT_PRODUCTS, LIMIT_SHAPE = 20, (3584, 128, 512)
LIMIT_GIGAFLOP = LIMIT_PRODUCTS * 2 * 3584 * 128 * 512 / 1e9


def arrays(workload: Workload) -> tuple[np.ndarray, np.ndarray]:
    """Return random inputs and targets of one batch."""
    rng = np.random.default_rng(0)
    if workload.kind == "words":
        tokens = rng.integers(0, workload.width, (workload.batch, workload.time + 1)).astype(np.int32)
        return tokens[:, :-1], tokens[:, 1:]
    inputs = rng.random((workload.batch, workload.time, workload.width), np.float32)
    return inputs, rng.integers(0, workload.outputs, workload.batch).astype(np.int32)


def parameters(workload: Workload) -> dict[str, np.ndarray]:
    """Return random parameters by name.

    An LSTM has `input` [in, 4·units], `state` [units, 4·units] and `bias`, with gates in the order i f g o.
    """
    rng, units = np.random.default_rng(1), workload.units

    def draw(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)

    drawn, reads = {}, workload.width
    if workload.kind == "words":
        drawn["embedding"], reads = draw(workload.width, units), units
    if workload.input_layer:
        drawn["input/kernel"], drawn["input/bias"], reads = draw(reads, units), 0.1 * draw(units), units
    for layer in range(workload.layers):
        drawn[f"lstm_{layer}/input"], drawn[f"lstm_{layer}/state"] = (
            draw(reads, 4 * units),
            draw(units, 4 * units),
        )
        drawn[f"lstm_{layer}/bias"], reads = 0.1 * draw(4 * units), units
    drawn["output/kernel"], drawn["output/bias"] = draw(units, workload.outputs), 0.1 * draw(workload.outputs)
    return drawn
