"""One step of each cell: a Flax module, `cell(carry, inputs) -> (carry, output)`, one file per family.

In the equations σ is the logistic function, ∘ the elementwise product, x [batch, inputs] the input, h the
hidden state [batch, hidden] and c the memory of the cells that have one. Kernels are [inputs, hidden] and
multiply from the right. Where Flax has the cell, the parameters have Flax's names and shapes.

Cells whose kernels multiply h take one more argument, `mask` [batch, hidden] or None, which multiplies h in
these products and nowhere else. One mask for all steps is the recurrent dropout of Gal and Ghahramani 2016
(arXiv 1512.05287, section 4).
"""

from rnn_jax.models.cells.cell import Cell, CellWithMemory, Mask, masked, sigmoid, tanh
from rnn_jax.models.cells.gru import GRU, MGU
from rnn_jax.models.cells.linear_recurrence import LRU, LinearRecurrence, MinGRU, MinLSTM
from rnn_jax.models.cells.lstm import JANET, LSTM, CoupledLSTM, LayerNormLSTM, PeepholeLSTM
from rnn_jax.models.cells.simple_rnn import SimpleRNN

__all__ = [
    "GRU",
    "JANET",
    "LRU",
    "LSTM",
    "MGU",
    "Cell",
    "CellWithMemory",
    "CoupledLSTM",
    "LayerNormLSTM",
    "LinearRecurrence",
    "Mask",
    "MinGRU",
    "MinLSTM",
    "PeepholeLSTM",
    "SimpleRNN",
    "masked",
    "sigmoid",
    "tanh",
]
