"""The arms of this experiment: what `experiments/run.py learning_rate` trains, as one program."""

SWEEPS = {"rates": ("configs/mnist.py", {}, "sweep.py")}
