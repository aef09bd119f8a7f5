"""The values of pictures of every depth and kind of colour, computed from the bytes of their files."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rnn_jax import datasets
from rnn_jax.datasets.user_files import inputs, pictures
from rnn_jax.runtime.errors import UserError

RANDOM = np.random.default_rng(0)
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6  # colour types of PNG


def png(values: np.ndarray, depth: int, colour: int, **chunks: bytes) -> bytes:
    """Return the PNG file of values [height, width, channels] (https://www.w3.org/TR/png/)."""
    height, width, _ = values.shape
    if depth == 16:
        rows = [row.astype(">u2").tobytes() for row in values]
    else:  # the first pixel has the highest bits of a byte
        bits = np.unpackbits(values.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
        rows = [np.packbits(row.ravel()).tobytes() for row in bits]
    content = {b"IHDR": struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)}
    content |= {name.encode(): data for name, data in chunks.items()}
    content |= {b"IDAT": zlib.compress(b"".join(b"\0" + row for row in rows)), b"IEND": b""}
    file = b"\x89PNG\r\n\x1a\n"
    for name, data in content.items():
        file += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return file


def grey(colours: np.ndarray) -> np.ndarray:
    """Return the luminance by ITU-R BT.601 of red, green and blue [..., 3]."""
    return colours.astype(np.float64) @ [0.299, 0.587, 0.114]


def read(path: Path, content: bytes) -> np.ndarray:
    path.write_bytes(content)
    return pictures.read_all([path])[0].astype(np.float64)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_grey_of_up_to_8_bits(depth: int, tmp_path: Path) -> None:
    white = (1 << depth) - 1
    values = RANDOM.integers(white + 1, size=(5, 7, 1))
    found = read(tmp_path / "a.png", png(values, depth, GREY))
    np.testing.assert_array_equal(found, values[..., 0] * 255 / white)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_palettes_and_their_transparency(depth: int, tmp_path: Path) -> None:
    count = 1 << depth
    palette, alpha = RANDOM.integers(256, size=(count, 3)), RANDOM.integers(256, size=count)
    values = RANDOM.integers(count, size=(5, 7, 1))
    chunk = palette.astype(np.uint8).tobytes()
    found = read(tmp_path / "a.png", png(values, depth, PALETTE, PLTE=chunk))
    np.testing.assert_allclose(found, grey(palette)[values[..., 0]], atol=0.51)
    transparent = png(values, depth, PALETTE, PLTE=chunk, tRNS=alpha.astype(np.uint8).tobytes())
    share = alpha[values] / 255
    expected = grey(palette[values[..., 0]] * share + 255 * (1 - share))  # on white
    np.testing.assert_allclose(read(tmp_path / "a.png", transparent), expected, atol=1.1)


@pytest.mark.parametrize("colour", [RGB, GREY_ALPHA, RGB_ALPHA])
def test_colours_and_alpha_of_8_bits(colour: int, tmp_path: Path) -> None:
    channels = {RGB: 3, GREY_ALPHA: 2, RGB_ALPHA: 4}[colour]
    values = RANDOM.integers(256, size=(5, 7, channels))
    share = np.ones((5, 7, 1)) if colour == RGB else values[..., -1:] / 255
    colours = values[..., :3] if colour != GREY_ALPHA else values[..., :1].repeat(3, axis=-1)
    expected = grey(colours * share + 255 * (1 - share))
    np.testing.assert_allclose(read(tmp_path / "a.png", png(values, 8, colour)), expected, atol=1.1)


def test_the_transparent_value_of_grey_and_of_colours(tmp_path: Path) -> None:
    for depth in (1, 2, 4, 8):
        white, clear = (1 << depth) - 1, depth // 2
        values = RANDOM.integers(white + 1, size=(5, 7, 1))
        found = read(tmp_path / "a.png", png(values, depth, GREY, tRNS=struct.pack(">H", clear)))
        np.testing.assert_array_equal(found, np.where(values == clear, 255, values * 255 / white)[..., 0])
    colours = RANDOM.integers(2, size=(5, 7, 1)).repeat(3, axis=-1) * 9
    found = read(tmp_path / "a.png", png(colours, 8, RGB, tRNS=struct.pack(">HHH", 9, 9, 9)))
    np.testing.assert_array_equal(found, np.where(colours[..., 0] == 9, 255, 0))


def test_jpeg_of_four_colours(tmp_path: Path) -> None:
    inks = np.array([[10, 200, 30, 40], [0, 0, 0, 255], [0, 0, 0, 0], [90, 0, 200, 100]])  # C, M, Y, K
    expected = grey((255 - inks[:, :3]) * (255 - inks[:, 3:]) / 255)
    for ink, value in zip(inks, expected, strict=True):
        Image.fromarray(np.tile(ink.astype(np.uint8), (16, 16, 1)), "CMYK").save(
            tmp_path / "a.jpg", quality=100
        )
        np.testing.assert_allclose(pictures.read(tmp_path / "a.jpg"), value, atol=3)


def test_16_bits_that_would_be_dropped_are_an_error(tmp_path: Path) -> None:
    for colour, channels, chunks in (
        (RGB, 3, {}),
        (GREY_ALPHA, 2, {}),
        (RGB_ALPHA, 4, {}),
        (GREY, 1, {"tRNS": b"\0\1"}),
    ):
        content = png(RANDOM.integers(300, size=(5, 7, channels)), 16, colour, **chunks)
        with pytest.raises(
            UserError, match=r"a.png: has 16 bits per channel: must have 8, or be grey and opaque"
        ):
            read(tmp_path / "a.png", content)


def folder_of(path: Path, values: list[np.ndarray], depth: int = 16) -> dict[str, Any]:
    """Write pictures alternately into two classes; return the keys that load them."""
    for number, each in enumerate(values):
        place = path / "ab"[number % 2] / f"{number:03}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(png(each[..., None], depth, GREY))
    return {
        "name": "image_folder",
        "batch_size": 2,
        "folder": str(path),
        "data_dir": str(path.parent / "data"),
    }


@pytest.mark.parametrize(
    ("largest", "white"), [(200, 255), (255, 255), (4_000, 4_095), (65_535, 65_535), (0, 1)]
)
def test_16_bits_are_scaled_by_the_bits_that_are_used(largest: int, white: int, tmp_path: Path) -> None:
    values = [RANDOM.integers(largest + 1, size=(5, 7)) for _ in range(30)]
    values[17][2, 3] = largest
    found = datasets.build_dataset(**folder_of(tmp_path / "pictures", values))
    assert found.spec["sixteen_bit_white"] == white
    expected = {np.rint(each * 255 / white).astype(np.uint8).tobytes() for each in values}
    assert {each.tobytes() for arrays in found.splits.values() for each in arrays["inputs"]} == expected
    (first,) = inputs.read_input_images(
        [str(tmp_path / "pictures/a/000.png")], found.spec, "mixed", inverts=False
    )
    np.testing.assert_array_equal(first[0].value, np.rint(values[0] * 255 / white))


def test_new_pictures_must_have_the_bits_of_the_data_set(tmp_path: Path) -> None:
    (tmp_path / "8.png").write_bytes(png(np.full((5, 7, 1), 9), 8, GREY))
    (tmp_path / "16.png").write_bytes(png(np.full((5, 7, 1), 300), 16, GREY))
    with pytest.raises(UserError, match=r"16.png: has 16 bits per pixel, but the images of the data set 8"):
        pictures.read(tmp_path / "16.png")
    with pytest.raises(UserError, match=r"8.png: has 8 bits per pixel, but the images of the data set 16"):
        pictures.read(tmp_path / "8.png", 4_095)
    with pytest.raises(
        UserError, match=r"16.png: has the value 300: must be at most 255, the white of the data"
    ):
        pictures.read(tmp_path / "16.png", 255)
    keys = folder_of(tmp_path / "pictures", [np.zeros((5, 7), int)] * 29)
    (tmp_path / "pictures" / "b" / "z.png").write_bytes((tmp_path / "8.png").read_bytes())
    with pytest.raises(UserError, match=r"z.png: has 8 bits per pixel: must have 16, as .*000.png"):
        datasets.build_dataset(**keys)


@pytest.mark.parametrize("background", [None, "dark", "light"])
def test_pictures_are_inverted_by_a_key_alone(background: str | None, tmp_path: Path) -> None:
    values = [np.full((5, 7), 255 if number % 3 else 0) for number in range(30)]
    for each in values:
        each[2, 3] = 100
    found = datasets.build_dataset(**folder_of(tmp_path / "pictures", values, 8), background=background)
    edge = {None: None, "dark": 0, "light": 255}[background]
    wanted = [each if edge in (None, each[0, 0]) else 255 - each for each in values]
    expected = sorted(each.astype(np.uint8).tobytes() for each in wanted)
    assert sorted(each.tobytes() for arrays in found.splits.values() for each in arrays["inputs"]) == expected


def test_16_bits_that_use_few_of_the_grey_levels_are_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = [RANDOM.integers(200, size=(5, 7)) for _ in range(30)]
    one_bright = [each.copy() for each in values]
    one_bright[3][2, 2] = 65_535
    cases = {"plain": values, "offset": [30_000 + each for each in values], "bright": one_bright}
    err = ""
    for name, each in cases.items():
        keys = folder_of(tmp_path / name, each)
        for _ in range(2):  # prepared, and read again
            datasets.build_dataset(**keys)
            err = capsys.readouterr().err
            found = "one of 255 grey levels stands for"
            assert (found in err) == (name != "plain")
    assert "levels stands for 257, as the largest value is 65,535; subtract their background" in err
