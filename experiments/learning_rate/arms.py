"""The sweep that `experiments/run.py learning_rate` trains, as one program."""

SWEEPS = {"rates": ("configs/mnist.py", {}, "sweep.py")}
