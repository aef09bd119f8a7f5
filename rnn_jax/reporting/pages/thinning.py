"""Long curves made short for drawing, so that nothing that stands out is lost."""

from collections.abc import Collection

import numpy as np

from rnn_jax.reporting.charts import Series


def thin(series: Series, most: int, keep: Collection[int] = ()) -> Series:
    """A curve of about `most` points at most; one that is not longer is left as it is.

    The curve is cut into stretches, and of each its smallest and its largest point stay, and one gap (NaN)
    where there is any; so do the first and the last point of the curve, and the steps of `keep`.
    """
    steps, values = series
    count = len(steps)
    if count <= most:
        return series
    stretches = max(1, (most - 2) // 2)
    width = -(-count // stretches)
    padded = np.full(stretches * width, np.nan)
    padded[:count] = values
    table = padded.reshape(stretches, width)
    gaps = np.isnan(table)
    begins = np.arange(stretches) * width
    lowest = begins + np.where(gaps, np.inf, table).argmin(axis=1)
    highest = begins + np.where(gaps, -np.inf, table).argmax(axis=1)
    gap = np.flatnonzero(gaps.any(axis=1))
    kept = [lowest, highest, begins[gap] + gaps[gap].argmax(axis=1), [0, count - 1]]
    kept.append(np.flatnonzero(np.isin(steps, list(keep))))
    places = np.unique(np.concatenate(kept))
    places = places[places < count]
    return Series(steps[places], values[places])
