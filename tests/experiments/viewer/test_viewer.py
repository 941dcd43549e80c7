"""The viewer without a window: pictures of each view, playing, sliders, pushes, keys, panels."""

import contextlib
import math
import string
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import taichi as ti
import torch

from experiments.viewer.arrows import draw_arrows
from experiments.viewer.camera import PRESETS, OrbitCamera
from experiments.viewer.clipboard import copy
from experiments.viewer.curve import curve_color, draw_curves
from experiments.viewer.keys import KEYS, MOUSE
from experiments.viewer.look import COLORS, OVERLAYS, VIEWS
from experiments.viewer.mouse import Mouse
from experiments.viewer.opening import open_source
from experiments.viewer.panel import draw_panels
from experiments.viewer.viewer import Viewer
from tests.experiments.viewer.scenes import write_config, write_morph

pytestmark = pytest.mark.runtime("cpu", "float32")
SIZE = (96, 72)


@pytest.fixture
def viewer(tmp_path) -> Viewer:
    return Viewer([open_source(str(write_config(tmp_path)))])


def _red(image: np.ndarray) -> np.ndarray:
    """Where the body is seen."""
    red, green, blue = image.astype(int).transpose(2, 0, 1)
    return (red > 60) & (red > 2 * green) & (red > 2 * blue)


def _middle(mask: np.ndarray) -> np.ndarray:
    """Column and row of the mask's centre."""
    return np.argwhere(mask).mean(axis=0)[::-1] + 0.5


@pytest.mark.parametrize("view", ["particles", "rgb"])
def test_the_body_is_where_its_projection_says(viewer, view):
    viewer.look.view = view
    for azimuth in (0.0, 0.7):
        viewer.camera.azimuth = azimuth
        seen = _red(viewer.picture(*SIZE))
        camera = viewer.camera.view(*SIZE)
        center = camera.to_pixels(camera.to_camera(viewer.sources[0].x.numpy().astype(float))).mean(axis=0)
        assert seen.sum() > 50
        np.testing.assert_allclose(_middle(seen), center, atol=1.0)


def test_views_differ_and_show_what_they_say(viewer):
    viewer.look.shown = dict.fromkeys(viewer.look.shown, False)
    pictures = {}
    for view in VIEWS:
        viewer.look.view = view
        pictures[view] = viewer.picture(*SIZE).astype(int)
    body = _red(pictures["rgb"])
    assert (pictures["alpha"][body] > 100).all()
    assert pictures["alpha"][0, 0].max() == 0
    assert (pictures["depth"][0, 0] == 0).all()
    # the box's face towards the camera, which looks along -z
    row, column = np.argwhere(body).mean(axis=0).astype(int)
    np.testing.assert_allclose(pictures["normals"][row, column], [128, 128, 255], atol=25)
    assert all((pictures[a] != pictures[b]).any() for a in VIEWS for b in VIEWS if a != b)


def test_quantities_colour_the_particles(viewer):
    viewer.step(2)
    pictures = {}
    for color in COLORS:
        viewer.look.color = color
        pictures[color] = viewer.picture(*SIZE)
    assert all((pictures[a] != pictures[b]).any() for a in COLORS for b in COLORS if a != b and "det F" not in (a, b))
    low, high = viewer.look.ranges["speed"]
    assert low == pytest.approx(10 * 0.04, rel=0.02)
    assert high == pytest.approx(10 * 0.04, rel=0.02)


def test_overlays_change_the_picture(viewer):
    everything = viewer.picture(*SIZE)
    for overlay in ("grid", "colliders", "floor"):
        viewer.look.toggle(overlay)
        assert (viewer.picture(*SIZE) != everything).any(), overlay
        viewer.look.toggle(overlay)
    assert (viewer.picture(*SIZE) == everything).all()


def test_playing_falls_as_the_run_does(viewer, run_folder):
    viewer.toggle_playing()
    for _ in range(4):
        viewer.tick()
    recorded = np.load(run_folder / "frames" / "0004.npz")
    np.testing.assert_allclose(viewer.sources[0].x.numpy(), recorded["x"], atol=1e-5)
    viewer.change_speed(-1)
    before = viewer.number
    viewer.tick()
    viewer.tick()
    assert viewer.number == before + 1
    viewer.reset()
    assert not viewer.playing
    np.testing.assert_array_equal(viewer.sources[0].x.numpy(), np.load(run_folder / "frames" / "0000.npz")["x"])


def test_sliders_act_at_once(viewer):
    source = viewer.sources[0]
    by_name = {parameter.name: parameter for parameter in source.parameters}
    by_name["gravity"].set(20.0)
    viewer.step()
    assert float(source.state.v[:, 1].mean()) == pytest.approx(-20 * 0.02, rel=1e-3)
    viewer.reset()
    source.state.F[:] = torch.diag(torch.tensor([1.1, 1.0, 1.0]))
    soft = source.stress()
    by_name["youngs_modulus"].set(1e5)
    np.testing.assert_allclose(source.stress().numpy(), 10 * soft.numpy(), rtol=1e-3, atol=1.0)
    mu, lam = 1e4 / 2.4, 1e4 * 0.2 / (1.2 * 0.6)
    assert float(soft[0, 0, 0]) == pytest.approx((2 * mu + lam) * 0.1 * 1.1, rel=1e-3)
    viewer.step()  # stiffer than the configured step allows
    assert viewer.problem == ""


