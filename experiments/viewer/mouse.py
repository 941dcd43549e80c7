"""Mouse movements as the viewer's actions."""

from experiments.viewer.viewer import Viewer

ZOOM = 6.0
"""e to this power: a drag over the image's whole height brings the camera that many times closer."""


class Mouse:
    """Which drag is under way, and where the cursor was. Positions are pixels (column, row)."""

    def __init__(self, viewer: Viewer):
        self.viewer = viewer
        self.drag: str | None = None
        self._before = (0.0, 0.0)

    def press(self, button: str, shift: bool, ctrl: bool, position: tuple[float, float]) -> None:
        """A button of ``left``, ``middle``, ``right`` goes down."""
        if self.drag:
            return
        self._before = position
        if button == "left":
            self.drag = "push" if ctrl else "pan" if shift else "orbit"
        else:
            self.drag = {"middle": "pan", "right": "zoom"}[button]
        if self.drag == "push":
            self.viewer.begin_push(*position)

    def move(self, position: tuple[float, float], height: int) -> None:
        """The cursor is at ``position`` in an image of ``height`` rows."""
        right, down = ((now - before) / height for now, before in zip(position, self._before, strict=True))
        if not self.drag or not (right or down):
            return
        self._before = position
        if self.drag == "orbit":
            self.viewer.camera.orbit(right, down)
        elif self.drag == "pan":
            self.viewer.camera.pan(right, -down)
        elif self.drag == "zoom":
            self.viewer.camera.zoom(ZOOM**-down)
        else:
            self.viewer.drag_push(*position)

    def release(self) -> None:
        """The button goes up."""
        if self.drag == "push":
            self.viewer.end_push()
        self.drag = None
