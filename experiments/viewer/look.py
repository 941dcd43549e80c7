"""How things are shown: the choices of the panel and the keys."""

from dataclasses import dataclass, field

VIEWS = ("particles", "rgb", "alpha", "depth", "normals")
"""Spheres at the particles; colour, opacity, depth and normals of the Gaussians, by the rasterizer."""
COLORS = ("body", "speed", "det F", "stress", "material", "gradient")
"""What the particles' colour says."""
OVERLAYS = ("grid", "colliders", "floor", "target", "arrows")
OFF_AT_FIRST = ("target", "arrows")


@dataclass
class Look:
    """What a picture shows."""

    view: str = "particles"
    color: str = "body"
    shown: dict[str, bool] = field(default_factory=lambda: {name: name not in OFF_AT_FIRST for name in OVERLAYS})
    """Which overlays: the grid's box, colliders, the floor, the target of a morph, arrows down its loss."""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Smallest and largest value seen of each quantity: the two ends of its colours."""

    def toggle(self, overlay: str) -> None:
        """Show it or leave it out."""
        self.shown[overlay] = not self.shown[overlay]

    def next_view(self) -> None:
        """The one after, and around."""
        self.view = VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)]

    def choose_color(self, color: str) -> None:
        """If it is another, what it was seen to range over is forgotten."""
        if color != self.color:
            self.color = color
            self.ranges.pop(color, None)
