"""The state of a run, and how it is stored in a checkpoint and restored from one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import pytest
import safetensors.numpy
from flax.traverse_util import unflatten_dict

from rnn_jax.checkpoints import store
from rnn_jax.checkpoints.format import replace_keys
from rnn_jax.config.schema import Config
from rnn_jax.runtime import devices
from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.training.build import build
from rnn_jax.training.program import Program, load
from rnn_jax.training.progress import MemberStatus, Progress
from rnn_jax.training.state import State, evaluated_parameters, to_tree

AVERAGED = {"optimizer.average_decay": 0.5}


def loaded(config: Config) -> Program:
    where = devices.build_devices(1, devices=1, matmul_precision="float32", allow_device_change=False)
    return load(build(config), where)


@pytest.fixture(scope="module")
def program(tiny: Callable[..., Config]) -> Program:
    return loaded(tiny(AVERAGED))


def saved(folder: Path, program: Program, progress: Progress) -> tuple[State, store.Checkpoint]:
    """The initial state, with another average and step, and its checkpoint."""
    state = program.init()
    averaged = jax.tree.map(lambda leaf: leaf + np.float32(1), state.averaged)
    state = state._replace(step=state.step + 3, averaged=averaged)
    store.write(folder, 3, replace_keys(to_tree(state)), progress.to_json())
    return state, store.find(folder)


def plain(state: State) -> Any:
    return jax.device_get(replace_keys(state))


def test_every_leaf_comes_back_bit_for_bit(program: Program, tmp_path: Path) -> None:
    progress = Progress(devices=1, members=(MemberStatus(best_step=3, best={"accuracy": 0.1 + 0.2}),))
    state, found = saved(tmp_path, program, progress)
    restored, restored_progress = program.restore(found)
    for name in ("dtype", "sharding"):
        found, expected = (
            [getattr(leaf, name) for leaf in jax.tree.leaves(each)] for each in (restored, state)
        )
        assert found == expected
    jax.tree.map(np.testing.assert_array_equal, plain(restored), plain(state))
    assert restored_progress == progress


def test_the_averaged_parameters_are_evaluated(
    program: Program, tiny: Callable[..., Config], tmp_path: Path
) -> None:
    state, found = saved(tmp_path / "averaged", program, Progress(devices=1))
    jax.tree.map(np.testing.assert_array_equal, evaluated_parameters(found), state.averaged)
    state, found = saved(tmp_path / "plain", loaded(tiny()), Progress(devices=1))
    jax.tree.map(np.testing.assert_array_equal, evaluated_parameters(found), state.parameters)


def test_one_of_another_model_is_refused(
    program: Program, tiny: Callable[..., Config], tmp_path: Path
) -> None:
    _, found = saved(tmp_path, program, Progress(devices=1))
    larger = loaded(tiny(AVERAGED | {"model.hidden_size": 7}))
    message = (
        r"not a checkpoint of this model \(.*/kernel is float32\[6, .* in the file, and .* in the model\)"
    )
    with pytest.raises(CheckpointError, match=message):
        larger.restore(found)


def test_another_progress_is_refused(program: Program, tmp_path: Path) -> None:
    state = program.init()
    store.write(tmp_path, 3, replace_keys(to_tree(state)), {"places": 3})
    with pytest.raises(CheckpointError, match=r"progress\.json is of another kind \('members'\)"):
        program.restore(store.find(tmp_path))


def test_parameters_have_the_names_and_shapes_of_flax(program: Program, tmp_path: Path) -> None:
    """Whoever reads safetensors has the parameters of `nn.LSTMCell`."""
    _, found = saved(tmp_path, program, Progress(devices=1))
    arrays = safetensors.numpy.load_file(found.path / "state.safetensors")
    parameters = unflatten_dict(arrays, sep="/")["params"]["recurrence_0"]
    features, units = arrays["params/recurrence_0/if/kernel"].shape
    cell, inputs = nn.LSTMCell(units), np.ones((1, features), np.float32)
    carry = cell.initialize_carry(jax.random.key(0), inputs.shape)
    expected = jax.eval_shape(cell.init, jax.random.key(0), carry, inputs)["params"]
    assert jax.tree.map(np.shape, parameters) == jax.tree.map(np.shape, expected)
