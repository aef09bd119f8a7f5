"""Reading the evaluations of running trials."""

from pathlib import Path

from rnn_jax.sweeping.trial_process import Evaluations


def test_new_evaluations_are_read(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    watched = Evaluations([first, second], "accuracy")
    assert watched.values() == []
    line = '{{"step": {}, "split": "{}", "accuracy": {}}}\n'
    first.write_text(line.format(1, "train", 0.1) + line.format(2, "validation", 0.5))
    assert watched.values() == []  # the second has none
    second.write_text(line.format(2, "validation", 0.7) + line.format(4, "validation", 0.8))
    assert watched.values() == [0.6]
    with first.open("a") as file:
        file.write(line.format(4, "validation", 0.6)[:-4])  # torn
        file.flush()
        assert watched.values() == [0.6]
        file.write(line.format(4, "validation", 0.6)[-4:])
    assert watched.values() == [0.6, 0.7]


def test_evaluations_end_before_a_damaged_line(tmp_path: Path) -> None:
    """A power cut can leave zeros; the resumed run writes the line again."""
    file = tmp_path / "a"
    line = '{{"step": {}, "split": "validation", "loss": {}}}\n'
    watched = Evaluations([file], "loss")
    for damaged in ('{"step": 2, "split": "validation"\0\0\0\n', '{"split": "validation"}\n'):
        file.write_text(line.format(1, 2.0) + damaged)
        assert watched.values() == [2.0]
    file.write_text(line.format(1, 2.0) + line.format(2, 1.5))
    assert watched.values() == [2.0, 1.5]


def test_evaluations_end_before_a_value_that_is_not_finite(tmp_path: Path) -> None:
    file = tmp_path / "a"
    line = '{{"step": {}, "split": "validation", "loss": {}}}\n'
    file.write_text(line.format(1, 2.0) + line.format(2, "null") + line.format(3, 1.0))
    assert Evaluations([file], "loss").values() == [2.0]
