"""The processes of a run, and wrong keys for them."""

from collections.abc import Mapping

import pytest

from rnn_jax.config.command_line import load_config
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.processes import CLUSTERS, Processes, parse_address, processes_of

SLURM = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NODELIST": "node[1-4]", "SLURM_PROCID": "2"}
OPEN_MPI = {
    "OMPI_COMM_WORLD_SIZE": "3",
    "OMPI_COMM_WORLD_RANK": "0",
    "OMPI_MCA_orte_hnp_uri": "1.0;tcp://x:1",
}
TPU = {"TPU_WORKER_HOSTNAMES": "a,b", "TPU_WORKER_ID": "1"}


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for cluster in CLUSTERS.values():
        for name in cluster:
            monkeypatch.delenv(name, raising=False)


def set_variables(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_without_keys_or_a_cluster_a_process_is_single() -> None:
    single = processes_of(None, None, None)
    assert single == Processes(1, 0)
    assert single.is_coordinator
    assert single.is_single


def test_the_config_gives_the_processes() -> None:
    found = processes_of(2, 1, "host:1234")
    assert found == Processes(2, 1, "host:1234")
    assert not found.is_coordinator
    assert processes_of(2, 0, "host:1234").is_coordinator


@pytest.mark.parametrize(
    ("variables", "count", "index"),
    [(SLURM, 4, 2), (OPEN_MPI, 3, 0), (TPU, 2, 1)],
    ids=["Slurm", "MPI", "TPU"],
)
def test_a_cluster_gives_the_processes(
    variables: Mapping[str, str], count: int, index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_variables(monkeypatch, variables)
    assert processes_of(None, None, None) == Processes(count, index)
    assert processes_of(count, None, None) == Processes(count, index)
    assert processes_of(1, None, None) == Processes()  # as for trials of a study
    with pytest.raises(UserError, match=f"the cluster has started {count}"):
        processes_of(count + 1, None, None)


@pytest.mark.parametrize("missing", SLURM)
def test_a_slurm_job_outside_a_step_is_one_process(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What sbatch starts itself, before `srun`."""
    set_variables(monkeypatch, {name: value for name, value in SLURM.items() if name != missing})
    monkeypatch.setenv("SLURM_NTASKS", "4")
    assert processes_of(None, None, None) == Processes()


def test_a_cluster_of_one_is_a_single_process(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, SLURM | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"})
    assert processes_of(None, None, None) == Processes()


def test_several_without_an_index_are_an_error() -> None:
    with pytest.raises(UserError, match=r"runtime\.process_index=0, 1, \.\.\."):
        processes_of(2, None, None)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"process_index": 1}, "runtime.process_index = 1: only with runtime.process_count"),
        ({"coordinator": "a:1"}, "runtime.coordinator = 'a:1': only with runtime.process_count"),
        (
            {"process_count": 1, "process_index": 0},
            "runtime.process_index = 0: only with runtime.process_count",
        ),
        (
            {"process_count": 2, "process_index": 2, "coordinator": "a:1"},
            "must be less than runtime.process_count = 2",
        ),
        (
            {"process_count": 2, "process_index": 0, "coordinator": "a"},
            "runtime.coordinator = 'a': must be HOST:PORT",
        ),
        *(
            ({"process_count": 2, "process_index": 0, "coordinator": place}, f"'{place}': must be HOST:PORT")
            for place in ("a:0", "a:65536", ":1234", "[]:1234", "256.1.1.1:1234")
        ),
        ({"process_count": 0}, "runtime.process_count = 0"),
    ],
)
def test_invalid_keys(keys: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as error:
        load_config("configs/digits.py:smoke", {f"runtime.{key}": value for key, value in keys.items()})
    assert message in str(error.value)


def test_an_address_is_a_host_and_a_port() -> None:
    assert parse_address("mnist-run-0.mnist-run:1") == ("mnist-run-0.mnist-run", 1)
    assert parse_address("10.0.0.1:65535") == ("10.0.0.1", 65535)
    assert parse_address("[::1]:1234") == ("::1", 1234)
