"""Imports run downwards only, and the physics and the rasterizer know nothing of torch."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "configs": set(),
    "kernels": {"configs"},
    "mpm": {"configs", "kernels"},
    "upsample": {"configs", "kernels"},
    "render": {"configs", "kernels"},
    "bridge": {"configs", "kernels", "mpm", "upsample", "render"},
    "experiments": {"configs", "kernels", "mpm", "upsample", "render", "bridge"},
    "scripts": {"configs", "kernels", "mpm", "upsample", "render", "bridge", "experiments"},
}
WITHOUT = {
    "configs": {"torch", "taichi"},
    "kernels": {"torch"},
    "mpm": {"torch"},
    "upsample": {"torch"},
    "render": {"torch"},
}


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and top-level module of every import, those inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "a relative import" if node.level else (node.module or "").partition(".")[0]


def forbidden(package: str, source: str) -> list[tuple[int, str]]:
    """Imports that a file of the package may not have."""
    others = set(ALLOWED) - ALLOWED[package] - {package}
    refused = others | WITHOUT.get(package, set()) | {"tests", "a relative import"}
    return [(line, module) for line, module in imports(source) if module in refused]


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_run_downwards(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    wrong = {str(path): found for path in files if (found := forbidden(package, path.read_text()))}
    assert not wrong


def test_every_package_is_watched():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages == set(ALLOWED)


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("mpm", "import torch"),
        ("mpm", "from render.camera import look_at"),
        ("kernels", "def f():\n    import bridge.runtime"),
        ("render", "from torch.nn import functional"),
        ("bridge", "from experiments import morph"),
        ("configs", "import taichi as ti"),
        ("upsample", "from . import surface"),
    ],
)
def test_upward_import_is_found(package, source):
    assert forbidden(package, source)
