"""``diffmpm compare``: two runs side by side in one video."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from configs.errors import InputError
from experiments.images import Video

HEADER = 28
"""Height of the names' band. Unit: pixel."""


def compare(left: Path, right: Path, output: Path) -> None:
    """Write a video of the recorded frames of two runs, frame beside frame; the shorter one waits at its end.

    Raises:
        InputError: a folder without render.mp4.
    """
    readers = [_open(folder) for folder in (left, right)]
    fps = readers[0].get_meta_data()["fps"]
    names = [folder.resolve().name for folder in (left, right)]
    headers = [_header(name, reader.get_meta_data()["size"][0]) for name, reader in zip(names, readers, strict=True)]
    output.parent.mkdir(parents=True, exist_ok=True)
    with Video(output, fps) as video:
        for images in _together(*readers):
            video.add(side_by_side(*(np.vstack(pair) for pair in zip(headers, images, strict=True))))
    for reader in readers:
        reader.close()


def side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Images [H, W, 3] of bytes, the lower one filled up with white."""
    height = max(len(left), len(right))
    filled = [np.pad(i, ((0, height - len(i)), (0, 0), (0, 0)), constant_values=255) for i in (left, right)]
    return np.hstack(filled)


def _together(*readers) -> Iterator[list[np.ndarray]]:
    last: list[np.ndarray] = [np.zeros(0)] * len(readers)
    for images in zip_longest(*readers):
        last = [old if image is None else np.asarray(image) for old, image in zip(last, images, strict=True)]
        yield last


def _open(folder: Path):
    path = folder / "render.mp4"
    if not path.is_file():
        raise InputError(f"{folder}: no render.mp4; expected the folder of a run with output.video")
    return imageio.get_reader(path)


def _header(text: str, width: int) -> np.ndarray:
    """``text`` on white, [HEADER, width, 3] bytes."""
    figure = Figure(figsize=(width / 100, HEADER / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=9)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
