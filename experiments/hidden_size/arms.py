"""The arms of this experiment: what `experiments/run.py hidden_size` trains, a program for each size."""

SWEEPS = {"sizes": ("configs/mnist.py", {}, "sweep.py")}
