"""The arms of this experiment: what `experiments/run.py tpe` trains, as a study of two workers."""

STUDIES = {"tpe": ("configs/mnist.py", {}, "sweep.py", 2)}
