"""The real window under Xvfb: keys, mouse, widgets, files; what it shows is looked at in screenshots."""

import signal

import imageio.v3 as iio
import numpy as np
import pytest

from experiments import cli
from experiments.viewer.camera import PRESETS
from experiments.viewer.look import COLORS, VIEWS
from render.cameras import intrinsics, look_at
from render.splat_file import save_splats
from tests.experiments.viewer.driving import PATIENCE, Display, DrivenWindow, expect_programs, wait_for
from tests.experiments.viewer.scenes import write_config, write_morph
from tests.experiments.viewer.widgets import find_widgets

pytestmark = pytest.mark.runtime("cpu", "float32")
WIDTH, HEIGHT = 960, 720
LEFT_PANEL, RIGHT_PANEL = (10, 229), (731, 950)
"""Their columns. Unit: pixel."""
CENTER = np.array([0.25, 0.25, 0.0])
EYE = np.array([0.0, 0.0, 4.0])


@pytest.fixture(scope="module")
def display():
    with Display() as display:
        yield display


@pytest.fixture
def screen():
    """A display for a window of the test's own."""
    with Display() as screen:
        yield screen


@pytest.fixture(scope="module")
def window(display, tmp_path_factory):
    folder = tmp_path_factory.mktemp("window")
    window = DrivenWindow(display, folder / "out", "view", str(write_config(folder)), "--backend", "cpu")
    yield window
    window.key("Escape")
    assert window.end()[0] == 0
    assert {path.name for path in folder.iterdir()} == {"scene.yaml", "out"}  # GGUI would leave an imgui.ini


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


@pytest.mark.parametrize("key", ["g", "o", "l", "c"])
def test_toggles_change_the_picture_and_change_it_back(window, key):
    before = window.screenshot()
    window.key(key)
    assert (window.screenshot() != before).any()
    window.key(*[key] * (len(COLORS) - 2 if key == "c" else 1))  # a simulation has no gradient
    assert (window.screenshot() == before).all()


def test_it_plays_until_it_is_halted(window):
    start = window.screenshot()
    window.key("space")
    wait_for(lambda: _body(window.screenshot())[1] > _body(start)[1] + 5, window.process)
    window.key("space")
    halted = window.screenshot()
    assert (window.screenshot() == halted).all()
    window.key("r", *["Right"] * 6)
    sixth = window.screenshot()
    window.key("Left")
    assert _body(start)[1] < _body(window.screenshot())[1] < _body(sixth)[1]


def test_a_slider_acts_at_once(window):
    def fallen() -> float:
        window.key("r")
        before = _body(window.screenshot())[1]
        window.key(*["Right"] * 6)
        return _body(window.screenshot())[1] - before

    slow = fallen()
    gravity = find_widgets(window.screenshot("w"), *RIGHT_PANEL, "slider")[0]
    window.drag(gravity.grip, gravity.high)
    assert fallen() == pytest.approx(3 * slow, rel=0.15)
    window.drag(gravity.high, gravity.grip)
    assert fallen() == pytest.approx(slow, rel=0.25)


def test_the_mouse_orbits_pans_zooms_and_pulls(window):
    start = window.screenshot()
    place, empty = _body(start), (400, 80)
    window.drag(empty, (460, 80))
    assert _body(window.screenshot())[0] != pytest.approx(place[0], abs=1)
    window.key("h")
    window.drag(empty, (460, 100), held="shift")
    np.testing.assert_allclose(_body(window.screenshot()), place + (60, 20), atol=3)
    window.key("h")
    window.drag(empty, (400, 40), button=3)
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
    assert changed[20:540, 15:225].mean() > 0.9
    assert changed[20:440, 735:945].mean() > 0.9
    assert not changed[:, 232:728].any()
    window.key("k")
    helped = window.screenshot("w")
    window.key("k")
    assert (helped[30:500, 250:700] != widgets[30:500, 250:700]).any(axis=2).mean() > 0.9


