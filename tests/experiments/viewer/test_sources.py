"""What the viewer opens: finished runs, files of Gaussians; and what it cannot open."""

import numpy as np
import pytest

from configs.errors import InputError
from experiments.viewer.opening import open_source
from experiments.viewer.viewer import Viewer
from render.splat_file import save_splats
from tests.experiments.viewer.scenes import write_config

pytestmark = pytest.mark.runtime("cpu", "float32")
SIZE = (96, 72)


def test_a_replay_shows_the_frames(run_folder):
    viewer = Viewer([open_source(str(run_folder))])
    assert viewer.last == 4
    viewer.seek(3)
    np.testing.assert_array_equal(viewer.sources[0].x.numpy(), np.load(run_folder / "frames" / "0003.npz")["x"])
    assert viewer.sources[0].time == pytest.approx(0.06)
    viewer.look.color = "stress"
    assert viewer.picture(*SIZE).shape == (72, 96, 3)
    viewer.toggle_playing()
    for _ in range(3):
        viewer.tick()
    assert (viewer.number, viewer.playing) == (4, False)
    viewer.toggle_playing()
    assert (viewer.number, viewer.playing) == (0, True)


def test_two_side_by_side(run_folder, tmp_path):
    viewer = Viewer([open_source(str(run_folder)), open_source(str(write_config(tmp_path)))])
    viewer.seek(4)
    image = viewer.picture(193, 72)
    assert image.shape == (72, 193, 3)
    np.testing.assert_allclose(image[:, :96].astype(int), image[:, 96:192].astype(int), atol=40)
    assert viewer.last is None


def test_a_corrupt_frame_is_reported_and_passed(run_folder, tmp_path):
    folder = tmp_path / "copy"
    (folder / "frames").mkdir(parents=True)
    (folder / "config.yaml").write_bytes((run_folder / "config.yaml").read_bytes())
    for number in range(4):
        (folder / "frames" / f"{number:04d}.npz").write_bytes((run_folder / f"frames/{number:04d}.npz").read_bytes())
    (folder / "frames" / "0001.npz").write_bytes(b"PK nothing")
    np.savez(folder / "frames" / "0002.npz", x=np.zeros((2, 3)), v=np.zeros((2, 3)), F=np.zeros((2, 3, 3)))
    viewer = Viewer([open_source(str(folder))])
    shown = viewer.sources[0].state
    viewer.toggle_playing()
    viewer.tick()
    assert viewer.problem == f"0001.npz is not a readable frame; in {folder / 'frames'}"
    assert (viewer.number, viewer.playing) == (1, False)
    viewer.step()
    assert "0002.npz: x has shape (2, 3); expected" in viewer.problem
    assert viewer.sources[0].state is shown
    viewer.step()
    assert (viewer.number, viewer.problem) == (3, "")
    viewer.step(-2)
    assert "0001.npz" in viewer.problem
    for number in (0, 3):
        (folder / "frames" / f"{number:04d}.npz").unlink()
    with pytest.raises(InputError, match=r"0002.npz: x has shape"):
        open_source(str(folder))


def test_a_ply_is_drawn_in_its_colours(tmp_path):
    means = np.array([[-0.5, 0, 0], [0.5, 0, 0]])
    covars = np.broadcast_to(0.02 * np.eye(3), (2, 3, 3))
    save_splats(tmp_path / "two.ply", means, covars, [0.95, 0.95], [[1, 0, 0], [0, 0, 1]])
    viewer = Viewer([open_source(str(tmp_path / "two.ply"))])
    for view in ("rgb", "particles"):
        viewer.look.view = view
        image = viewer.picture(*SIZE).astype(int)
        camera = viewer.camera.view(*SIZE)
        for (u, v), strong in zip(camera.to_pixels(camera.to_camera(means)), (0, 2), strict=True):
            assert image[int(v), int(u), strong] > 2 * image[int(v), int(u), 1]
    viewer.toggle_playing()
    viewer.tick()
    assert not viewer.playing
    assert (viewer.overlays, viewer.colors) == ([], ["body"])


def test_a_ply_of_balls_shows_its_own_normals(tmp_path):
    """Balls have no shortest axis."""
    means, covars = np.array([[-0.5, 0, 0], [0.5, 0, 0]]), np.broadcast_to(0.02 * np.eye(3), (2, 3, 3))
    normals = [[0, 0, -2], [0, -1, 0]]
    save_splats(tmp_path / "two.ply", means, covars, [0.95, 0.95], np.ones((2, 3)), normals)
    viewer = Viewer([open_source(str(tmp_path / "two.ply"))])
    viewer.look.view = "normals"
    image, camera = viewer.picture(*SIZE) / 255, viewer.camera.view(*SIZE)
    towards = camera.eye - means
    for (u, v), normal, way in zip(camera.to_pixels(camera.to_camera(means)), normals, towards, strict=True):
        unit = np.array(normal) / np.linalg.norm(normal)
        seen = 2 * image[int(v), int(u)] - 1
        assert np.dot(seen, unit * np.sign(unit @ way)) > 0.8 * np.linalg.norm(seen) > 0.5


def test_the_ply_of_a_run_stands_as_the_run_does(run_folder, tmp_path):
    run = Viewer([open_source(str(run_folder))])
    viewer = Viewer([open_source(str(run_folder / "splats_final.ply"))])
    np.testing.assert_array_equal(viewer.camera.up, run.camera.up)
    np.testing.assert_allclose(viewer.camera.view(*SIZE).viewmat[:3, :3], run.camera.view(*SIZE).viewmat[:3, :3])
    (tmp_path / "config.yaml").write_text("another: program's")
    copy = tmp_path / "SCENE.PLY"
    copy.write_bytes((run_folder / "splats_final.ply").read_bytes())
    np.testing.assert_array_equal(Viewer([open_source(str(copy))]).camera.up, [0, -1, 0])


def test_values_of_a_run_cannot_be_replaced(run_folder):
    with pytest.raises(InputError, match="only a configuration's values"):
        open_source(str(run_folder), ["mpm.dt=0.001"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.ply", "nothing.ply does not exist"),
        ("runs/nothing", "no such folder"),
        ("no_such_preset", "expected a YAML file or a preset"),
        (".", "has no config.yaml"),
    ],
)
def test_what_cannot_be_shown_is_told(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        open_source(name)
