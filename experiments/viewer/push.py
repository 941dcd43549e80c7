"""Dragging material with the mouse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.viewer.camera import OrbitCamera
from experiments.viewer.picture import Picture
from experiments.viewer.source import Source

REACH = 4.0
"""How far a push is felt half, in distances of the grid's nodes."""


@dataclass
class Push:
    """A hold on the material at one point, moved in the plane across the view."""

    source: Source
    point: np.ndarray
    """Where the hold is [3]. Unit: length."""
    depth: float
    """Its distance from the camera along the view. Unit: length."""

    @staticmethod
    def at(source: Source, picture: Picture, camera: OrbitCamera, u: float, v: float) -> Push | None:
        """The hold at a pixel; None where nothing is seen."""
        height, width = picture.depth.shape
        row, column = int(v), int(u)
        if not (0 <= row < height and 0 <= column < width) or picture.depth[row, column] <= 0:
            return None
        depth = float(picture.depth[row, column])
        return Push(source, _unproject(picture, camera, u, v, depth), depth)

    def drag(self, picture: Picture, camera: OrbitCamera, u: float, v: float) -> bool:
        """Pull to a pixel: what is held gets there within a frame. False: the source cannot be pushed."""
        stage = self.source.stage
        point = _unproject(picture, camera, u, v, self.depth)
        if stage is None:
            return False
        velocity = (point - self.point) / stage.frame_dt
        fastest = stage.mpm.grid.spacing / stage.frame_dt * 2
        speed = float(np.linalg.norm(velocity))
        if speed > fastest:  # a jump of the mouse must not throw the material out of the grid
            velocity = velocity * (fastest / speed)
        moved = self.source.push(self.point, REACH * stage.mpm.grid.spacing, velocity)
        self.point = point
        return moved


def _unproject(picture: Picture, camera: OrbitCamera, u: float, v: float, depth: float) -> np.ndarray:
    height, width = picture.depth.shape
    view = camera.view(width, height)
    ray = np.linalg.solve(view.K, np.array([u, v, 1.0]))
    return view.viewmat[:3, :3].T @ (depth * ray - view.viewmat[:3, 3])