def test_the_boxes_choose_view_colour_and_overlay(window):
    plain = window.screenshot()
    shown = window.screenshot("w")
    views_and_colors = find_widgets(shown, *LEFT_PANEL, "box")
    overlays = find_widgets(shown, *RIGHT_PANEL, "box")
    assert (len(views_and_colors), len(overlays)) == (len(VIEWS) + len(COLORS) - 1, 3)
    particles, alpha, material, floor = *(views_and_colors[n] for n in (0, 2, -1)), overlays[2]
    for box, back in ((alpha, particles), (floor, floor)):
        window.click(box.middle)
        assert (window.screenshot() != plain).any()
        window.click(back.middle)
        assert (window.screenshot() == plain).all()
    window.click(material.middle)
    assert (window.screenshot() != plain).any()
    window.key("c")  # from the last colour to the first
    assert (window.screenshot() == plain).all()


def test_sides_and_ways_up(window):
    start = window.screenshot()
    pictures = []
    for _ in PRESETS:
        window.key("n")
        pictures.append(window.screenshot())
    assert all((a != b).any() for i, a in enumerate(pictures) for b in pictures[:i])
    assert any((picture == start).all() for picture in pictures)  # the first camera looks from the front
    window.key("h", "u")
    below = _body(window.screenshot())
    assert below[1] == pytest.approx(HEIGHT - _body(start)[1], abs=4)


def test_files_of_camera_and_recording(window):
    window.key("n", "y")
    camera = window.output / "camera.yaml"
    wait_for(camera.is_file, window.process)
    window.key("m", *["Right"] * 3, "m")
    recording = window.output / "recording_000.mp4"
    wait_for(recording.is_file, window.process)
    video = iio.imread(recording, plugin="FFMPEG")
    assert video.shape[1:] == (HEIGHT, WIDTH, 3)
    assert (video[0] != video[-1]).any()


def test_another_size_is_drawn_anew_with_its_panels(window, display):
    display.xdotool("windowsize", window.id, 700, 400)
    wait_for(lambda: window.screenshot().shape == (400, 700, 3), window.process)
    changed = (np.abs(window.screenshot("s") - window.screenshot("w")) > 40).any(axis=2)
    assert changed[20:380, 480:690].mean() > 0.9
    assert not changed[:, 232:468].any()
    display.xdotool("windowsize", window.id, WIDTH, HEIGHT)
    wait_for(lambda: window.screenshot().shape == (HEIGHT, WIDTH, 3), window.process)


def test_taken_off_the_screen_it_comes_back(window, display):
    before = window.screenshot()
    display.xdotool("windowunmap", window.id)
    display.xdotool("windowmap", window.id)
    window.focus()
    assert (window.screenshot() == before).all()


def test_two_runs_are_scrubbed_recorded_and_closed_by_the_button(screen, tmp_path):
    run = tmp_path / "run"
    assert cli.main(["run", str(write_config(tmp_path)), "--output", str(run)]) == 0
    (run / "frames" / "0002.npz").write_bytes(b"PK nothing")
    window = DrivenWindow(screen, tmp_path / "out", "view", str(run), "--beside", str(run), "--size", "640x240")
    start = window.screenshot()
    assert (start[:, :320] == start[:, 320:]).all()
    window.key("Right")
    first = window.screenshot()
    assert (first != start).any()
    window.key("Right")
    assert (window.screenshot() == first).all()  # the file is corrupt: the picture before stays
    window.key("Right")
    assert (window.screenshot() != first).any()
    window.key("m", "Left", "Left")  # the corrupt one between is a picture too
    window.screenshot()
    screen.press_the_close_button(window.id)
    code, _, errors = window.end()
    assert code == 0, errors
    assert len(iio.imread(tmp_path / "out" / "recording_000.mp4", plugin="FFMPEG")) == 3


