"""The arms that `experiments/run.py shakespeare` trains."""

ARMS = {
    "small": ("configs/shakespeare.py:small", {}, range(1)),
    "default": ("configs/shakespeare.py", {}, range(1)),
}
METRIC = "loss"
