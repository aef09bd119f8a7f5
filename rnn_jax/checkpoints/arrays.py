"""Arrays on the disk, as Orbax's StandardCheckpointer keeps them. Orbax is used here and nowhere else."""

import contextlib
import functools
import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

_ONE_AT_A_TIME = threading.Lock()


def plain(tree: Any) -> Any:
    """The tree with the numbers of random keys in their place, uint32 [..., words]: what can be written."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, tree)


def write(folder: Path, tree: Mapping[str, Any]) -> None:
    """Writes a tree of NumPy arrays into a new folder.

    Raises:
        OSError, ValueError: the disk is full, or cannot be written.
    """
    import orbax.checkpoint as ocp

    with _orbax(), ocp.StandardCheckpointer(multiprocessing_options=_by_itself()) as checkpointer:
        checkpointer.save(folder.absolute(), dict(tree))


def read(folder: Path, template: Mapping[str, Any]) -> dict[str, Any]:
    """Reads a tree back.

    Args:
        folder: what `write` made.
        template: a tree of the same shapes, dtypes and shardings; its values do not matter. Where it has
            random keys, the tree that was written has their numbers.

    Raises:
        ValueError, KeyError, OSError: there is another tree.
    """
    import orbax.checkpoint as ocp

    def describe(leaf: Any) -> jax.ShapeDtypeStruct:
        if not _is_key(leaf):
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
        words = jax.eval_shape(jax.random.key_data, jax.ShapeDtypeStruct(leaf.shape, leaf.dtype))
        return jax.ShapeDtypeStruct(words.shape, words.dtype, sharding=leaf.sharding)

    wanted = jax.tree.map(describe, dict(template))
    with _orbax():
        with ocp.Checkpointer(_trees(), multiprocessing_options=_by_itself()) as checkpointer:
            saved: Any = checkpointer.metadata(folder.absolute())
        _refuse_differences(_shapes(saved.item_metadata.tree), _shapes(wanted))
        with ocp.StandardCheckpointer(multiprocessing_options=_by_itself()) as checkpointer:
            found = checkpointer.restore(folder.absolute(), wanted)

    def rebuild(leaf: Any, numbers: Any) -> Any:
        return jax.random.wrap_key_data(numbers) if _is_key(leaf) else numbers

    return jax.tree.map(rebuild, dict(template), found)


def _by_itself() -> Any:
    """So that Orbax waits for no other process of the run: which writes, and when, is decided elsewhere."""
    from orbax.checkpoint.options import MultiprocessingOptions

    if jax.process_count() == 1:
        return MultiprocessingOptions()
    own = jax.process_index()
    return MultiprocessingOptions(own, active_processes={own}, barrier_sync_key_prefix=f"process {own}")


def _trees() -> Any:
    import orbax.checkpoint as ocp

    return ocp.PyTreeCheckpointHandler(multiprocessing_options=_by_itself())


def _shapes(tree: Any) -> dict[str, str]:
    """`float32[8, 8]` of each array, by the names on the way to it; tuples and dictionaries are alike."""
    found = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        names = (getattr(step, "name", getattr(step, "key", getattr(step, "idx", ""))) for step in path)
        found["/".join(map(str, names))] = f"{np.dtype(leaf.dtype)}{list(leaf.shape)}"
    return found


def _refuse_differences(there: Mapping[str, str], here: Mapping[str, str]) -> None:
    """Raises ValueError for arrays that are not those that are wanted: Orbax would leave tasks behind."""
    for name in dict.fromkeys((*there, *here)):
        if there.get(name) != here.get(name):
            found, wanted = (shapes.get(name, "nothing") for shapes in (there, here))
            raise ValueError(f"{name} is {found} there and {wanted} here")


def read_part(folder: Path, part: str) -> Any:
    """Reads one branch of a tree, nested dictionaries of NumPy arrays; nothing need be known of it.

    Raises:
        ValueError, KeyError, OSError: there is no such branch.
    """
    import orbax.checkpoint as ocp

    with _orbax(), ocp.PyTreeCheckpointer() as checkpointer:
        saved: Any = checkpointer.metadata(folder.absolute())
        shapes = saved.item_metadata.tree[part]
        arguments = ocp.args.PyTreeRestore(
            item={part: shapes},
            restore_args={part: jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), shapes)},
            partial_restore=True,
        )
        return checkpointer.restore(folder.absolute(), args=arguments)[part]


@contextlib.contextmanager
def _orbax() -> Iterator[None]:
    """One thread at a time: two that save, to different folders, were seen to take each other's.

    Of what is raised, Orbax logs a traceback, asyncio another, and futures more of them afterwards: they are
    silent here, and once something was raised they stay so.
    """
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio", "concurrent.futures")]
    _drop_late_calls()
    with _ONE_AT_A_TIME:
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@functools.cache
def _drop_late_calls() -> None:
    """After a failure, threads of TensorStore go on to call an event loop that Orbax has closed."""
    before = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            before(unraisable)

    sys.unraisablehook = hook


def _is_key(leaf: Any) -> bool:
    return jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
