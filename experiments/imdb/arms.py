"""The arms that `experiments/run.py imdb` trains."""

ARMS = {
    "default": ("configs/imdb.py", {}, range(3)),
    "padded": ("configs/imdb.py:padded", {}, range(1)),
}
