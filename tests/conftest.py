"""What every test runs under: JAX on three CPU devices, strict about ranks, its compilations kept on disk."""

import gc
import os
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

# Before JAX is imported. Three devices, so that a batch can be spread over 1, 2 and 3.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "3")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".jax_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# A test mostly compiles, programs that run for milliseconds; with 0 they are compiled as for users.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# XLA's older emitters compile a test's programs in a third of the time. XLA aborts on a flag that it does not
# know, as that of jaxlib 0.12 does on these.
QUICK = ("--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1")
if version("jaxlib").startswith("0.10.") and QUICK[0] not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = " ".join([*QUICK, os.environ.get("XLA_FLAGS", "")]).strip()

# What JAX keeps of compiled programs is looked through at each collection, and none of it is ever garbage.
gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def prepared_real_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one folder where real data are prepared, by the first of the workers: the others wait."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "prepared"


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Any]:
    """tiny({"train.seed": 1}): see `tiny.build_tiny`."""
    from tiny import build_tiny

    return build_tiny


@pytest.fixture
def compiled_as_for_users() -> Iterator[None]:
    """With all optimizations, which other tests run without."""
    import jax

    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture
def unregistered() -> Iterator[None]:
    """What a test registers in the catalogue leaves it after the test."""
    from rnn_jax.catalogue import CELLS, DATASETS, TASKS

    tables: list[dict[str, Any]] = [CELLS, TASKS, DATASETS]
    before = [dict(table) for table in tables]
    yield
    for table, entries in zip(tables, before, strict=True):
        table.clear()
        table.update(entries)
