"""Long curves made short."""

import numpy as np
import pytest

from rnn_jax.reporting.charts import Series
from rnn_jax.reporting.pages.thinning import thin


def noise(count: int, seed: int = 0) -> Series:
    random = np.random.default_rng(seed)
    return Series(np.arange(1, count + 1) * 7, random.normal(size=count))


def test_a_short_curve_is_left_as_it_is() -> None:
    series = noise(100)
    assert thin(series, 100) is series


@pytest.mark.parametrize("count", [101, 102, 199, 5_003, 100_000])
def test_a_long_one_keeps_its_ends_its_extremes_and_what_is_asked_for(count: int) -> None:
    series = noise(count, seed=count)
    wanted = int(series.steps[count // 3])
    short = thin(series, 100, keep={wanted})
    assert len(short.steps) <= 103
    assert (np.diff(short.steps) > 0).all()
    assert {int(series.steps[0]), int(series.steps[-1]), wanted} <= set(short.steps.tolist())
    assert short.values.max() == series.values.max()
    assert short.values.min() == series.values.min()
    places = np.searchsorted(series.steps, short.steps)
    np.testing.assert_array_equal(short.values, series.values[places])


def test_every_stretch_keeps_its_own_extremes() -> None:
    """Against a plain loop."""
    series = noise(1_000)
    short = set(thin(series, 102).steps.tolist())
    for begin in range(0, 1_000, 20):
        stretch = series.values[begin : begin + 20]
        for place in (stretch.argmin(), stretch.argmax()):
            assert int(series.steps[begin + place]) in short


def test_gaps_stay() -> None:
    steps, values = noise(1_000)
    values[500:] = np.nan
    values[103] = np.nan
    short = thin(Series(steps, values), 50)
    gaps = short.steps[np.isnan(short.values)]
    assert int(steps[103]) in gaps
    assert (gaps >= steps[500]).sum() > 5
    assert np.nanmax(short.values) == np.nanmax(values)
