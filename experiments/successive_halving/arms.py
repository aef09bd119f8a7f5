"""The sweeps of this experiment: a full grid, and the same grid with halving, for each of five seeds."""

FEW_STEPS = {
    "optimizer.warmup_epochs": None,
    "optimizer.warmup_steps": 50,
    "train.evaluate_every_epochs": None,
    "train.evaluate_every_steps": 90,
}
SWEEPS = {
    f"{kind}-{seed}": (
        "configs/mnist.py",
        {"train.seed": seed, **FEW_STEPS},
        f"{kind}.py",
    )
    for seed in range(5)
    for kind in ("full", "halving")
}
