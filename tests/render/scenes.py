"""Random Gaussians in front of random cameras."""

import torch


def random_scene(n=40, cameras=2, channels=3, width=37, height=29, seed=0, dtype=torch.float64):
    """Arguments of ``bridge.rasterization`` by name; off-centre principal points, unequal focal lengths."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape, low=0.0, high=1.0):
        return low + (high - low) * torch.rand(*shape, generator=generator, dtype=dtype)

    a = uniform(n, 3, 3, low=-0.35, high=0.35)
    viewmats = torch.eye(4, dtype=dtype).repeat(cameras, 1, 1)
    tilt = uniform(cameras, 3, 3, low=-0.15, high=0.15)
    viewmats[:, :3, :3] = torch.linalg.matrix_exp(tilt - tilt.mT)
    viewmats[:, :3, 3] = uniform(cameras, 3, low=-0.2, high=0.2) + torch.tensor([0.0, 0.0, 3.0], dtype=dtype)
    Ks = torch.zeros(cameras, 3, 3, dtype=dtype)
    Ks[:, 0, 0], Ks[:, 1, 1] = 0.9 * width + uniform(cameras), 1.2 * width + uniform(cameras)
    Ks[:, 0, 2], Ks[:, 1, 2], Ks[:, 2, 2] = 0.45 * width, 0.56 * height, 1.0
    return dict(
        means=uniform(n, 3, low=-1.5, high=1.5),
        covars=a @ a.mT,
        opacities=uniform(n, low=0.05, high=0.95),
        colors=uniform(n, channels),
        viewmats=viewmats,
        Ks=Ks,
        backgrounds=uniform(cameras, channels),
        width=width,
        height=height,
    )


TENSORS = ("means", "covars", "opacities", "colors", "viewmats", "Ks", "backgrounds")


def leaves(scene):
    """The scene with fresh leaves that ask for gradients."""
    return {k: v.detach().clone().requires_grad_() if k in TENSORS else v for k, v in scene.items()}
