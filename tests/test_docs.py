"""The YAML files and commands in docs/clusters.md are valid."""

import re
import shlex
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from rnn_jax.config import command_line
from rnn_jax.sweeping import command as sweeps

ROOT = Path(__file__).parents[1]
CLUSTERS = (ROOT / "docs" / "clusters.md").read_text()
VERSION = "1.34"
MARKED = dict(re.findall(r"<!-- kubernetes (\w+) -->\n```yaml\n(.*?)```\n<!-- end -->", CLUSTERS, re.DOTALL))


def resources(name: str) -> list[dict]:
    return list(yaml.safe_load_all(MARKED[name]))


def container(resource: dict) -> dict:
    (found,) = resource["spec"]["template"]["spec"]["containers"]
    return found


def test_both_examples_are_marked() -> None:
    assert sorted(MARKED) == ["run", "study"]


@pytest.mark.parametrize("name", ["study", "run"])
def test_the_yaml_is_valid_for_kubernetes(name: str) -> None:
    for resource in resources(name):
        kubernetes_validate.validate(resource, VERSION, strict=True)


def test_a_misspelt_field_is_detected() -> None:
    job = resources("study")[-1]
    job["spec"]["paralelism"] = 8
    with pytest.raises(kubernetes_validate.ValidationError, match="paralelism"):
        kubernetes_validate.validate(job, VERSION, strict=True)


def test_names_in_the_yaml_refer_to_its_other_resources() -> None:
    found = resources("study")
    by_kind = {(resource["kind"], resource["metadata"]["name"]): resource for resource in found}
    job, database = by_kind["Job", "mnist-sweep"], by_kind["StatefulSet", "database"]
    assert job["spec"]["completionMode"] == "Indexed"
    for pods in (job, database):
        for volume in pods["spec"]["template"]["spec"]["volumes"]:
            assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in by_kind
        for variable in container(pods)["env"]:
            if "valueFrom" in variable:
                secret = variable["valueFrom"]["secretKeyRef"]
                assert secret["key"] in by_kind["Secret", secret["name"]]["stringData"]
    service = by_kind["Service", "database"]
    assert service["spec"]["selector"] == database["spec"]["template"]["metadata"]["labels"]
    (storage,) = (word for word in container(job)["args"] if word.startswith("--storage="))
    assert storage == "--storage=postgresql://study@database/study"


def test_the_commands_of_jobs_are_valid() -> None:
    study, run = container(resources("study")[-1]), container(resources("run")[-1])
    assert study["command"] == ["python", "-m", "rnn_jax.sweep"]
    assert sweeps.parse(study["args"]).study is not None
    assert run["command"] == ["python", "-m", "rnn_jax.main"]
    arguments = [word.replace("$(JOB_COMPLETION_INDEX)", "1") for word in run["args"]]
    found = command_line.parse(
        [word for word in arguments if not word.startswith("--workdir")]
    ).config.runtime
    assert (found.process_count, found.process_index, found.coordinator) == (
        2,
        1,
        "mnist-run-0.mnist-run:1234",
    )


def commands(language: str) -> list[list[str]]:
    """Return the commands in code blocks of a language, with continued lines joined."""
    text = "\n".join(re.findall(rf"```{language}\n(.*?)```", CLUSTERS, re.DOTALL)).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if "-m rnn_jax." in line and "..." not in line]
    return [shlex.split(line[line.index("rnn_jax.") :], comments=True) for line in lines]


def test_the_commands_are_valid() -> None:
    found = commands("sh")
    assert len(found) >= 5
    for name, *arguments in found:
        if name == "rnn_jax.sweep":
            assert sweeps.parse(arguments).study is not None
        else:
            parts = [iter(arguments)]
            words = [word for word in parts[0] if not (word == "--workdir" and next(parts[0]))]
            assert command_line.parse(words).config.dataset.name == "mnist"
