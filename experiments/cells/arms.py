"""The arms that `experiments/run.py cells` trains.

On MNIST by rows, each cell has about 81,674 parameters, those of an LSTM of 128 units with its output layer.
"""

UNITS = {
    "rnn": 266,
    "lstm": 128,
    "lstm_peephole": 127,
    "lstm_coupled": 150,
    "lstm_layer_norm": 127,
    "gru": 149,
    "mgu": 185,
    "janet": 185,
    "mingru": 1_201,
    "minlstm": 841,
    "lru": 179,
}

ROWS = {
    f"rows_{cell}": (
        "configs/mnist.py",
        {"model.cell": cell, "model.hidden_size": units, "train.duration_epochs": 5.0},
        range(3),
    )
    for cell, units in UNITS.items()
}
ADDING = {
    f"adding_{cell}": ("configs/adding.py", {"model.cell": cell}, range(1))
    for cell in ("rnn", "lstm", "gru", "janet", "mingru", "lru")
}
COPYING = {
    f"copying_{cell}": ("configs/copying.py", {"model.cell": cell}, range(1))
    for cell in ("rnn", "lstm", "gru", "janet", "mingru", "lru")
}
PIXELS = {
    "pixels_lstm": ("configs/mnist_pixels.py", {"model.cell": "lstm"}, range(1)),
    "pixels_mingru": ("configs/mnist_pixels.py", {"model.cell": "mingru"}, range(1)),
    "pixels_lru": ("configs/mnist_pixels.py", {"model.cell": "lru", "model.chrono_steps": None}, range(1)),
}
ARMS = ROWS | ADDING | COPYING | PIXELS
