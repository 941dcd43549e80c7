"""A file of Gaussians: any 3DGS ``.ply``, or an ``.npz`` of ours."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bridge.projection import covariances
from bridge.runtime import current
from bridge.spherical_harmonics import view_colors
from bridge.upsampler import Splats
from configs.errors import InputError
from configs.load import load_config
from experiments.camera_views import perspective_views
from experiments.viewer.camera import OrbitCamera, upward
from experiments.viewer.parameter import Parameter
from experiments.views import View
from render.splat_file import load_splats


class SplatSource:
    """One frame of Gaussians whose colours depend on where they are seen from; as particles, balls of their size.

    Raises:
        InputError: no such file, or not a readable one.
    """

    number, last, time, seekable, stage, state = 0, 0, 0.0, False, None, None

    def __init__(self, path: Path):
        self.title = path.name
        self.parameters: list[Parameter] = []
        self.file = load_splats(path)
        dtype = current().dtype
        means, quats, scales, opacities, coeffs = (
            torch.tensor(getattr(self.file, name), dtype=dtype)
            for name in ("means", "quats", "scales", "opacities", "sh_coeffs")
        )
        self.x, self.opacities, self.coeffs = means, opacities, coeffs
        self.covars = covariances(quats, scales)
        self.radii = scales.prod(dim=1).clamp(min=0) ** (1 / 3)
        self.normals = torch.nn.functional.normalize(torch.tensor(self.file.normals, dtype=dtype), dim=1)
        home = _camera_of_the_run(path.parent) or OrbitCamera(up=np.array([0.0, -1.0, 0.0]))  # as photogrammetry has it
        home.focus(self.file.means.astype(np.float64))
        self.home: OrbitCamera | None = home

    def base_colors(self) -> Tensor:
        """[N, 3], without what depends on the direction."""
        return torch.tensor(self.file.colors).to(self.x).clamp(0, 1)

    def stress(self) -> Tensor | None:
        """None: there is no material."""
        return None

    def gradient(self) -> Tensor | None:
        """None: there is no loss."""
        return None

    def splats(self, view: View) -> Splats:
        """The file's Gaussians in the colours that the camera sees."""
        viewmats = torch.tensor(view.viewmat).to(self.x)[None]
        radii = torch.ones(1, len(self.x), 2, dtype=torch.int32)
        with torch.no_grad():
            colors = view_colors(self.file.sh_degree, radii, self.x, viewmats, self.coeffs[None])[0]
        return Splats(self.x, self.covars, self.opacities, colors, self.normals)

    def seek(self, number: int) -> None:
        """There is one frame."""

    def push(self, center: np.ndarray, radius: float, velocity: np.ndarray) -> bool:
        """Nothing to push."""
        return False


def _camera_of_the_run(folder: Path) -> OrbitCamera | None:
    """As the first of the run whose folder it is has the world; None if it is no such folder."""
    try:
        config = load_config(folder / "config.yaml")
    except InputError:
        return None
    view = perspective_views(config.cameras, config.render.width, config.render.height)[0]
    return OrbitCamera.of_view(view, upward(config.mpm.gravity, view), np.zeros(3))
