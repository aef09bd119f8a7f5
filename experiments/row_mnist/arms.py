"""The arms that `experiments/run.py row_mnist` trains."""

ARMS = {
    # 100,000 samples in batches of 128, as in later versions of the tutorial.
    "seed_782": (
        "configs/mnist.py:seed",
        {"train.duration_steps": 782, "train.evaluate_every_steps": 782},
        range(5),
    ),
    "seed": ("configs/mnist.py:seed", {}, range(1)),
    "recommended": ("configs/mnist.py", {}, range(5)),
    "shifted": ("configs/mnist.py:shifted", {}, range(5)),
    "digits": ("configs/digits.py", {}, range(5)),
}
