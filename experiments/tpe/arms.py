"""The arms of this experiment: studies of two workers each, and the winner of the first, three seeds."""

BASE = "configs/mnist.py"
# One study has one seed for all its trials; whether it was lucky with it, the others tell.
STUDIES = {
    "share_80": (BASE, {}, "sweep.py", 2),
    **{f"share_80_seed_{seed}": (BASE, {"train.seed": seed}, "sweep.py", 2) for seed in (1, 2, 3, 4)},
    "share_90": (BASE, {}, "sweep_90.py", 2),
}
WINNER = {
    "optimizer.learning_rate": 0.010152,
    "optimizer.clip": 0.67504,
    "model.output_dropout": 0.058476,
    "train.duration_epochs": 5.0,
}
ARMS = {"winner": (BASE, WINNER, (0, 1, 2))}
