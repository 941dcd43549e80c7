"""What the upsampler finds once and the caller keeps: the surface, its children, and the memory between detections."""

from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields, replace

import torch
from torch import Tensor

from configs.errors import InputError
from configs.upsample import UpsampleConfig
from upsample.deformation_graph import DeformationGraph
from upsample.sampling import Children as NumpyChildren
from upsample.selection import Selection


@dataclass(frozen=True)
class Children:
    """M points on the surface that move with the particles around them (upsample.interpolation has the equations)."""

    parents: Tensor
    """Particle from which each was laid out, int64 [M]."""
    neighbours: Tensor
    """Particles that carry it, int64 [M, k]."""
    weights: Tensor
    """Share of each neighbour, [M, k]; their sum is 1."""
    offsets: Tensor
    """From the neighbour to the child, in the rest frame of the neighbour's F, [M, k, 3]. Unit: length."""
    rest_normals: Tensor
    """Unit outward normals in the rest frame, [M, 3]."""
    sizes: Tensor
    """Square root of the surface area that each stands for, at rest, [M]. Unit: length."""
    scores: Tensor | None = None
    """With ``selection: gumbel``, those of each neighbour (upsample.gumbel), [M, k]; a gradient reaches them."""

    def shares(self, config: UpsampleConfig) -> Tensor:
        """Share of each neighbour in the child, [M, k]: the weights, or what Gumbel-softmax makes of the scores.

        Hard shares are 0 and 1, with the gradient of the relaxed ones (straight-through).
        """
        if config.selection == "fixed":
            return self.weights
        if self.scores is None:
            raise InputError(
                f"SurfaceUpsampler: selection is {config.selection}, and surface has no scores; "
                "expected a surface detected with that selection"
            )
        soft = torch.softmax(self.scores / config.sampling_tau, dim=1)
        if config.selection == "gumbel":
            return soft
        hard = torch.zeros_like(soft).scatter(1, self.scores.argmax(dim=1, keepdim=True), 1.0)
        return hard + (soft - soft.detach())

    def to(self, like: Tensor) -> "Children":
        """The same children on the device and in the type of ``like``."""
        return Children(**_to(self, like))

    def numpy(self) -> NumpyChildren:
        """For upsample.sampling."""
        arrays = {name: value.detach().cpu() for name, value in _parts(self).items()}
        return NumpyChildren(
            **{k: (v.double() if v.is_floating_point() else v.int()).numpy() for k, v in arrays.items()}
        )


@dataclass(frozen=True)
class Graph:
    """Nodes between which F of the children is interpolated (upsample.deformation_graph has the equations)."""

    particle_nodes: Tensor
    """int64 [N, p]."""
    particle_weights: Tensor
    """[N, p]; their sum is 1."""
    child_nodes: Tensor
    """int64 [M, p]."""
    child_weights: Tensor
    """[M, p]; their sum is 1."""
    inverse: Tensor
    """A⁻¹ [K, K]."""

    def to(self, like: Tensor) -> "Graph":
        """The same graph on the device and in the type of ``like``."""
        return Graph(**_to(self, like))

    def smooth(self, F: Tensor) -> Tensor:
        """F of the children [M, 3, 3] from that of the particles [N, 3, 3]; differentiable."""
        flat, p = F.reshape(len(F), 9), self.particle_nodes.shape[1]
        gathered = flat.new_zeros(len(self.inverse), 9)
        for slot in range(p):  # one neighbour at a time: memory stays linear
            gathered = gathered.index_add(0, self.particle_nodes[:, slot], self.particle_weights[:, slot, None] * flat)
        nodes = self.inverse @ gathered
        read = [self.child_weights[:, slot, None] * nodes[self.child_nodes[:, slot]] for slot in range(p)]
        return torch.stack(read).sum(dim=0).reshape(-1, 3, 3)


@dataclass(frozen=True)
class Surface:
    """Surface of a rest shape: found once, kept by the caller as long as the material keeps its topology."""

    index: Tensor
    """Which particles, int64 [S], increasing."""
    rest_normals: Tensor
    """Unit outward normals in the rest frame of F, [S, 3]."""
    spacing: float
    """Distance between neighbouring particles at rest. Unit: length."""
    children: Children | None = None
    """The points of the Gaussians; None puts one at each surface particle."""
    graph: Graph | None = None
    """With ``ed.enabled``, where F of the Gaussians comes from."""

    def to(self, like: Tensor) -> "Surface":
        """The same surface on the device and in the type of ``like``."""
        return replace(
            self,
            index=self.index.to(like.device),
            rest_normals=self.rest_normals.to(like),
            children=self.children and self.children.to(like),
            graph=self.graph and self.graph.to(like),
        )

    def state_dict(self) -> dict[str, Tensor]:
        """Everything as named tensors, for ``torch.save`` or safetensors."""
        state = {"index": self.index, "rest_normals": self.rest_normals}
        state["spacing"] = torch.tensor(self.spacing, dtype=torch.float64)
        for name in ("children", "graph"):
            if (part := getattr(self, name)) is not None:
                state |= {f"{name}.{key}": value.detach() for key, value in _parts(part).items()}
        return state

    @staticmethod
    def from_state_dict(state: dict[str, Tensor]) -> "Surface":
        """The surface whose ``state_dict`` this is."""
        needed = known = ["index", "rest_normals", "spacing"]
        for name, part in (("children", Children), ("graph", Graph)):
            known = [*known, *(f"{name}.{f.name}" for f in fields(part))]
            if _under(state, name):
                needed = [*needed, *(f"{name}.{f.name}" for f in fields(part) if f.default is MISSING)]
        _expect_keys("Surface", state, needed, known)
        children, graph = _under(state, "children"), _under(state, "graph")
        return Surface(
            state["index"],
            state["rest_normals"],
            float(state["spacing"]),
            Children(**children) if children else None,
            Graph(**graph) if graph else None,
        )


