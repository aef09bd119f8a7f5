"""Which processes train a run together, and what wrong keys are told."""

from collections.abc import Mapping

import pytest

from rnn_jax.config.command_line import load_config
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.processes import ALONE, CLUSTERS, Team, place_of, team

SLURM = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NODELIST": "node[1-4]", "SLURM_PROCID": "2"}
OPEN_MPI = {
    "OMPI_COMM_WORLD_SIZE": "3",
    "OMPI_COMM_WORLD_RANK": "0",
    "OMPI_MCA_orte_hnp_uri": "1.0;tcp://x:1",
}
TPU = {"TPU_WORKER_HOSTNAMES": "a,b", "TPU_WORKER_ID": "1"}


@pytest.fixture(autouse=True)
def nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for cluster in CLUSTERS.values():
        for name in cluster.required:
            monkeypatch.delenv(name, raising=False)


def tell(monkeypatch: pytest.MonkeyPatch, said: Mapping[str, str]) -> None:
    for name, value in said.items():
        monkeypatch.setenv(name, value)


def test_a_process_is_alone_where_nobody_says_otherwise() -> None:
    assert team(None, None, None) == ALONE
    assert ALONE.leads
    assert ALONE.alone


def test_the_config_says_it() -> None:
    found = team(2, 1, "host:1234")
    assert found == Team(2, 1, "host:1234")
    assert not found.leads
    assert team(2, 0, "host:1234").leads


@pytest.mark.parametrize(
    ("said", "count", "index"), [(SLURM, 4, 2), (OPEN_MPI, 3, 0), (TPU, 2, 1)], ids=["Slurm", "MPI", "TPU"]
)
def test_the_cluster_says_it(
    said: Mapping[str, str], count: int, index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(monkeypatch, said)
    assert team(None, None, None) == Team(count, index)
    assert team(count, None, None) == Team(count, index)
    assert team(1, None, None) == ALONE  # as trials of a study say
    with pytest.raises(UserError, match=f"the cluster has started {count}"):
        team(count + 1, None, None)


@pytest.mark.parametrize("missing", SLURM)
def test_a_job_that_is_no_step_is_one_process(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What sbatch starts itself, before `srun`."""
    tell(monkeypatch, {name: value for name, value in SLURM.items() if name != missing})
    monkeypatch.setenv("SLURM_NTASKS", "4")
    assert team(None, None, None) == ALONE


def test_a_cluster_of_one_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    tell(monkeypatch, SLURM | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"})
    assert team(None, None, None) == ALONE


def test_several_that_nobody_introduces_are_refused() -> None:
    with pytest.raises(UserError, match=r"runtime\.process_index=0, 1, \.\.\."):
        team(2, None, None)


@pytest.mark.parametrize(
    ("keys", "said"),
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
def test_what_no_processes_can_be_is_told(keys: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as told:
        load_config("configs/digits.py:smoke", {f"runtime.{key}": value for key, value in keys.items()})
    assert said in str(told.value)


def test_a_place_is_a_host_and_a_port() -> None:
    assert place_of("mnist-run-0.mnist-run:1") == ("mnist-run-0.mnist-run", 1)
    assert place_of("10.0.0.1:65535") == ("10.0.0.1", 65535)
    assert place_of("[::1]:1234") == ("::1", 1234)
