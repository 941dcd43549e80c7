"""What a morph needs to go on after an interruption as if there had been none."""

from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from configs.errors import InputError
from configs.morph import MorphConfig
from experiments.atomic import replacing

NAME = "checkpoint.pt"


@dataclass
class Checkpoint:
    """A morph between two updates of the controls."""

    settings: str
    """``settings_of`` the configuration."""
    episode: int
    """The episode under way, from 0."""
    start: dict[str, Tensor]
    """The state from which it started: x, v, C, F, F_total."""
    optimizer: dict
    """``ControlOptimizer.state`` within it."""
    iterations: list[dict]
    """All updates so far, as in metrics.json."""
    frames: int
    """Frames recorded before this episode."""
    rollouts: int
    seconds: float
    """What the run has taken."""

    def save(self, folder: Path) -> None:
        """To checkpoint.pt."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        with replacing(folder / NAME) as temporary:
            torch.save(values, temporary)

    @staticmethod
    def load(folder: Path, config: MorphConfig) -> "Checkpoint":
        """From checkpoint.pt.

        Raises:
            InputError: there is none, or it belongs to another configuration.
        """
        path = folder / NAME
        if not path.is_file():
            raise InputError(f"--resume: {folder} has no {NAME}; expected a run with output.checkpoints")
        checkpoint = Checkpoint(**torch.load(path, weights_only=True))
        if checkpoint.settings != settings_of(config):
            raise InputError(
                f"--resume: {path} belongs to another configuration; only optimize.episodes and output may differ"
            )
        return checkpoint


def settings_of(config: MorphConfig) -> str:
    """All that must not change between a run and its continuation."""
    optimize = config.optimize.model_copy(update={"episodes": 1})
    return config.model_copy(update={"optimize": optimize, "output": type(config.output)()}).model_dump_json()
