"""The real window under Xvfb: keys, mouse, widgets, files; what it shows is looked at in screenshots."""

import signal

import imageio.v3 as iio
import numpy as np
import pytest

from experiments import cli
from experiments.viewer.look import VIEWS
from render.cameras import intrinsics, look_at
from tests.experiments.viewer.driving import Display, DrivenWindow, wait_for
from tests.experiments.viewer.scenes import write_config

pytestmark = pytest.mark.runtime("cpu", "float32")
WIDTH, HEIGHT = 960, 720
GRAVITY = ((92, 594), (218, 594))
"""The slider's handle, and its right end. Unit: pixel."""
CENTER = np.array([0.25, 0.25, 0.0])
EYE = np.array([0.0, 0.0, 4.0])


@pytest.fixture(scope="module")
def display():
    with Display() as display:
        yield display


@pytest.fixture(scope="module")
def window(display, tmp_path_factory):
    folder = tmp_path_factory.mktemp("window")
    window = DrivenWindow(display, folder / "out", "view", str(write_config(folder)), "--backend", "cpu")
    yield window
    window.key("Escape")
    assert window.end()[0] == 0


@pytest.fixture(autouse=True)
def _start_anew(request):
    if "window" in request.fixturenames:
        request.getfixturevalue("window").key("r", "h")


def _body(image: np.ndarray) -> np.ndarray:
    """Column and row of the middle of the red body."""
    red = (image[..., 0] > 60) & (image[..., 0] > 2 * image[..., 1]) & (image[..., 0] > 2 * image[..., 2])
    assert red.sum() > 100
    return np.argwhere(red).mean(axis=0)[::-1] + 0.5


def _projected(point: np.ndarray) -> np.ndarray:
    camera = look_at(EYE)[:3, :3] @ point + look_at(EYE)[:3, 3]
    return (intrinsics(WIDTH, HEIGHT, 40.0) @ camera)[:2] / camera[2]


def test_the_body_is_where_its_projection_says(window):
    image = window.screenshot()
    assert image.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_allclose(_body(image), _projected(CENTER), atol=4)


def test_every_view_is_another_picture(window):
    pictures = []
    for _ in VIEWS:
        pictures.append(window.screenshot())
        window.key("v")
    assert all((a != b).any() for i, a in enumerate(pictures) for b in pictures[:i])
    assert (window.screenshot() == pictures[0]).all()


@pytest.mark.parametrize("key", ["g", "o", "l"])
def test_toggles_change_the_picture_and_change_it_back(window, key):
    before = window.screenshot()
    window.key(key)
    assert (window.screenshot() != before).any()
    window.key(key)
    assert (window.screenshot() == before).all()


def test_it_plays_until_it_is_halted(window):
    start = window.screenshot()
    window.key("space")
    wait_for(lambda: _body(window.screenshot())[1] > _body(start)[1] + 5, window.process)
    window.key("space")
    halted = window.screenshot()
    assert (window.screenshot() == halted).all()
    window.key("Left")
    assert _body(window.screenshot())[1] < _body(halted)[1]


def test_a_slider_acts_at_once(window):
    def fallen() -> float:
        window.key("r")
        before = _body(window.screenshot())[1]
        window.key(*["Right"] * 6)
        return _body(window.screenshot())[1] - before

    slow = fallen()
    window.drag(*GRAVITY)
    assert fallen() == pytest.approx(3 * slow, rel=0.15)
    window.drag(GRAVITY[1], GRAVITY[0])
    assert fallen() == pytest.approx(slow, rel=0.25)


