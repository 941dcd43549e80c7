"""``mpm``: grid, material, time step and stabilisers of the MLS-MPM solver."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.base import Count, Integer, NonNegative, Positive, Real, Section, Share, Vec3
from configs.collider import Collider
from configs.force import Force
from configs.material import FixedCorotatedConfig, Material, MaterialConfig

WallKind = Literal["none", "sticky", "slip", "separate"]
FACES = ("x_min", "x_max", "y_min", "y_max", "z_min", "z_max")


class GridConfig(Section):
    """The node-centred background grid: node (i, j, k) is at ``origin + spacing * (i, j, k)``."""

    origin: Vec3 = (-1.0, -1.0, -1.0)
    """Position of node (0, 0, 0). Unit: length."""
    spacing: Positive = 0.0625
    """Distance between neighbouring nodes. Unit: length."""
    size: tuple[Integer, Integer, Integer] = (33, 33, 33)
    """Number of nodes along x, y, z; at least 8 each. Unit: nodes."""

    @model_validator(mode="after")
    def _large_enough(self):
        if min(self.size) < 8:
            raise ValueError(f"size is {self.size}; expected at least 8 nodes along each axis")
        return self


class BoundaryConfig(Section):
    """Conditions on the six faces of the grid's box; one word for all six is accepted in YAML, as is a key ``all`` for
    the faces that are not named.

    ``none``: mass that passes the face is lost. ``sticky``: zero velocity. ``slip``: zero normal velocity.
    ``separate``: the velocity may leave the wall but not enter it, and ``friction`` acts along it.
    """

    x_min: WallKind = "none"
    """Face of smallest x."""
    x_max: WallKind = "none"
    """Face of largest x."""
    y_min: WallKind = "none"
    """Face of smallest y."""
    y_max: WallKind = "none"
    """Face of largest y."""
    z_min: WallKind = "none"
    """Face of smallest z."""
    z_max: WallKind = "none"
    """Face of largest z."""
    thickness: Count = 3
    """Layers of nodes, from the face inwards, on which the condition acts. Unit: nodes."""
    friction: NonNegative = 0.0
    """Coulomb's coefficient at the faces that separate. Unit: none."""

    @model_validator(mode="before")
    @classmethod
    def _one_word_for_all(cls, value):
        if isinstance(value, dict) and "all" in value:
            rest = {key: other for key, other in value.items() if key != "all"}
            return {**dict.fromkeys(FACES, value["all"]), **rest}
        return dict.fromkeys(FACES, value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _friction_has_effect(self):
        if self.friction and "separate" not in [getattr(self, face) for face in FACES]:
            raise ValueError(f"friction is {self.friction:g}, but no face is separate; expected one that is")
        return self


class MPMConfig(Section):
    """One explicit MLS-MPM simulation. Units are the user's own, consistent ones."""

    grid: GridConfig = GridConfig()
    """The background grid."""
    kernel: Literal["quadratic", "cubic"] = "quadratic"
    """B-spline of the transfers, 3 or 4 nodes along each axis."""
    dt: Positive | Literal["auto"] = 1e-3
    """Time step; auto: each step of ``frame_dt`` is cut into as many as stability asks for. Unit: time."""
    frame_dt: Positive | None = None
    """What a step is with ``dt: auto``. Unit: time."""
    courant: Share = 0.4
    """With ``dt: auto``, the share of the stable time step that is taken. Unit: none."""
    check_dt: bool = True
    """Refuse a time step above the stable one of the materials."""
    drag: NonNegative = 0.0
    """Damping of the particle velocity at P2G by the factor 1 − dt · drag. Unit: 1 / time."""
    gravity: Vec3 = (0.0, 0.0, 0.0)
    """Acceleration of every node. Unit: length / time²."""
    grid_damping: NonNegative = 0.0
    """Damping of the nodes' velocity by the factor 1 − dt · grid_damping. Unit: 1 / time."""
    boundary: BoundaryConfig = BoundaryConfig()
    """Walls of the grid's box."""
    colliders: tuple[Collider, ...] = ()
    """Rigid bodies that the material runs into; they act in this order, before the walls."""
    forces: tuple[Force, ...] = ()
    """Accelerations that vary in space, added to gravity."""
    material: Material = FixedCorotatedConfig()
    """Constitutive law, its parameters and density of all particles."""
    materials: tuple[Material, ...] = ()
    """Several materials instead of one: particles are given their places in this list."""
    f_smoothing: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    """γ: share of the old F kept in each step, F' = (1 − γ)(I + dt C)A + γF. 0 is off. Unit: none."""
    j_min: Annotated[Real, Field(gt=0, lt=1)] | None = None
    """Smallest volume ratio that one step may reach; compression beyond it is scaled back. null is off.
    Unit: none."""
    bulk_viscosity: NonNegative = 0.0
    """ζ: adds ζ tr(C) I to the Kirchhoff stress; limits the time step as a fluid's viscosity does.
    Unit: pressure × time."""
    escaped: Literal["error", "clamp", "deactivate"] = "error"
    """What becomes of particles that leave the grid: an error; held at its edge; or left behind, without mass."""
    memory_budget_mb: Positive = 2048.0
    """Memory for the states that the backward pass needs; beyond it, segments are recomputed. Unit: MiB."""
    checkpoints: Literal["device", "host"] = "device"
    """Where the starts of segments are kept until they are recomputed; those on the host do not count in the budget."""

    @model_validator(mode="after")
    def _one_list_of_materials(self):
        if self.materials and self.material != FixedCorotatedConfig():
            raise ValueError("material and materials are given; expected one of them")
        if (self.dt == "auto") != (self.frame_dt is not None):
            raise ValueError("dt: auto and frame_dt belong together; expected both or neither")
        return self

    @model_validator(mode="after")
    def _damping_is_stable(self):
        if self.dt != "auto" and self.grid_damping * self.dt > 1:
            raise ValueError(f"grid_damping is {self.grid_damping:g}; expected at most 1 / dt, {1 / self.dt:g}")
        return self

    @property
    def step_dt(self) -> float:
        """Duration of one of ``DiffMPM``'s steps: ``dt``, or ``frame_dt`` with ``dt: auto``. Unit: time."""
        return float(self.frame_dt or 0.0) if self.dt == "auto" else float(self.dt)

    @property
    def all_materials(self) -> tuple[MaterialConfig, ...]:
        """The materials that particles may have, in the order of their ids."""
        return self.materials or (self.material,)