def test_a_ply_interrupted_while_it_records_finishes_the_video(screen, tmp_path):
    means = np.array([[-0.5, 0, 0], [0.5, 0, 0]])
    covars = np.broadcast_to(0.02 * np.eye(3), (2, 3, 3))
    save_splats(tmp_path / "two.ply", means, covars, [0.95, 0.95], [[1, 0, 0], [0, 0, 1]])
    window = DrivenWindow(screen, tmp_path / "out", "view", str(tmp_path / "two.ply"), "--size", "320x240")
    window.key("m", "n")
    window.screenshot()
    window.process.send_signal(signal.SIGINT)
    code, _, errors = window.end()
    assert code == 130, errors
    assert len(iio.imread(tmp_path / "out" / "recording_000.mp4", plugin="FFMPEG")) >= 1


def test_without_a_driver_it_says_what_to_install(display, tmp_path):
    nowhere = {"VK_DRIVER_FILES": "/nonexistent", "VK_ICD_FILENAMES": "/nonexistent"}
    process = display.command("view", str(write_config(tmp_path)), "--backend", "cpu", **nowhere)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "apt-get install mesa-vulkan-drivers libvulkan1; without a window: diffmpm view" in errors


def test_without_the_programs_that_drive_it_the_tests_say_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(AssertionError, match="apt-get install xvfb xdotool mesa-vulkan-drivers libvulkan1"):
        expect_programs()


def _extent(image: np.ndarray) -> np.ndarray:
    """Width and height of what is blue, as a morph's body is. Unit: pixel."""
    places = np.argwhere(image[..., 2] > image[..., 0] + 40)
    return np.ptp(places, axis=0)[::-1]


def test_a_target_and_controls_by_the_mouse(screen, tmp_path):
    window = DrivenWindow(screen, tmp_path / "out", "view", str(write_morph(tmp_path)), "--backend", "cpu")
    window.key("n")  # x is across, y is up
    start, shown = window.screenshot(), window.screenshot("w")
    target = find_widgets(shown, *RIGHT_PANEL, "box")[1]
    window.click(target.middle)
    corner = HEIGHT // 2 - 91, WIDTH // 2 + 91  # within the target, a box, and beside the body, a ball
    assert (start[corner] == 255).all()
    red, _, blue = window.screenshot()[corner]
    assert red > blue + 40
    window.click(target.middle)
    assert (window.screenshot() == start).all()

    xx, _, _, young, _ = find_widgets(shown, *RIGHT_PANEL, "slider")

    def drawn() -> np.ndarray:
        """After three frames."""
        window.key("r", "Right", "Right", "Right")
        return _extent(window.screenshot())

    before = _extent(start)
    window.drag(xx.grip, xx.high)
    narrow = drawn()
    assert narrow[0] < before[0] - 8
    assert narrow[0] < narrow[1] - 8
    window.drag(xx.high, xx.low)
    wide = drawn()
    assert wide[0] > before[0] + 8
    window.drag(young.grip, young.low)
    soft = drawn()
    assert before[0] < soft[0] < wide[0] - 8
    window.key("Escape")
    code, _, errors = window.end()
    assert code == 0, errors


def test_an_optimisation_is_watched_halted_and_closed(screen, tmp_path):
    config = write_morph(
        tmp_path, optimize={"episodes": 500, "steps": 6, "control_stride": 2, "iterations": 2, "lr": 0.02}
    )
    output = tmp_path / "out"
    window = DrivenWindow(screen, output, "run", str(config), "--view", "runtime.backend=cpu")
    window.key("space")
    halted = window.screenshot()
    curve = halted[-152:-8, -328:-8]
    assert (np.abs(curve - [200, 60, 20]).max(axis=2) < 3).any()
    assert (window.screenshot() == halted).all()
    window.key("a")
    assert (window.screenshot() != halted).any()
    window.key("a", "space")
    wait_for(lambda: (window.screenshot() != halted).any(), window.process)
    screen.press_the_close_button(window.id)
    code, _, errors = window.end()
    assert code == 130, errors
    assert {"metrics.json", "particles_final.npz", "splats_final.ply", "loss.png"} <= {p.name for p in output.iterdir()}
    assert not (tmp_path / "imgui.ini").exists()
