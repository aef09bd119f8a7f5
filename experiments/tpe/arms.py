"""The arms of this experiment: two studies of two workers each, and the winner of the first, three seeds."""

STUDIES = {
    "share_80": ("configs/mnist.py", {}, "sweep.py", 2),
    "share_90": ("configs/mnist.py", {}, "sweep_90.py", 2),
}
WINNER = {
    "optimizer.learning_rate": 0.010152,
    "optimizer.clip": 0.67504,
    "model.output_dropout": 0.058476,
    "train.duration_epochs": 5.0,
}
ARMS = {"winner": ("configs/mnist.py", WINNER, (0, 1, 2))}
