"""``runtime``: the Taichi runtime that serves every stage."""

from typing import Literal

from configs.base import Section


class RuntimeConfig(Section):
    """Arguments of ``bridge.init``."""

    backend: Literal["auto", "cpu", "cuda", "vulkan"] = "auto"
    """Where kernels run; auto takes a CUDA device if there is one, else the CPU."""
    dtype: Literal["float32", "float64"] = "float32"
    """Floating-point type of every kernel and tensor; float64 is for gradient checks."""
    deterministic: bool = False
    """Repeats are equal bit for bit: on the CPU, with one thread."""
