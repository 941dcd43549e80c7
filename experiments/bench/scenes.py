"""Scenes of the rasterizer's benchmark: shells, as physics makes them, and clouds, as radiance fields do."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from configs.errors import InputError
from render.cameras import intrinsics, look_at

DISTANCE, FOV = 3.0, 45.0
"""The camera sees the unit ball from this distance, with this vertical field of view in degrees."""

SHELL_SPREAD, SHELL_THICKNESS = 0.6, 0.1
"""Standard deviation in the surface as a share of the spacing, and across it as a share of that."""

CLOUD_SPREAD = 0.5
"""Largest standard deviation of a cloud's Gaussian as a share of the spacing; the smallest is a tenth of it."""


@dataclass(frozen=True)
class BenchScene:
    """What is drawn; ``kind`` is shell or cloud."""

    kind: str
    gaussians: int
    width: int
    height: int

    @property
    def name(self) -> str:
        """Such as shell-50k-512x512."""
        thousands = self.gaussians // 1000
        count = f"{thousands // 1000}M" if thousands % 1000 == 0 else f"{thousands}k"
        if not thousands:
            count = str(self.gaussians)
        return f"{self.kind}-{count}-{self.width}x{self.height}"


SCENES = {
    scene.name: scene
    for scene in (
        BenchScene("shell", 20, 32, 32),  # next to no work: what the host takes
        BenchScene("shell", 20_000, 256, 256),
        BenchScene("shell", 50_000, 512, 512),
        BenchScene("shell", 180_000, 1280, 720),
        BenchScene("shell", 1_000_000, 1920, 1080),
        BenchScene("shell", 4_000_000, 1920, 1080),
        BenchScene("cloud", 20_000, 256, 256),
        BenchScene("cloud", 180_000, 1280, 720),
        BenchScene("cloud", 1_000_000, 1920, 1080),
    )
}
"""The scenes by name."""


def find_scenes(names: list[str]) -> list[BenchScene]:
    """Scenes by name.

    Raises:
        InputError: an unknown name.
    """
    for name in names:
        if name not in SCENES:
            raise InputError(f"bench: scene {name!r} is unknown; expected {', '.join(SCENES)}")
    return [SCENES[name] for name in names]


def make_scene(scene: BenchScene, device: str, seed: int = 0) -> dict[str, Any]:
    """Arguments of ``rasterization`` by name: float32 leaves that ask for gradients, one camera."""
    rng, n = np.random.default_rng(seed), scene.gaussians
    directions = rng.normal(size=(n, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    if scene.kind == "shell":
        spread = SHELL_SPREAD * np.sqrt(4 * np.pi / n)
        means, scales = directions, np.tile([spread, spread, SHELL_THICKNESS * spread], (n, 1))
        quats = _turning_z_to(directions)
    else:
        spacing = (4 / 3 * np.pi / n) ** (1 / 3)
        means = directions * rng.uniform(size=(n, 1)) ** (1 / 3)
        scales = CLOUD_SPREAD * spacing * 10.0 ** rng.uniform(-1, 0, (n, 3))
        quats = rng.normal(size=(n, 4))
    arrays = dict(
        means=means,
        quats=quats,
        scales=scales,
        opacities=rng.uniform(0.5, 1.0, n),
        colors=rng.uniform(size=(n, 3)),
        viewmats=look_at((0.0, 0.0, DISTANCE))[None],
        Ks=intrinsics(scene.width, scene.height, FOV)[None],
    )
    tensors = {name: torch.tensor(value, dtype=torch.float32, device=device) for name, value in arrays.items()}
    for name in ("means", "quats", "scales", "opacities", "colors"):
        tensors[name].requires_grad_()
    return {**tensors, "width": scene.width, "height": scene.height}


def _turning_z_to(directions: np.ndarray) -> np.ndarray:
    """Quaternions (w, x, y, z) [N, 4] of the shortest turns from +z to unit vectors [N, 3]; none of them is -z."""
    x, y, z = directions.T
    quats = np.stack([1 + z, -y, x, np.zeros_like(z)], axis=1)
    return quats / np.linalg.norm(quats, axis=1, keepdims=True)
