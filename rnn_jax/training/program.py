"""A job on its devices: compiled steps, and the data and hyperparameters where the steps want them."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax

from rnn_jax.checkpoints import checkpoint
from rnn_jax.checkpoints.checkpoint import Which
from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.distributed.placement import put, shardings
from rnn_jax.tasks.task import Arrays, Hyper
from rnn_jax.training import steps
from rnn_jax.training.build import Job
from rnn_jax.training.progress import Progress
from rnn_jax.training.state import State, init, place, with_rows

Result = TypeVar("Result")


class Program(NamedTuple):
    """What a loop calls. Steps are compiled at their first call."""

    job: Job
    devices: Devices
    data: Mapping[str, Arrays]
    """The arrays of each split, whole on every device."""
    hyper: Hyper
    train_step: Callable[[State, Hyper, Arrays, jax.Array], State]
    eval_step: Callable[..., Any]
    output_step: Callable[..., Any]
    take_metrics: Callable[[State], Any]
    is_finite: Callable[[State], jax.Array]

    def init(self) -> State:
        """The state before the first step, drawn from the plan's seed."""
        key = jax.random.key(self.job.plan.seed)
        drawn = jax.jit(partial(init, self.job))(self.job.hyper, key)
        return self.from_saved(jax.block_until_ready(drawn))  # which raises where memory was not enough

    def restore(
        self,
        folder: Path,
        which: Which,
        *,
        to_go_on: bool = False,
        only_planned: bool = False,
        at: int | None = None,
    ) -> tuple[State, Progress, list[str]]:
        """Reads a checkpoint back, see `checkpoint.restore`, and puts it where the compiled steps want it."""
        whole = shardings(self.devices.mesh, steps.WHOLE)
        shapes = jax.eval_shape(partial(init, self.job), dict(self.job.hyper), jax.random.key(0))
        template = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=whole), shapes
        )
        state, progress, damaged = checkpoint.restore(
            folder, template, which, to_go_on=to_go_on, only_planned=only_planned, at=at
        )
        return self.from_saved(state), progress, damaged

    def to_save(self, state: State) -> State:
        """A state as it is saved: without the rows that fill the carry up to a multiple of the devices.

        Whole in each process, where there are several.
        """
        rows = self.job.task.carry_rows
        if rows is None:
            return state
        if not self.devices.team.alone:
            state = state._replace(carry=self._gather(state.carry))
        return with_rows(state, rows["train"])

    def from_saved(self, state: State) -> State:
        """A saved state where the compiled step wants it: otherwise the step would compile twice."""
        rows = self.job.task.carry_rows
        filled = state if rows is None else with_rows(state, self._filled(rows["train"]))
        return place(filled, self.devices.mesh)

    def initial_carry(self, split: str) -> Any:
        """The carry that an evaluation of a split begins with; None where each batch starts anew."""
        rows = self.job.task.carry_rows
        if rows is None:
            return None
        carry = self.job.network.initial_carry(self._filled(rows[split]))
        return put(carry, shardings(self.devices.mesh, steps.ROWS))

    def settle(self, result: Result) -> Result:
        """A step's result, waited for where the devices take turns; call it before the next step."""
        return jax.block_until_ready(result) if self.devices.take_turns else result

    def _filled(self, rows: int) -> int:
        """So many rows, and what fills them up to a multiple of the devices."""
        return rows + -rows % self.devices.number

    def indices(self, split: str, step: int) -> jax.Array:
        """What the task selected for a batch [rows, ...], on the devices."""
        rows = steps.pad_rows(self.job.task.select(split, self.job.plan.seed, step), self.devices.number)
        return put(rows, shardings(self.devices.mesh, steps.ROWS))

    def _gather(self, tree: Any) -> Any:
        whole = shardings(self.devices.mesh, steps.WHOLE)
        return jax.jit(lambda tree: tree, out_shardings=whole)(tree)


def load(job: Job, devices: Devices) -> Program:
    """Puts a job on devices."""
    mesh = devices.mesh
    whole = shardings(mesh, steps.WHOLE)
    return Program(
        job=job,
        devices=devices,
        data={split: put(dict(arrays), whole) for split, arrays in job.device_arrays.items()},
        hyper=put(dict(job.hyper), whole),
        train_step=steps.compile_step(partial(steps.train_step, job), mesh, steps.TRAIN),
        eval_step=steps.compile_step(partial(steps.eval_step, job), mesh, steps.EVALUATE),
        output_step=steps.compile_step(partial(steps.output_step, job), mesh, steps.OUTPUT),
        take_metrics=jax.jit(steps.take_metrics, donate_argnums=0),
        is_finite=jax.jit(steps.is_finite),
    )


class Feed:
    """The batches of training, each made ready while the one before it is computed."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._ready: tuple[int, jax.Array] | None = None

    def take(self, step: int) -> jax.Array:
        """What was selected for a batch, see `Program.indices`."""
        ready, self._ready = self._ready, None
        return ready[1] if ready is not None and ready[0] == step else self._program.indices("train", step)

    def prepare(self, step: int) -> None:
        """Makes a batch ready: to be called once the one before it is on its way."""
        if step < self._program.job.plan.last_step:
            self._ready = (step, self._program.indices("train", step))
