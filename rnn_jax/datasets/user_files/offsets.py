"""Measured values in float32, whatever their offset: 1.7e9 + 1, a Unix time, is 1.7e9 in float32.

Where rounding to float32 changes a feature by more than a ten-thousandth of its standard deviation, its mean
is subtracted in float64 first; `shifts` of a spec has these means, and 0 for the other features, which are
converted as they are.
"""

import math
from pathlib import Path

import numpy as np

from rnn_jax.runtime.errors import UserError

LARGEST = float(np.finfo(np.float32).max)  # 3.4e38
_MAX_ROUNDING = 1e-4  # of a standard deviation
_EXACT = 2.0**53  # whole numbers up to here are exact in float64
_DEVIATIONS = {"x": (1e-30, 1e30), "y": (1e-15, 1e15)}
"""The range of standard deviations: their inverses, and the squares of errors of y, must be float32."""


def is_in_range(values: np.ndarray) -> np.ndarray:
    """Return whether each value is finite in float32."""
    finite = np.isfinite(values)
    return finite if np.can_cast(values.dtype, np.float32) else finite & (np.abs(values) <= LARGEST)


def find_shifts(values: np.ndarray, name: str, path: Path) -> list[float] | None:
    """Return what to subtract from each column of values [rows, columns]; None: nothing from any.

    Raises UserError, with the array's `name` and file, where float32 has no range or float64 no precision for
    the deviation of a column.
    """
    shifts = [_find_shift(column, name, path) for column in values.T]
    return shifts if any(shifts) else None


def _find_shift(column: np.ndarray, name: str, path: Path) -> float:
    values = column.astype(np.float64)
    low, high = values.min(), values.max()
    if column.min() == column.max():
        deviation = 1.0  # a constant is not scaled
    else:
        unit = max(abs(low), abs(high))  # so that no square overflows
        deviation = float((values / unit).std() * unit)
        least, most = _DEVIATIONS[name]
        if not least <= deviation <= most:
            problem = f"{name} has values with a standard deviation of {deviation:.2g}"
            remedy = f"save them in another unit, {name} * 1e{-round(math.log10(deviation)):d}"
            raise UserError(f"{path}: {problem}: must be {least:.0e} to {most:.0e}; {remedy}")
        if column.dtype.kind in "iu" and unit > _EXACT and np.spacing(unit) > _MAX_ROUNDING * deviation:
            problem = f"{name} has whole numbers of {unit:,.0f}, which differ by {deviation:.2g}"
            raise UserError(
                f"{path}: {problem}: save {name} - {name}.min(), which float64 represents exactly"
            )
    rounding = np.abs(values - values.astype(np.float32)).max()
    return float(low + (values - low).mean()) if rounding > _MAX_ROUNDING * deviation else 0.0


def to_float32(values: np.ndarray, shifts: list[float] | None) -> np.ndarray:
    """Return values [rows, columns] minus their shifts [columns], in float32."""
    with np.errstate(over="ignore", invalid="ignore"):  # values that are errors by `is_in_range`
        if shifts is not None:
            values = values.astype(np.float64) - np.array(shifts)
        return values.astype(np.float32)
