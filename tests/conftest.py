"""Settings and fixtures of all tests: JAX on three CPU devices, strict ranks, a compilation cache on disk."""

import gc
import os
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

# This must run before JAX is imported. With three devices, a batch can be sharded over 1, 2 and 3.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "3")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".jax_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Tests spend most of their time on compiling programs that run for milliseconds. 0 compiles as for users.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# XLA's older emitters compile the programs of tests in a third of the time. XLA aborts on unknown flags; in
# jaxlib 0.12, these are unknown.
QUICK = ("--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1")
if version("jaxlib").startswith("0.10.") and QUICK[0] not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = " ".join([*QUICK, os.environ.get("XLA_FLAGS", "")]).strip()

# Each garbage collection traverses JAX's compiled programs, which are never garbage. So collect rarely.
gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def prepared_real_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of prepared real data, which all workers share; the first of them prepares it."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "prepared"


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Any]:
    """Return `tiny.build_tiny`, as in `tiny({"train.seed": 1})`."""
    from tiny import build_tiny

    return build_tiny


@pytest.fixture
def compiled_as_for_users() -> Iterator[None]:
    """Compile with all optimizations, which other tests disable."""
    import jax

    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture
def unregistered() -> Iterator[None]:
    """Remove the entries that a test registers in the catalogue."""
    from rnn_jax.catalogue import CELLS, DATASETS, TASKS

    tables: list[dict[str, Any]] = [CELLS, TASKS, DATASETS]
    before = [dict(table) for table in tables]
    yield
    for table, entries in zip(tables, before, strict=True):
        table.clear()
        table.update(entries)
