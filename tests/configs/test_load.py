"""YAML, overrides, presets and meshes by name; what is refused and in which words."""

import math

import pytest

from configs.errors import InputError
from configs.load import TASKS, dump_config, load_config, presets
from configs.mesh import MeshConfig, packaged_meshes

SCENE = "task: morph\nsource: {mesh: sphere}\ntarget: {mesh: rabbit}\n"


BODIES = "task: simulate\nbodies: [{sphere: 0.4}, {box: [0.2, 0.2, 0.2], center: [0, 0.7, 0], material: 0}]\n"


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.yaml"
    path.write_text(SCENE)
    return path


@pytest.fixture
def bodies(tmp_path):
    path = tmp_path / "bodies.yaml"
    path.write_text(BODIES)
    return path


def refusal(path, *overrides) -> str:
    with pytest.raises(InputError) as caught:
        load_config(path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", presets())
def test_preset_loads_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(name)
    assert isinstance(config, TASKS[config.task])
    if config.task == "morph":
        assert config.source.path.is_file()
        assert config.target.path.is_file()


@pytest.mark.parametrize("name", presets())
def test_dumped_config_reads_back_equal(name, tmp_path):
    config = load_config(name)
    copy = tmp_path / "config.yaml"
    copy.write_text(dump_config(config))
    assert load_config(copy) == config


def test_overrides_replace_values(scene):
    config = load_config(
        scene,
        ["mpm.dt=2e-3", "mpm.gravity=[0, -9.81, 0]", "mpm.j_min=0.6", "source.mesh=torus", "mpm.boundary=slip"],
    )
    assert config.mpm.dt == 2e-3
    assert config.mpm.gravity == (0, -9.81, 0)
    assert config.mpm.j_min == 0.6
    assert config.source.mesh == "torus"
    assert config.mpm.boundary.z_max == "slip"
    assert load_config(scene, ["mpm.j_min=0.6", "mpm.j_min=null"]).mpm.j_min is None


def test_later_override_wins_and_the_file_is_the_base(scene):
    scene.write_text(SCENE + "mpm: {dt: 0.5, drag: 0.25}\n")
    config = load_config(scene, ["mpm.dt=0.1", "mpm.dt=0.2"])
    assert (config.mpm.dt, config.mpm.drag) == (0.2, 0.25)


def test_list_of_cameras_stands_for_views(scene):
    scene.write_text(SCENE + "cameras: [{eye: [0, 0, 3]}, {eye: [3, 0, 0], fov: 50}]\n")
    views = load_config(scene, ["cameras.0.fov=30"]).cameras.views
    assert [view.fov for view in views] == [30, 50]


def test_mesh_is_found_beside_the_yaml(scene, tmp_path, monkeypatch):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    mesh = tmp_path / "meshes" / "mine.obj"
    mesh.parent.mkdir()
    mesh.write_text(MeshConfig(mesh="box").path.read_text())
    monkeypatch.chdir(folder)
    assert load_config(scene, ["source.mesh=meshes/mine.obj"]).source.path == mesh


def test_mesh_in_the_working_directory_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "sphere"
    mine.write_text("v 0 0 0\n")
    assert MeshConfig(mesh="sphere").path == mine


def test_packaged_mesh_is_found_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert {"box", "duck", "letter", "rabbit", "sphere", "torus"} <= set(packaged_meshes())
    assert all(MeshConfig(mesh=name).path.is_file() for name in packaged_meshes())


@pytest.mark.parametrize(
    ("override", "key", "accepted"),
    [
        ("mpm.dt=-0.001", "mpm.dt is -0.001", "greater than 0"),
        ("mpm.dt=.nan", "mpm.dt is NaN", "finite"),
        ("mpm.dt=fast", 'mpm.dt is "fast"', "a number"),
        ("mpm.dt=true", "mpm.dt is true", "a number"),
        ("mpm.dt=", "mpm.dt is null", "a number"),
        ("mpm.grid.spacing=-1", "mpm.grid.spacing is -1", "greater than 0"),
        ("mpm.grid.size=[4,33,33]", "mpm.grid: size is (4, 33, 33)", "at least 8"),
        ("mpm.grid.size=[33,33]", "mpm.grid.size.2", "missing"),
        ("mpm.grid.size=[33.5,33,33]", "mpm.grid.size.0 is 33.5", "an integer"),
        ("mpm.material.poissons_ratio=0.5", "mpm.material.poissons_ratio is 0.5", "less than 0.5"),
        ("mpm.boundary.x_min=stick", "mpm.boundary.x_min", "'sticky'"),
        ("mpm=3", "mpm is 3", "keys and values"),
        ("task=mroph", 'task is "mroph"', "'morph'"),
        ("source.volume=big", 'source.volume is "big"', "a number or 'source'"),
        ("source.volume=source", "source.volume", "a number"),
        ("source.mesh=teapot", "source.mesh", "rabbit"),
        ("source.mesh=1", "source.mesh is 1", "a text"),
        ("optimize.control_stride=7", "optimize", "does not divide"),
        ("cameras={}", "cameras", "orbit, fibonacci or a list of views"),
        ("cameras=[{eye: [0,3,0]}]", "cameras.views.0", "another direction"),
        ("cameras=[{eye: [0,0,0]}]", "cameras.views.0", "two points"),
        ("output.video=often", "output.video", "true or false"),
    ],
)
def test_wrong_value_is_named_with_what_is_accepted(scene, override, key, accepted):
    message = refusal(scene, override)
    assert message.startswith(f"{scene}: {key}")
    assert accepted in message


@pytest.mark.parametrize(
    ("override", "key", "accepted"),
    [
        ("bodies=[]", "bodies is []", "at least 1 item"),
        ("bodies=null", "bodies is null", "a list"),
        ("bodies=[{}]", "bodies.0: it has no shape", "mesh, box, sphere, cylinder"),
        ("bodies.0.box=[1,1,1]", "bodies.0: box and sphere are given", "exactly one"),
        ("bodies.1.extent=2", "bodies.1: extent is given for a box", "with a mesh only"),
        ("bodies.0.sphere=-1", "bodies.0.sphere is -1", "greater than 0"),
        ("bodies.0.mesh=teapot", "bodies.0.mesh", "rabbit"),
        ("bodies.1.material=3", "bodies.1.material is 3", "there is 0 fixed_corotated"),
        ("bodies.1.material=water", "bodies.1.material is 'water'", "there is 0 fixed_corotated"),
        ("bodies.1.material=0.5", "bodies.1.material is 0.5", "an integer or a text"),
        ("bodies.0.velocity.twist=1", "bodies.0.velocity.twist is 1", "a list"),
        ("frames=0", "frames is 0", "greater than or equal to 1"),
        ("frame_dt=0", "frame_dt is 0", "greater than 0"),
        ("output.every=0", "output.every is 0", "greater than or equal to 1"),
        ("mpm.colliders=[{shape: mesh, mesh: sphere, friction: -1}]", "mpm.colliders.0.friction is -1", "equal to 0"),
        ("mpm.colliders=[{shape: mesh, mesh: teapot}]", "mpm.colliders.0.mesh: no such file", "sphere"),
        ("mpm.colliders=[{shape: sphere, radius: -1}]", "mpm.colliders.0.radius is -1", "greater than 0"),
    ],
)
def test_wrong_value_of_a_simulation_is_named_with_what_is_accepted(bodies, override, key, accepted):
    message = refusal(bodies, override)
    assert message.startswith(f"{bodies}: {key}")
    assert accepted in message


def test_each_task_has_its_own_keys(scene, bodies):
    assert "loss: unknown key; expected one of task, seed, runtime" in refusal(bodies, "loss.mass.weight=1")
    assert "bodies.1.velocity.spin: unknown key; expected one of linear" in refusal(bodies, "bodies.1.velocity.spin=1")
    assert "bodies: unknown key; expected one of task, seed" in refusal(scene, "bodies=3")
    message = refusal(bodies, "mpm.colliders=[{shape: mesh, mesh: sphere, frction: 1}]")
    assert "mpm.colliders.0.frction: unknown key; did you mean friction? expected one of condition" in message


def test_without_a_task_nothing_else_is_told(bodies):
    bodies.write_text("mpm: {dt: -1}\nfoo: 1\n")
    assert refusal(bodies) == f"{bodies}: task is missing; it has no default"
    assert "'morph' or 'simulate'" in refusal(bodies, "task=simulat")


def test_unknown_key_is_refused_with_the_nearest_known_one(scene):
    assert "mpm.grdi: unknown key; did you mean grid?" in refusal(scene, "mpm.grdi=1")
    assert "mpm.material.youngs_moduls: unknown key; did you mean youngs_modulus?" in refusal(
        scene, "mpm.material.youngs_moduls=1"
    )
    far = refusal(scene, "zzz=1")
    assert "did you mean" not in far
    assert "expected one of task, seed, runtime" in far
    assert "cameras.views.0.fv: unknown key" in refusal(scene, "cameras=[{eye: [0, 0, 3], fv: 3}]")


def test_message_says_whether_the_file_or_an_override_is_wrong(scene):
    assert refusal(scene, "mpm.dt=-1").endswith("(override mpm.dt=-1)")
    scene.write_text(SCENE + "mpm: {dt: -1}\n")
    assert "override" not in refusal(scene)


def test_other_wrong_keys_are_counted_in_one_line(scene):
    message = refusal(scene, "mpm.dt=-1", "render.width=0", "foo=1")
    assert "mpm.dt is -1" in message
    assert "wrong too: render.width, foo" in message


@pytest.mark.parametrize(
    ("text", "line"),
    [("mpm: [1, 2\n", 5), ("mpm:\n\tdt: 1\n", 5), ("task: morph\n", 4), ("mpm: {dt: 1\nseed: 2\n", 5)],
)
def test_yaml_syntax_is_refused_with_its_line(scene, text, line):
    scene.write_text(SCENE + text)
    assert refusal(scene).startswith(f"{scene}:{line}:")


@pytest.mark.parametrize("text", ["- 1\n- 2\n", "seed: ${nowhere}\n", "", "hello\n"])
def test_yaml_that_is_no_experiment_is_refused(scene, text):
    scene.write_text(text)
    assert refusal(scene).startswith(str(scene))


def test_binary_file_is_refused(scene):
    scene.write_bytes(bytes(range(256)))
    assert refusal(scene).startswith(str(scene))


@pytest.mark.parametrize("name", ["nowhere.yaml", "sphere_to_rabit", "."])
def test_missing_file_lists_the_presets(name):
    message = refusal(name)
    assert message.startswith(f"{name}: ")
    assert "sphere_to_rabbit" in message


@pytest.mark.parametrize("override", ["mpm.dt", "=3", "mpm.dt=[1", "mpm={dt: 1", "render.width=${nowhere}"])
def test_malformed_override_is_quoted(scene, override):
    assert repr(override) in refusal(scene, override)


def test_python_user_gets_the_same_checks():
    with pytest.raises(ValueError, match="scale and extent are given"):
        MeshConfig(mesh="sphere", scale=2, extent=1)
    assert math.isclose(MeshConfig(mesh="sphere", extent=2).extent, 2)
