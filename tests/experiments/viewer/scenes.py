"""A small scene to look at."""

import copy
from pathlib import Path

import yaml

CONFIG = {
    "task": "simulate",
    "mpm": {
        "grid": {"origin": [-1, -1, -1], "spacing": 0.125, "size": [17, 17, 17]},
        "dt": 0.005,
        "gravity": [0, -10, 0],
        "boundary": "separate",
        "material": {"youngs_modulus": 10000, "poissons_ratio": 0.2, "density": 1000},
        "colliders": [{"shape": "sphere", "radius": 0.2, "position": [-0.5, -0.2, 0.0]}],
    },
    "frames": 4,
    "frame_dt": 0.02,
    "bodies": [{"box": [0.375, 0.375, 0.375], "center": [0.25, 0.25, 0], "color": [1, 0, 0]}],
    "cameras": [{"eye": [0, 0, 4], "fov": 40}],
    "render": {"width": 64, "height": 48},
    "output": {"video": False},
}


def write_config(folder: Path, **changes) -> Path:
    """scene.yaml with sections replaced."""
    path = folder / "scene.yaml"
    path.write_text(yaml.safe_dump({**copy.deepcopy(CONFIG), **changes}))
    return path


MORPH = {
    "task": "morph",
    "source": {"mesh": "sphere", "extent": 0.9, "center": [0, 0, 0]},
    "target": {"mesh": "box", "volume": "source", "center": [0, 0, 0]},
    "mpm": {
        "grid": {"origin": [-1, -1, -1], "spacing": 0.125, "size": [17, 17, 17]},
        "dt": 0.02,
        "material": {"youngs_modulus": 1000, "poissons_ratio": 0.2, "density": 1000},
    },
    "cameras": {"orbit": {"count": 2, "radius": 4, "fov": 40}},
    "render": {"width": 32, "height": 24},
    "loss": {"mass": {"weight": 1}, "velocity": {"weight": 10}},
    "optimize": {"episodes": 1, "steps": 6, "control_stride": 2, "iterations": 3, "lr": 0.02},
    "output": {"video": False},
}


def write_morph(folder: Path, **changes) -> Path:
    """morph.yaml with sections replaced."""
    path = folder / "morph.yaml"
    path.write_text(yaml.safe_dump({**copy.deepcopy(MORPH), **changes}))
    return path
