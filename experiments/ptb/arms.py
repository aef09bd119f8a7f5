"""The arms of this experiment: what `experiments/run.py ptb` trains."""

BRIEF = {
    "train.duration_epochs": None,
    "train.duration_steps": 200,
    "train.evaluate_every_epochs": None,
    "train.evaluate_every_steps": 200,
}
ARMS = {
    "small": ("configs/ptb.py:small", {}, range(3)),
    # What takes hours on a CPU: the first steps.
    "medium_brief": ("configs/ptb.py:medium", BRIEF, range(1)),
    "large_brief": ("configs/ptb.py:large", BRIEF, range(1)),
}
FIGURE = "loss"
