"""``diffmpm view --headless`` through the real command."""

import imageio.v3 as iio
import numpy as np
import pytest

from experiments import cli
from experiments.viewer.display import no_vulkan
from tests.experiments.viewer.scenes import write_config, write_morph

pytestmark = pytest.mark.runtime("cpu", "float32")


def test_a_video_and_an_image_without_a_display(tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    config, video, image = write_config(tmp_path), tmp_path / "new" / "out.mp4", tmp_path / "last.png"
    arguments = ["--headless", "--frames", "3", "--video", str(video), "--image", str(image), "--size", "64x48"]
    assert cli.main(["view", str(config), *arguments]) == 0
    frames, last = iio.imread(video, plugin="FFMPEG"), iio.imread(image)
    assert frames.shape == (4, 48, 64, 3)
    assert (frames[0] != frames[3]).any()
    assert np.abs(frames[3].astype(int) - last).mean() < 8


def test_the_look_is_an_option(tmp_path):
    config = write_config(tmp_path)
    pictures = []
    for number, look in enumerate((["--view", "alpha"], ["--color", "speed"], ["--show"], ["--show", "grid"])):
        image = tmp_path / f"{number}.png"
        arguments = ["--headless", "--frames", "1", "--image", str(image), "--size", "64x48"]
        assert cli.main(["view", str(config), *arguments, *look]) == 0
        pictures.append(iio.imread(image))
    assert all((a != b).any() for i, a in enumerate(pictures) for b in pictures[:i])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--headless"], "expected --video OUT.mp4 or --image OUT.png"),
        (["--headless", "--video", "out.avi"], "expected a name that ends with .mp4"),
        (["--video", "out.mp4"], "written with --headless"),
        ([], "no display was found"),
        (["--headless", "--image", "a.png", "--camera", "none.yaml"], "camera none.yaml"),
    ],
)
def test_mistakes_end_in_one_line_and_code_2(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["view", str(write_config(tmp_path)), *arguments]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("diffmpm:")]
    assert message in line


def test_a_display_that_cannot_be_opened_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.delenv("DISPLAY", raising=False)
    config = str(write_config(tmp_path))
    assert cli.main(["view", config]) == 2
    assert "DISPLAY is not set; on Wayland, XWayland sets it); without a window" in capsys.readouterr().err
    monkeypatch.setenv("DISPLAY", ":87654")
    assert cli.main(["view", config]) == 2
    assert "the display :87654 cannot be opened; without a window: diffmpm view" in capsys.readouterr().err
    assert cli.main(["run", "sphere_to_rabbit", "--view", "--output", str(tmp_path / "out")]) == 2
    assert "without a window: leave out --view, then diffmpm view" in capsys.readouterr().err


def test_a_watched_run_without_a_driver_writes_nothing(tmp_path, capsys, monkeypatch):
    def no_window(*arguments):
        raise no_vulkan(arguments[-1])

    monkeypatch.setattr("experiments.viewer.display.check_display", lambda instead: None)
    monkeypatch.setattr("experiments.viewer.watch.ViewerWindow", no_window)
    output = tmp_path / "out"
    assert cli.main(["run", str(write_morph(tmp_path)), "--view", "--output", str(output)]) == 2
    assert "apt-get install mesa-vulkan-drivers libvulkan1; without a window: leave out" in capsys.readouterr().err
    assert not list(output.iterdir())
