"""The viewer's pictures without a display: a video, or a single image."""

from pathlib import Path

import imageio.v2 as imageio

from configs.errors import InputError
from experiments.atomic import replacing
from experiments.images import Video
from experiments.progress import RunProgress
from experiments.viewer.viewer import Viewer

FPS = 30.0


def run_headless(viewer: Viewer, frames: int, video: Path | None, image: Path | None, size: tuple[int, int]) -> None:
    """Play ``frames`` frames after the first into ``video`` (.mp4), and save the last as ``image`` (.png).

    Raises:
        InputError: the source fails; what is there is written.
    """
    viewer.playing = True
    picture = viewer.picture(*size)
    with RunProgress(frames, "view") as progress:
        film = Video(video, FPS) if video else None
        try:
            for number in range(frames + 1):
                if number:
                    viewer.tick()
                    picture = viewer.picture(*size)
                if film:
                    film.add(picture)
                if number:
                    progress.advance("view", f"frame {viewer.number}")
                if viewer.problem or not viewer.playing:
                    break
        finally:
            if film:
                film.close()
    if image:
        with replacing(image) as temporary:
            imageio.imwrite(temporary, picture)
    if viewer.problem:
        raise InputError(f"view: {viewer.problem}")


def check_outputs(video: Path | None, image: Path | None) -> None:
    """Raise ``InputError`` if nothing is to be written, or under a name that ends otherwise; make the folders."""
    if not (video or image):
        raise InputError("view: --headless writes nothing; expected --video OUT.mp4 or --image OUT.png")
    for option, path, suffix in (("--video", video, ".mp4"), ("--image", image, ".png")):
        if path and path.suffix != suffix:
            raise InputError(f"view: {option} {path}: expected a name that ends with {suffix}")
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