def test_the_mouse_orbits_pans_zooms_and_pulls(window):
    start = window.screenshot()
    place, empty = _body(start), (800, 80)
    window.drag(empty, (860, 80))
    assert _body(window.screenshot())[0] != pytest.approx(place[0], abs=1)
    window.key("h")
    window.drag(empty, (860, 100), held="shift")
    np.testing.assert_allclose(_body(window.screenshot()), place + (60, 20), atol=3)
    window.key("h")
    window.drag(empty, (800, 40), button=3)
    middle = np.array([WIDTH, HEIGHT]) / 2
    assert np.linalg.norm(_body(window.screenshot()) - middle) > np.linalg.norm(place - middle) + 3
    window.key("h")
    assert (window.screenshot() == start).all()
    window.drag(tuple(place), (place[0] + 60, place[1]), held="ctrl")
    window.key("Right", "Right")
    assert _body(window.screenshot())[0] > place[0] + 3


def test_widgets_are_in_the_screenshot_that_asks_for_them(window):
    plain, widgets = window.screenshot("s"), window.screenshot("w")
    changed = (np.abs(plain - widgets) > 40).any(axis=2)
    assert changed[20:700, 15:320].mean() > 0.9
    assert not changed[:, 330:].any()
    window.key("k")
    helped = window.screenshot("w")
    window.key("k")
    assert (helped[30:690, 350:900] != widgets[30:690, 350:900]).any(axis=2).mean() > 0.9


def test_files_of_camera_and_recording(window):
    window.key("1", "y")
    camera = window.output / "camera.yaml"
    wait_for(camera.is_file, window.process)
    window.key("m", *["Right"] * 3, "m")
    recording = window.output / "recording_000.mp4"
    wait_for(recording.is_file, window.process)
    video = iio.imread(recording, plugin="FFMPEG")
    assert video.shape[1:] == (HEIGHT, WIDTH, 3)
    assert (video[0] != video[-1]).any()


def test_another_size_is_drawn_anew(window, display):
    display.xdotool("windowsize", window.id, 500, 400)
    wait_for(lambda: window.screenshot().shape == (400, 500, 3), window.process)
    display.xdotool("windowsize", window.id, WIDTH, HEIGHT)
    wait_for(lambda: window.screenshot().shape == (HEIGHT, WIDTH, 3), window.process)


def test_interrupted_while_it_records_it_finishes_the_video(tmp_path):
    assert cli.main(["run", str(write_config(tmp_path)), "--output", str(tmp_path / "run")]) == 0
    with Display() as display:
        window = DrivenWindow(display, tmp_path / "out", "view", str(tmp_path / "run"), "--size", "320x240")
        window.key("m", "space")
        window.screenshot()
        window.process.send_signal(signal.SIGINT)
        code, _, errors = window.end()
    assert code == 130, errors
    assert len(iio.imread(tmp_path / "out" / "recording_000.mp4", plugin="FFMPEG")) >= 1


def test_without_a_driver_it_says_what_to_install(display, tmp_path):
    nowhere = {"VK_DRIVER_FILES": "/nonexistent", "VK_ICD_FILENAMES": "/nonexistent"}
    process = display.command("view", str(write_config(tmp_path)), "--backend", "cpu", **nowhere)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "apt-get install mesa-vulkan-drivers libvulkan1; without a window: diffmpm view" in errors


def test_an_optimisation_is_watched_halted_and_ended(tmp_path):
    grid = ["mpm.grid.spacing=0.125", "mpm.grid.size=[17,17,17]", "optimize.episodes=500", "optimize.iterations=2"]
    small = [*grid, "runtime.backend=cpu", "output.video=false"]
    output = tmp_path / "out"
    with Display() as display:
        window = DrivenWindow(display, output, "run", "sphere_to_rabbit", "--view", *small)
        window.key("space")
        halted = window.screenshot()
        curve = halted[-152:-8, -328:-8]
        assert (np.abs(curve - [200, 60, 20]).max(axis=2) < 3).any()
        assert (window.screenshot() == halted).all()
        window.key("space")
        wait_for(lambda: (window.screenshot() != halted).any(), window.process)
        window.key("Escape")
        code, _, errors = window.end()
    assert code == 130, errors
    assert {"metrics.json", "particles_final.npz", "splats_final.ply", "loss.png"} <= {p.name for p in output.iterdir()}
