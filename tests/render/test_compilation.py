"""Kernels are compiled once for all sizes of images and all numbers of Gaussians, cameras and channels.

(Up to 8 channels CUDA's kernels with a block of threads a tile are compiled for their number.)
"""

from taichi.lang import impl

from bridge.rasterization import rasterization
from tests.render.scenes import leaves, random_scene


def compiled():
    """Kernels compiled since the runtime began."""
    return sum(len(kernel.compiled_kernels) for kernel in impl.get_runtime().kernels)


def draw(**sizes):
    images, alphas, _ = rasterization(quats=None, scales=None, **leaves(random_scene(**sizes)), render_mode="RGB+ED")
    (images.sum() + alphas.sum()).backward()


def test_nothing_is_compiled_for_a_size():
    draw(n=10, channels=40)
    draw(n=6000, cameras=1, channels=40, width=8, height=50)  # torch sorts few keys, our kernels many
    before = compiled()
    assert before > 0
    draw(n=300, cameras=3, channels=9, width=64, height=9)
    draw(n=9000, cameras=4, channels=41, width=70, height=33)
    assert compiled() == before
