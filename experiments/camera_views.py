"""The cameras of a configuration as views."""

from configs.cameras import CamerasConfig
from experiments.views import View
from render.cameras import from_config


def perspective_views(config: CamerasConfig, width: int, height: int) -> list[View]:
    """All cameras of the configuration, in the order orbit, fibonacci, views."""
    viewmats, Ks = from_config(config, width, height)
    return [View(viewmat, K, width, height) for viewmat, K in zip(viewmats, Ks, strict=True)]
