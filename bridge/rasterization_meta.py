"""``meta`` of ``rasterization``: what densification strategies written for gsplat read."""

from typing import Any

from torch import Tensor

from bridge.binning import TileLists, isect_ids
from bridge.compositing import View


class Meta(dict[str, Any]):
    """A dict; gsplat's 64-bit sort keys ``isect_ids``, which nothing here needs, are made when they are asked for."""

    def __contains__(self, name: object) -> bool:
        return name == "isect_ids" or super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name == "isect_ids" else super().get(name, default)

    def __missing__(self, name: str) -> Any:
        if name != "isect_ids":
            raise KeyError(name)
        self[name] = isect_ids(self["flatten_ids"], self["isect_offsets"], self["depths"])
        return self[name]


def make_meta(projected: tuple[Tensor, ...], lists: TileLists, view: View) -> Meta:
    """gsplat's names, always dense: the ids of packed mode are None."""
    radii, means2d, depths, conics, opacities = projected
    n_cameras, rows, columns = lists.isect_offsets.shape
    return Meta(
        batch_ids=None,
        camera_ids=None,
        gaussian_ids=None,
        radii=radii,
        means2d=means2d,
        depths=depths,
        conics=conics,
        opacities=opacities,
        tile_width=columns,
        tile_height=rows,
        tiles_per_gauss=lists.tiles_per_gauss,
        isect_offsets=lists.isect_offsets,
        flatten_ids=lists.flatten_ids,
        width=view.width,
        height=view.height,
        tile_size=view.tile_size,
        n_batches=1,
        n_cameras=n_cameras,
    )
