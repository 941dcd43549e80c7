"""``diffmpm info``: versions, backends and devices."""

import os
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from configs.load import presets
from configs.mesh import packaged_meshes
from experiments.versions import versions


def show(console: Console) -> None:
    """Print what is installed and where kernels can run."""
    console.print(_table("Versions", versions().items()))
    console.print(_table("Backends", backends()))
    packaged = [("presets", ", ".join(presets())), ("meshes", ", ".join(packaged_meshes()))]
    console.print(_table("Packaged", packaged))


def backends() -> Iterator[tuple[str, str]]:
    """Each backend of ``bridge.init``, and its device or why it is not there."""
    import taichi as ti
    import torch

    ti.set_logging_level(ti.ERROR)  # a library that Taichi looks for and does not find is no news here
    supported = ti.lang.misc.is_arch_supported
    yield "cpu", f"{os.cpu_count()} threads"
    if supported(ti.cuda) and torch.cuda.is_available():
        yield "cuda", ", ".join(torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count()))
    elif supported(ti.cuda):
        yield "cuda", "a device, but this torch is built without CUDA: tensors stay on the CPU"
    else:
        yield "cuda", "no device"
    yield "vulkan", "a driver" if supported(ti.vulkan) else "no driver (on Debian: apt-get install mesa-vulkan-drivers)"


def _table(title: str, rows) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, min_width=60)
    for name, text in rows:
        table.add_row(name, text)
    return table
