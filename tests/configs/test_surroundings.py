"""What is refused of colliders, forces and walls, and in which words."""

import pytest
from pydantic import ValidationError

from configs.explain import explain
from configs.mpm import MPMConfig

SPHERE = {"shape": "sphere", "radius": 1.0}
FORCE = {"kind": "box", "low": (0, 0, 0), "high": (1, 1, 1), "acceleration": (1, 0, 0)}
ONE_KEYFRAME = ({"time": 0.0, "position": (0, 0, 0)},)
REFUSED = [
    ({**SPHERE, "radius": -1}, "colliders.0.radius is -1; expected a number greater than 0"),
    ({**SPHERE, "friction": -0.1}, "colliders.0.friction is -0.1; expected a number greater than or equal to 0"),
    ({**SPHERE, "condition": "glue"}, "colliders.0.condition is \"glue\"; expected 'sticky', 'slip' or 'separate'"),
    ({**SPHERE, "condition": "slip", "friction": 0.1}, "colliders.0: friction is 0.1 with condition slip; expected"),
    ({**SPHERE, "keyframes": ONE_KEYFRAME}, "colliders.0: keyframes are at times [0.0]; expected at least two"),
    ({**SPHERE, "keyframes": 2 * ONE_KEYFRAME}, "colliders.0: keyframes are at times [0.0, 0.0]; expected at least"),
    ({**SPHERE, "keyframes": ONE_KEYFRAME, "velocity": (1, 0, 0)}, "colliders.0: keyframes and velocity are given"),
    ({**SPHERE, "half_size": (1, 1, 1)}, "colliders.0.half_size: unknown key; expected one of condition"),
    ({"shape": "sphere"}, "colliders.0.radius is missing; it has no default"),
    ({"shape": "ball"}, "colliders.0: there is no ball; expected one of plane, sphere, box, cylinder, mesh"),
    ({"radius": 1.0}, "colliders.0: has no 'shape'; expected the word that chooses the section"),
    ({"shape": "box", "half_size": (1, 0, 1)}, "colliders.0.half_size.1 is 0; expected a number greater than 0"),
    ({"shape": "plane", "normal": (0, 0, 0)}, "colliders.0: normal is (0, 0, 0); expected a direction"),
    ({"shape": "mesh", "mesh": "nowhere"}, "colliders.0.mesh: no such file: nowhere; expected a mesh file"),
    (3, "colliders.0 is 3; expected keys and values"),
]  # fmt: skip


def _message(**values):
    with pytest.raises(ValidationError) as caught:
        MPMConfig(**values)
    return explain(caught.value, MPMConfig)[1]


@pytest.mark.parametrize(("collider", "message"), REFUSED)
def test_wrong_collider_is_explained(collider, message):
    assert _message(colliders=(collider,)).startswith(message)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"boundary": {"friction": 0.3}}, "boundary: friction is 0.3, but no face is separate"),
        ({"boundary": {"all": "separate", "friction": -0.3}}, "boundary.friction is -0.3; expected a number greater"),
        ({"grid_damping": 2000.0}, "grid_damping is 2000; expected at most 1 / dt, 1000"),
        ({"forces": ({"kind": "radial", "strength": 1, "power": -2},)}, "forces.0: power is -2 with softening 0"),
        ({"forces": ({**FORCE, "high": (1, 0, 1)},)}, "forces.0: low is"),
        ({"forces": ({"kind": "wind"},)}, "forces.0: there is no wind; expected one of radial, vortex, box"),
    ],
)  # fmt: skip
def test_wrong_wall_or_force_is_explained(values, message):
    assert _message(**values).startswith(message)


def test_all_faces_and_exceptions():
    boundary = MPMConfig(boundary={"all": "separate", "y_max": "none", "friction": 0.2}).boundary
    assert (boundary.x_min, boundary.z_max, boundary.y_max, boundary.friction) == ("separate", "separate", "none", 0.2)


def test_dumped_colliders_read_back_equal():
    keyframes = ({"time": 0.0, "position": (0, 0, 0)}, {"time": 1.0, "position": (1, 0, 0), "rotation": (0, 720, 0)})
    config = MPMConfig(
        colliders=({"shape": "plane"}, {**SPHERE, "keyframes": keyframes}, {"shape": "mesh", "mesh": "duck"}),
        forces=({"kind": "vortex", "strength": 2.0},),
    )
    assert MPMConfig(**config.model_dump(mode="json")) == config
