"""The packages of the wheel, in which `configs/` is `rnn_jax/configs`; all else is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["rnn_jax*"]), "rnn_jax.configs"],
    package_dir={"rnn_jax.configs": "configs"},
)
