"""What the argument of ``diffmpm view`` names: a configuration, the folder of a run, or a file of Gaussians."""

from collections.abc import Sequence
from pathlib import Path

import torch

from bridge import runtime
from configs.errors import InputError
from configs.experiment import ExperimentConfig
from configs.load import load_config
from experiments.viewer.live import LiveSource
from experiments.viewer.replay import ReplaySource
from experiments.viewer.source import Source
from experiments.viewer.splat_source import SplatSource
from experiments.viewer.stage import build_stage
from render.splat_file import SUFFIXES


def open_source(name: str, overrides: Sequence[str] = (), backend: str | None = None) -> Source:
    """The source that ``name`` stands for; ``backend`` replaces the configuration's.

    Raises:
        InputError: nothing that can be shown.
    """
    path = Path(name)
    if overrides and (path.is_dir() or path.suffix.lower() in SUFFIXES):
        raise InputError(f"view: {overrides[0]} with {name}: only a configuration's values can be replaced")
    if path.suffix.lower() in SUFFIXES:
        runtime.init(backend or "auto")
        return SplatSource(path)
    if path.is_dir():
        if not (path / "config.yaml").is_file():
            raise InputError(f"view: {name} has no config.yaml; expected the folder of a run")
        config = load_config(path / "config.yaml")
        _start(config, backend)
        return ReplaySource(path, build_stage(config))
    if len(path.parts) > 1 and not path.suffix:
        raise InputError(f"view: {name}: no such folder; expected a configuration, the folder of a run, or a .ply file")
    config = load_config(name, overrides)
    _start(config, backend)
    return LiveSource(build_stage(config), path.stem)


def _start(config: ExperimentConfig, backend: str | None) -> None:
    wanted = config.runtime
    torch.manual_seed(config.seed)
    runtime.init(backend or wanted.backend, getattr(torch, wanted.dtype), wanted.deterministic)