@dataclass
class SurfaceHistory:
    """What one detection tells the next, so that the surface does not flicker: running averages of the surface weights,
    the last selection, for hysteresis, and the last surface, whose children stay.

    The caller owns it: make one for a run, hand it to every ``detect``, which updates it, and save it with the run.
    """

    selection: Selection | None = None
    """Running averages, threshold and selection of the last detection."""
    surface: Surface | None = None
    """The last surface."""
    means: Tensor | None = field(default=None, repr=False)
    """Positions [M, 3] of the last Gaussians of ``synthesize_runtime_surface``, for ``fast_cov_only``. Unit: length."""
    normals: Tensor | None = field(default=None, repr=False)
    """The same of their normals, [M, 3]."""

    def expect(self, n: int) -> None:
        """Raise ``InputError`` unless it is empty or belongs to ``n`` particles."""
        if self.selection is not None and len(self.selection.selected) != n:
            raise InputError(
                f"SurfaceUpsampler: history belongs to {len(self.selection.selected)} particles; x has {n}; "
                "expected a history of the same particles, or a new one"
            )

    def state_dict(self) -> dict[str, Tensor]:
        """Everything as named tensors, for ``torch.save`` or safetensors."""
        state: dict[str, Tensor] = {}
        if self.selection is not None:
            state["averages"] = torch.from_numpy(self.selection.averages)
            state["threshold"] = torch.tensor(self.selection.threshold, dtype=torch.float64)
            state["selected"] = torch.from_numpy(self.selection.selected)
        if self.surface is not None:
            state |= {f"surface.{name}": value for name, value in self.surface.state_dict().items()}
        state |= {name: v for name, v in (("means", self.means), ("normals", self.normals)) if v is not None}
        return state

    @staticmethod
    def from_state_dict(state: dict[str, Tensor]) -> "SurfaceHistory":
        """The history whose ``state_dict`` this is."""
        of_selection, surface = ("averages", "threshold", "selected"), _under(state, "surface")
        needed = of_selection if any(name in state for name in of_selection) else ()
        known = (*of_selection, "means", "normals", *(f"surface.{name}" for name in surface))
        _expect_keys("SurfaceHistory", state, needed, known)
        selection = None
        if "averages" in state:
            averages, selected = (state[name].cpu().numpy() for name in ("averages", "selected"))
            selection = Selection(averages, float(state["threshold"]), selected)
        last = Surface.from_state_dict(surface) if surface else None
        return SurfaceHistory(selection, last, state.get("means"), state.get("normals"))


def children_from(laid_out: NumpyChildren) -> Children:
    """As tensors on the CPU, integers int64."""
    return Children(**_tensors(laid_out))


def graph_from(graph: DeformationGraph) -> Graph:
    """As tensors on the CPU, integers int64."""
    return Graph(**_tensors(graph))


def _parts(of) -> dict:
    """The fields that there are, under their names."""
    values = {f.name: getattr(of, f.name) for f in fields(of)}
    return {name: value for name, value in values.items() if value is not None}


def _tensors(part) -> dict[str, Tensor]:
    tensors = {name: torch.from_numpy(value) for name, value in _parts(part).items()}
    return {k: v if v.is_floating_point() else v.long() for k, v in tensors.items()}


def _to(part, like: Tensor) -> dict[str, Tensor]:
    return {k: v.to(like) if v.is_floating_point() else v.to(like.device) for k, v in _parts(part).items()}


def _expect_keys(owner: str, state: dict[str, Tensor], needed: Iterable[str], known: Iterable[str]) -> None:
    missing, strange = sorted(set(needed) - set(state)), sorted(set(state) - set(known))
    if missing or strange:
        problem = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(strange)}"
        raise InputError(f"{owner}.from_state_dict: state {problem}; expected what {owner}.state_dict() gives")


def _under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): v for name, v in state.items() if name.startswith(f"{prefix}.")}
