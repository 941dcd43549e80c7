"""Where the upsampler is held against its twin in float32."""

import pytest

float32_devices = pytest.mark.parametrize(
    "device",
    [
        pytest.param("cpu", marks=pytest.mark.runtime("vulkan", "float32")),
        pytest.param("cuda", marks=pytest.mark.runtime("cuda", "float32")),
    ],
)
"""Runs a test with torch's ``device``: Taichi's Vulkan for tensors of the CPU, and CUDA."""
