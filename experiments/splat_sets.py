"""Several sets of Gaussians as one."""

from dataclasses import fields

import torch

from bridge.upsampler import Splats


def joined(sets: list[Splats]) -> Splats:
    """All in one, in their order."""
    return Splats(**{field.name: torch.cat([getattr(one, field.name) for one in sets]) for field in fields(Splats)})
