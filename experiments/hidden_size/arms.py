"""The sweep that `experiments/run.py hidden_size` trains; each size is a program of its own."""

SWEEPS = {"sizes": ("configs/mnist.py", {}, "sweep.py")}
