"""The arms that `experiments/run.py ptb` trains."""

# The first steps of models that take many hours on a CPU. Evaluation in twenty rows is faster than in one.
BRIEF = {
    "task.eval_batch_size": 20,
    "train.duration_epochs": None,
    "train.duration_steps": 200,
    "train.evaluate_every_epochs": None,
    "train.evaluate_every_steps": 200,
    "train.report_test": False,
}
ARMS = {
    "small": ("configs/ptb.py:small", {}, range(3)),
    "tied": ("configs/ptb.py:tied", {}, range(1)),
    "medium_brief": ("configs/ptb.py:medium", BRIEF, range(1)),
    "large_brief": ("configs/ptb.py:large", BRIEF, range(1)),
}
METRIC = "loss"