def test_a_control_draws_the_body_together(tmp_path):
    viewer = Viewer([open_source(str(write_config(tmp_path)), ["mpm.gravity=[0,0,0]"])])
    source = viewer.sources[0]
    (control,) = [parameter for parameter in source.parameters if parameter.name == "control xx"]
    control.set(0.01)
    viewer.step(5)
    assert viewer.problem == ""
    before, now = source.stage.x, source.x
    widths = [float(x[:, 0].max() - x[:, 0].min()) for x in (before, now)]
    assert widths[0] > widths[1]  # F that is larger than the body is under tension: it draws together
    assert float((now[:, 0].mean() - before[:, 0].mean()).abs()) < 1e-3


def test_the_mouse_pulls_the_material_after_it(viewer):
    image = viewer.picture(*SIZE)
    u, v = _middle(_red(image))
    mouse = Mouse(viewer)
    mouse.press("left", False, True, (u, v))
    mouse.move((u + 2, v), SIZE[1])
    velocity = viewer.sources[0].state.v.numpy()
    pixel = 2 * viewer.push.depth * math.tan(math.radians(20)) / SIZE[1]
    assert velocity[:, 0].max() == pytest.approx(2 * pixel / 0.02, rel=0.1)
    assert abs(velocity[:, 1:]).max() < 1e-3
    mouse.release()
    viewer.step()
    assert viewer.problem == ""
    mouse.press("left", False, True, (1, 1))  # nothing is there
    assert viewer.push is None


def test_the_camera_turns_shifts_comes_closer_and_is_told(viewer, tmp_path):
    mouse, first = Mouse(viewer), viewer.camera.view(*SIZE)
    np.testing.assert_allclose(first.eye, [0, 0, 4], atol=1e-6)
    for buttons, changed in ((("left", True, False), "target"), (("right", False, False), "distance")):
        before = np.copy(getattr(viewer.camera, changed))
        mouse.press(*buttons, (10, 10))
        mouse.move((20, 30), SIZE[1])
        mouse.release()
        assert (getattr(viewer.camera, changed) != before).any()
    viewer.camera.orbit(0.1, 0.05)
    viewer.save_camera(tmp_path / "camera.yaml")
    wanted = viewer.camera.view(*SIZE)
    viewer.home()
    np.testing.assert_allclose(viewer.camera.view(*SIZE).viewmat, first.viewmat, atol=1e-6)
    viewer.load_camera(tmp_path / "camera.yaml")
    np.testing.assert_allclose(viewer.camera.view(*SIZE).viewmat, wanted.viewmat, atol=1e-4)
    sides = [viewer.camera.next_preset() for _ in range(len(PRESETS) + 1)]
    assert sides == [*PRESETS, next(iter(PRESETS))]
    np.testing.assert_allclose(viewer.camera.eye, viewer.camera.target + [0, 0, viewer.camera.distance], atol=1e-9)
    ups = []
    for _ in range(6):
        viewer.camera.next_up()
        ups.append(tuple(viewer.camera.up))
    assert len(set(ups)) == 6
    assert ups[-1] == (0, 1, 0)
    viewer.focus()
    seen = viewer.camera.view(*SIZE)
    pixels = seen.to_pixels(seen.to_camera(viewer.sources[0].x.numpy().astype(float)))
    assert (pixels > 0).all()
    assert (pixels < SIZE).all()


def test_a_morph_shows_the_way_down_its_loss(tmp_path):
    viewer = Viewer([open_source(str(write_morph(tmp_path)))])
    source = viewer.sources[0]
    gradient = source.gradient()
    assert source.gradient() is gradient
    plain = viewer.picture(*SIZE)
    viewer.look.toggle("arrows")
    arrows = viewer.picture(*SIZE)
    assert 20 < (plain != arrows).any(axis=2).sum() < plain.shape[0] * plain.shape[1] / 2
    viewer.look.toggle("arrows")
    viewer.look.choose_color("gradient")
    assert (viewer.picture(*SIZE) != plain).any()
    low, high = viewer.look.ranges["gradient"]
    assert 0 <= low < high <= gradient.norm(dim=1).max()


def test_arrows_point_down_and_are_as_long_as_it_is_steep():
    camera = OrbitCamera(distance=4.0, elevation=0.0).view(*SIZE)
    x, gradient = np.array([[0.0, 0.4, 0.0], [0.0, -0.4, 0.0]]), np.array([[-2.0, 0, 0], [-1.0, 0, 0]])
    image = np.ones((SIZE[1], SIZE[0], 3))
    draw_arrows(image, camera, x, gradient, spacing=0.1)
    dark = (image < 0.9).any(axis=2)
    right = camera.viewmat[0, :3]
    lengths = []
    for place in x:
        u, v = camera.to_pixels(camera.to_camera(place[None]))[0].astype(int)
        columns = np.argwhere(dark[v])[:, 0]
        lengths.append(len(columns))
        assert (columns.min() >= u - 1) if right[0] > 0 else (columns.max() <= u + 1)
    pixel = SIZE[1] / (2 * 4 * math.tan(math.radians(20)))
    assert lengths == pytest.approx([0.5 * pixel, 0.25 * pixel], abs=2)


