"""The studies of this experiment, with two workers each, and the best point of each with three seeds."""

BASE = "configs/mnist.py"
# All trials of a study share a seed; studies with other seeds show how much the results depend on it.
STUDIES = {
    "share_80": (BASE, {}, "sweep.py", 2),
    **{f"share_80_seed_{seed}": (BASE, {"train.seed": seed}, "sweep.py", 2) for seed in (1, 2, 3, 4)},
    "share_90": (BASE, {}, "sweep_90.py", 2),
    "loss": (BASE, {}, "sweep_loss.py", 2),
    "loss_seed_1": (BASE, {"train.seed": 1}, "sweep_loss.py", 2),
}
KEYS = ("optimizer.learning_rate", "optimizer.clip_norm", "model.output_dropout")
WINNERS = {
    "winner": (0.010152, 0.67504, 0.058476),
    "winner_seed_1": (0.015549, 0.25228, 0.12308),
    "winner_seed_2": (0.0064925, 0.46232, 0.13813),
    "winner_seed_3": (0.01019, 0.31713, 0.39188),
    "winner_seed_4": (0.0074668, 0.30871, 0.49923),
    "winner_loss": (0.012796, 1.359, 0.31006),
    "winner_loss_seed_1": (0.013208, 0.55687, 0.030063),
}
ARMS = {
    name: (BASE, {**dict(zip(KEYS, values, strict=True)), "train.duration_epochs": 5.0}, (0, 1, 2))
    for name, values in WINNERS.items()
}
