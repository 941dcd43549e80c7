"""Images as bytes, and videos of them."""

from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
import torch

from configs.errors import InputError
from experiments.atomic import replacing, temporary_name


def to_bytes(image: torch.Tensor | np.ndarray) -> np.ndarray:
    """An image [H, W, 3] of reals in [0, 1] (clipped) or of bytes as uint8.

    Raises:
        InputError: another shape, values that are not finite.
    """
    array = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3:
        raise InputError(f"image: has shape {array.shape}; expected (H, W, 3)")
    if array.dtype == np.uint8:
        return array
    if not np.isfinite(array).all():
        raise InputError(f"image: {(~np.isfinite(array)).sum()} values are not finite; expected 0 to 1")
    return np.round(np.clip(array, 0, 1) * 255).astype(np.uint8)


def save_image(path: Path, image: torch.Tensor | np.ndarray) -> None:
    """Write an image [H, W, 3], as ``to_bytes`` takes it."""
    with replacing(path) as temporary:
        imageio.imwrite(temporary, to_bytes(image))


def load_image(path: Path) -> np.ndarray:
    """Bytes [H, W, 3]."""
    return np.asarray(imageio.imread(path))[..., :3]


class Video:
    """An MP4 (H.264) that grows frame by frame.

    It takes its name when it is closed, also when the run is interrupted: then it shows the frames until there.
    Without frames there is no file. H.264 wants even sizes: odd images repeat their last row or column.
    """

    def __init__(self, path: Path, fps: float = 30.0):
        self.path, self.fps, self.frames = Path(path), fps, 0
        self._writer: Any = None
        self._shape: tuple[int, ...] = ()

    def add(self, image: torch.Tensor | np.ndarray) -> None:
        """Append an image [H, W, 3]; all of one size."""
        frame = to_bytes(image)
        if self._writer is None:
            self._shape = frame.shape
            self._writer = imageio.get_writer(
                temporary_name(self.path),
                fps=self.fps,
                codec="libx264",
                pixelformat="yuv420p",
                macro_block_size=1,
                ffmpeg_log_level="error",
                output_params=["-crf", "18"],
            )
        if frame.shape != self._shape:
            raise InputError(f"video: a frame has shape {frame.shape}; expected {self._shape} as the first has")
        height, width = frame.shape[:2]
        self._writer.append_data(np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"))
        self.frames += 1

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            temporary_name(self.path).replace(self.path)

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *exception) -> None:
        self.close()