def test_curves_fall_from_the_top_to_the_bottom():
    image = np.zeros((100, 120, 3), np.uint8)
    draw_curves(image, {"objective": [100.0, 10.0, 1.0], "term": [math.nan, 10.0, 0.0]})
    box = image[100 - 20 - 8 : -8, 120 - 40 - 8 : -8]
    rows = [np.argwhere((box[:, column] == curve_color(0)).all(axis=1))[:, 0] for column in (0, 20, 39)]
    assert 0 in rows[0]
    assert any(abs(row - 10) <= 1 for row in rows[1])
    assert 19 in rows[2]
    draw_curves(image, {"one": [math.nan], "two": [-1.0]})


def test_the_clipboard_takes_the_first_program_that_works(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not copy("nothing")
    for name, script in {"wl-copy": "exit 1", "xclip": f"/bin/cat > {tmp_path}/taken"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    assert copy("cameras: µ")
    assert (tmp_path / "taken").read_text() == "cameras: µ"


def test_every_key_does_something(viewer):
    class Window:
        """Notes what is asked of it."""

        def __init__(self):
            self.asked = []

        def __getattr__(self, name):
            return lambda **_: self.asked.append(name)

    names = [key.name for key in KEYS]
    assert len(set(names)) == len(names)
    reported = {word for word in vars(ti.ui).values() if isinstance(word, str)}  # by GGUI, and no other but letters
    assert set(names) <= {*string.ascii_lowercase, *reported}
    window = Window()
    for key in KEYS:
        before = (viewer.signature(), viewer.playing, viewer.speed, len(window.asked))
        if key.name in ("h", "f", "n"):  # from somewhere else
            viewer.camera.orbit(0.2, 0.2)
            before = (viewer.signature(), *before[1:])
        if key.name == "r":
            viewer.seek(2)
            before = (viewer.signature(), *before[1:])
        key.press(viewer, window)
        assert (viewer.signature(), viewer.playing, viewer.speed, len(window.asked)) != before, key.label


def test_what_there_is_nothing_for_is_not_offered(viewer, run_folder, tmp_path):
    assert viewer.overlays == ["grid", "colliders", "floor"]
    assert "gradient" not in viewer.colors
    viewer.look.color = "gradient"
    viewer.next_color()
    assert viewer.look.color == "body"
    morph = Viewer([viewer.sources[0], open_source(str(write_morph(tmp_path)))])
    assert morph.overlays == list(OVERLAYS)
    assert morph.colors == list(COLORS)


def test_a_fast_playback_of_slow_frames_waits_for_one(viewer):
    viewer.change_speed(3)
    viewer.toggle_playing()
    viewer.tick(0.0)
    assert viewer.number == 1
    viewer.tick()
    assert viewer.number == 1 + 8


def test_a_broken_simulation_halts_with_a_message(tmp_path):
    path = write_config(tmp_path)
    viewer = Viewer([open_source(str(path), ["bodies.0.velocity.linear=[-40,0,0]", "mpm.boundary=none"])])
    viewer.toggle_playing()
    for _ in range(10):
        viewer.tick()
    assert "left the grid" in viewer.problem
    assert not viewer.playing
    assert viewer.picture(*SIZE).any()


def test_sliders_of_two_simulations_are_told_apart(tmp_path):
    class Gui:
        """Answers with what it is given, and notes the sliders' names."""

        def __init__(self):
            self.names = []

        def sub_window(self, *_):
            return contextlib.nullcontext()

        def checkbox(self, name, value):
            return value

        def slider_int(self, name, value, *_):
            self.names.append(name)
            return value

        slider_float = slider_int
        text = button = lambda *_, **__: False

    name, gui = str(write_config(tmp_path)), Gui()
    viewer = Viewer([open_source(name), open_source(name)])
    actions = dict.fromkeys(("toggle_recording", "write_camera", "toggle_help"))
    window = SimpleNamespace(width=960, height=720, first_size=(960, 720), recording=False, **actions)
    draw_panels(gui, viewer, window)
    assert len(gui.names) == 1 + 2 * 6  # speed; gravity, three of a control, two of the material
    assert len(set(gui.names)) == len(gui.names)
    assert all(parameter.value == parameter.start for source in viewer.sources for parameter in source.parameters)


def test_the_page_has_every_key():
    page = (Path(__file__).parents[3] / "docs" / "viewer.md").read_text()
    rows = {f"| {key.label} | {key.help} |" for key in KEYS} | {f"| {what} | {does} |" for what, does in MOUSE.items()}
    assert rows <= set(page.splitlines())
