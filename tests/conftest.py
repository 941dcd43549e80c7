"""One Taichi runtime at a time: tests name the one they need, and are grouped by it.

``pytestmark = pytest.mark.runtime("cpu", "float64")`` at the head of a module (the default) or on a test. Starting
another runtime ends every kernel alive, so tests are sorted by runtime before they run. ``pytest --backend cuda`` runs
on that backend whatever asks for the CPU.
"""

import os

import pytest

os.environ.setdefault("ENABLE_TAICHI_HEADER_PRINT", "0")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as bridge sets it, should torch be imported first

DEFAULT_RUNTIME = ("cpu", "float64")


def pytest_addoption(parser):
    parser.addoption("--backend", default="cpu", choices=("cpu", "cuda", "vulkan"), help="stands in for the CPU")


def _wanted(item) -> tuple[str, str]:
    marker = item.get_closest_marker("runtime")
    backend, dtype = tuple(marker.args) if marker else DEFAULT_RUNTIME
    return (item.config.getoption("--backend") if backend == "cpu" else backend), dtype


def pytest_collection_modifyitems(items):
    for item in items:
        if _wanted(item)[0] == "cuda":
            item.add_marker(pytest.mark.gpu)
    items.sort(key=_wanted)


@pytest.fixture(autouse=True)
def _runtime(request):
    import torch

    from bridge import runtime

    backend, dtype = _wanted(request.node)
    wanted = (backend, getattr(torch, dtype))
    if runtime._alive() and (runtime.current().backend, runtime.current().dtype) != wanted:
        runtime.reset()
    runtime.init(*wanted)
    torch.manual_seed(0)
