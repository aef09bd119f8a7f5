"""Samples of a language model, by step."""

from pathlib import Path

from rnn_jax.reporting.log import Samples, read_samples


def test_samples_are_kept_up_to_a_step(tmp_path: Path) -> None:
    path = tmp_path / "samples.txt"
    Samples(path).keep_up_to(3)
    assert read_samples(path) == {}
    samples = Samples(path)
    texts = {500: "to be\nor not", 1_000: "── no heading ──\n", 1_500: "that is"}
    for step, text in texts.items():
        samples.append(step, text)
    assert read_samples(path) == {step: text.strip("\n") for step, text in texts.items()}
    before = path.read_bytes()
    samples.keep_up_to(1_500)
    assert path.read_bytes() == before
    samples.keep_up_to(1_000)
    assert list(read_samples(path)) == [500, 1_000]
    samples.append(1_500, "that is")
    assert path.read_bytes() == before
    samples.keep_up_to(0)
    assert path.read_text() == ""


def test_a_torn_sample_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "samples.txt"
    Samples(path).append(10, "to be")
    before = path.read_bytes()
    path.write_bytes(before + "── step 20".encode()[:-9])  # within a character
    assert list(read_samples(path)) == [10]
    Samples(path).keep_up_to(10)
    assert path.read_bytes() == before


def test_samples_are_kept_byte_for_byte(tmp_path: Path) -> None:
    samples = Samples(tmp_path / "samples.txt")
    samples.append(1, "a\r\nb\rc")
    before = (tmp_path / "samples.txt").read_bytes()
    samples.append(2, "later")
    samples.keep_up_to(1)
    assert (tmp_path / "samples.txt").read_bytes() == before
