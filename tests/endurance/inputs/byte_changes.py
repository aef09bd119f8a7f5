"""Random damage to the bytes of a file: Hypothesis strategies of functions from bytes to bytes."""

import json
import random
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, Literal

from hypothesis import strategies

Change = Callable[[bytes], bytes]
PLACES = strategies.integers(0, 1 << 30)
NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
PIECES = (
    b"\0",
    b"\n",
    b"\r",
    b"\t",
    b",",
    b'"',
    b";",
    b"-",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"9" * 400,
    b"-1",
    b"nan",
    b"1e999",
    b"PK\x03\x04",
    b"\x1f\x8b\x08",
    "é\u2028😀".encode(),
)
REPLACED = (  # parts of tables, and what other programs write
    (b"\n", b"\r"),
    (b"\n", b"\r\n"),
    (b"\n", b"\n\n"),
    (b"\n", b"\n\r"),
    (b"\n", b'"\n"'),
    (b"\t", b'"\t"'),
    (b"\t", b","),
    (b"\t", b"\t\t"),
    (b"\t", b" \t "),
    (b",", b";"),
    (b",", b", "),
    (b",", b'","'),
    (b";", b"|"),
    (b" ", b'"'),
    (b" ", b'""'),
    (b" ", "\u00a0".encode()),
    (b" ", "\u200d\u0301".encode()),
    (b"e", "e\u0301".encode()),
    (b"t", "\u0915\u093e".encode()),
    (b"text", b""),
    (b"label", b"Label"),
)
FIRST_LINES = (
    b"sep=;\n",
    b'"sep=,"\r\n',
    b"sep=\n",
    b"sep=ab\n",
    b"\r\n\r\n",
    b"\t\t\n",
    b"# made by hand\n",
    b'"',
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-7", "cp500", "latin-1")
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**30,
    -1.5,
    1e300,
    "",
    "\0",
    "\ud800",
    "text",
    "long " * 1_000,
    [],
    {},
    [[]],
    ["a"] * 3,
    {"kind": "text"},
)


def _at(data: bytes, place: int) -> int:
    return place % (len(data) + 1)


def flip(place: int) -> Change:
    """Return a change that flips one bit."""

    def change(data: bytes) -> bytes:
        if not data:
            return data
        at = place // 8 % len(data)
        return data[:at] + bytes([data[at] ^ (1 << place % 8)]) + data[at + 1 :]

    return change


def cut(place: int) -> Change:
    """Return a change that truncates the file at a position."""
    return lambda data: data[: _at(data, place)]


def remove(place: int, size: int) -> Change:
    """Return a change that removes a part."""
    return lambda data: data[: _at(data, place)] + data[_at(data, place) + size :]


def insert(place: int, piece: bytes) -> Change:
    """Return a change that inserts bytes."""
    return lambda data: data[: _at(data, place)] + piece + data[_at(data, place) :]


def overwrite(place: int, piece: bytes) -> Change:
    """Return a change that overwrites bytes."""
    return lambda data: data[: _at(data, place)] + piece + data[_at(data, place) + len(piece) :]


def repeat(place: int, size: int) -> Change:
    """Return a change that repeats a part."""
    return lambda data: data[: _at(data, place) + size] + data[_at(data, place) :]


def swap(place: int, other: int, size: int) -> Change:
    """Return a change that swaps two parts."""

    def change(data: bytes) -> bytes:
        first, second = sorted((_at(data, place), _at(data, other)))
        parts = data[first : first + size], data[second : second + size]
        return overwrite(second, parts[0])(overwrite(first, parts[1])(data))

    return change


def recode(encoding: str) -> Change:
    """Return a change to another encoding of the same text."""
    return lambda data: data.decode("latin-1").encode(encoding)


def replace(pair: tuple[bytes, bytes], count: int) -> Change:
    """Return a change that replaces a part by another, `count` times."""
    return lambda data: data.replace(*pair, count)


def normalize(form: Literal["NFC", "NFD", "NFKC", "NFKD"]) -> Change:
    """Return a change of a text in UTF-8 to a normal form of Unicode."""
    return lambda data: unicodedata.normalize(form, data.decode("utf-8", "replace")).encode()


def shuffle_columns(number: int) -> Change:
    """Return a change of a table that repeats, removes or reorders columns, in one line or in all."""

    def change(data: bytes) -> bytes:
        generator, lines = random.Random(number), data.split(b"\n")
        separator = b"\t" if b"\t" in data else b","
        everywhere, what = generator.random() < 0.5, generator.randrange(3)
        chosen = generator.randrange(len(lines))
        for at, line in enumerate(lines):
            columns = line.split(separator)
            if not everywhere and at != chosen:
                continue
            if what == 0:
                columns = [columns[0], *columns]
            elif what == 1:
                columns = columns[1:]
            else:
                columns = columns[::-1]
            lines[at] = separator.join(columns)
        return b"\n".join(lines)

    return change


def alter_json(number: int, value: Any) -> Change:
    """Return a change of a JSON file that replaces or removes a random value, or has deeply nested lists."""

    def change(data: bytes) -> bytes:
        try:
            content = json.loads(data)
        except (ValueError, RecursionError):
            return data
        if number % 50 == 0:
            return b'{"version": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"
        generator, node = random.Random(number), content
        while isinstance(node, dict | list) and node:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            key = generator.choice(keys)
            if not isinstance(node[key], dict | list) or not node[key] or generator.random() < 0.3:
                if generator.random() < 0.2:
                    del node[key]
                else:
                    node[key] = value
                break
            node = node[key]
        return json.dumps(content).encode()

    return change


SIZES = strategies.integers(1, 40)
COMMON = [
    strategies.builds(flip, PLACES),
    strategies.builds(flip, strategies.integers(0, 400)),
    strategies.builds(cut, PLACES),
    strategies.builds(remove, PLACES, SIZES),
    strategies.builds(insert, PLACES, strategies.sampled_from(PIECES) | strategies.binary(max_size=8)),
    strategies.builds(overwrite, PLACES, strategies.sampled_from(PIECES) | strategies.binary(max_size=8)),
    strategies.builds(
        lambda place, number, order: overwrite(place, number.to_bytes(4, order)),
        strategies.integers(0, 64),
        strategies.sampled_from(NUMBERS),
        strategies.sampled_from(("big", "little")),
    ),
    strategies.builds(repeat, PLACES, SIZES),
    strategies.builds(swap, PLACES, PLACES, SIZES),
]
OF_TEXTS = [
    strategies.builds(recode, strategies.sampled_from(ENCODINGS)),
    strategies.builds(shuffle_columns, PLACES),
]
OF_TABLES = [
    *OF_TEXTS,
    strategies.builds(replace, strategies.sampled_from(REPLACED), strategies.sampled_from((1, 2, 9, -1))),
    strategies.builds(insert, strategies.just(0), strategies.sampled_from(FIRST_LINES)),
    strategies.builds(normalize, strategies.sampled_from(("NFC", "NFD", "NFKC", "NFKD"))),
]
OF_JSON = [strategies.builds(alter_json, PLACES, strategies.sampled_from(VALUES))] * 4


def changes(also: Sequence[strategies.SearchStrategy[Change]]) -> strategies.SearchStrategy[list[Change]]:
    """Return a strategy of lists of one to three changes."""
    return strategies.lists(strategies.one_of(*COMMON, *also), min_size=1, max_size=3)
