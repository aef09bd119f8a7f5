"""From the text of the command line to values."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_jax.config.schema import keys
from rnn_jax.config.values import read_value


@settings(deadline=None)
@given(st.integers())
def test_integers_come_back(number):
    value = read_value(str(number), int | None)
    assert value == number
    assert type(value) is int


@settings(deadline=None)
@given(st.floats(allow_nan=False))
def test_floats_come_back(number):
    assert read_value(repr(number), float) == number


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8")).filter(lambda text: text == text.strip() != "None"))
def test_text_comes_back_with_and_without_quotes(text):
    assert read_value(f"'{text}'", str | None) == text
    assert read_value(f'"{text}"', str | None) == text
    if not text or text[0] not in "'\"":
        assert read_value(text, str | None) == text


@settings(deadline=None)
@given(st.lists(st.integers(-1000, 1000)))
def test_lists_come_back_as_lists(numbers):
    assert read_value(str(numbers), list[int]) == numbers
    assert read_value(str([float(number) for number in numbers]), list[int]) == numbers


@settings(deadline=None)
@given(st.text(), st.sampled_from([field.annotation for field in keys().values()]))
def test_any_text_is_read_without_an_error(text, annotation):
    read_value(text, annotation)


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("1e3", int, 1000),
        ("-2.0", int, -2),
        ("1_000", int, 1000),
        ("1.5", int, 1.5),
        ("inf", float, math.inf),
        ("None", int | None, None),
        ("None", str | None, None),
        ("'None'", str | None, "None"),
        ("123", str, "123"),
        ("true", bool, True),
        ("False", bool, False),
        ("1,2", list[int], [1, 2]),
        ("[1e1, 2]", list[int], [10, 2]),
        ("many", int, "many"),
    ],
)
def test_what_a_text_means(text, annotation, value):
    read = read_value(text, annotation)
    assert read == value
    assert type(read) is type(value)


def test_a_whole_float_stays_a_float_where_one_is_wanted():
    assert type(read_value("1e3", float)) is float
    assert math.isnan(read_value("nan", float))
