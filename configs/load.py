"""YAML and dotted overrides to the checked configuration of a task; every mistake becomes one ``InputError``."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from configs.errors import InputError
from configs.experiment import ExperimentConfig
from configs.explain import explain
from configs.morph import MorphConfig
from configs.simulate import SimulateConfig

PRESET_FOLDER = Path(str(files("configs")))
TASKS: dict[str, type[ExperimentConfig]] = {"morph": MorphConfig, "simulate": SimulateConfig}
"""The schema of each task; experiments/TASK.py runs it."""


def presets() -> list[str]:
    """Names of the experiments that come with diffmpm."""
    return sorted(path.stem for path in PRESET_FOLDER.glob("*.yaml"))


def load_config(path_or_name: str | Path, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Read an experiment: a ``MorphConfig`` or ``SimulateConfig``, as its ``task`` says.

    Args:
        path_or_name: a YAML file, or the name of a preset such as ``sphere_to_rabbit``.
        overrides: ``KEY=VALUE`` each, the key dotted and the value YAML: ``mpm.dt=0.002``, ``cameras.orbit=null``.

    Raises:
        InputError: one line that names the file, the key or line, and what is accepted.
    """
    path = _find(str(path_or_name))
    tree = _parse(path)
    for override in overrides:
        _apply(override, tree)
    try:
        values = OmegaConf.to_container(tree, resolve=True)
    except OmegaConfBaseException as error:
        raise InputError(f"{path}: {_first_line(error)}") from error
    assert isinstance(values, dict)
    task = values.get("task")
    schema = TASKS.get(task, ExperimentConfig) if isinstance(task, str) else ExperimentConfig
    if schema is ExperimentConfig:  # the task is wrong or missing: nothing can be said of the other keys
        values = {key: value for key, value in values.items() if key == "task"}
    try:
        return schema.model_validate(values, context={"folders": [path.parent]})
    except ValidationError as error:
        key, message = explain(error, schema)
        raise InputError(f"{path}: {message}{_override_of(key, overrides)}") from error


def dump_config(config: ExperimentConfig) -> str:
    """The YAML text that ``load_config`` reads back to an equal configuration."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _find(name: str) -> Path:
    path = Path(name)
    if path.is_file():
        return path
    if name in presets():
        return PRESET_FOLDER / f"{name}.yaml"
    what = "is a folder" if path.is_dir() else "no such file"
    raise InputError(f"{name}: {what}; expected a YAML file or a preset: {', '.join(presets())}")


def _parse(path: Path) -> DictConfig:
    try:
        tree = OmegaConf.load(path)
    except yaml.YAMLError as error:
        raise InputError(f"{path}{_place(error)}: not valid YAML: {_problem(error)}") from error
    except (OSError, UnicodeDecodeError, OmegaConfBaseException) as error:
        raise InputError(f"{path}: cannot be read as YAML: {_first_line(error)}") from error
    if not isinstance(tree, DictConfig):
        raise InputError(f"{path}: holds a list; expected sections such as mpm and cameras")
    return tree


def _apply(override: str, tree: DictConfig) -> None:
    key, equals, text = override.partition("=")
    if not (key and equals):
        raise InputError(f"override {override!r}: expected KEY=VALUE, such as mpm.dt=0.002")
    try:
        value = OmegaConf.create(f"value: {text}").value if text else None
        OmegaConf.update(tree, key, value, merge=True, force_add=True)
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"override {override!r}: {_first_line(error)}; expected a YAML value") from error


def _override_of(key: str, overrides: Sequence[str]) -> str:
    """The last override that wrote ``key``, as a remark; nothing if the file did."""
    for override in reversed(overrides):
        if f"{key}.".startswith(f"{override.partition('=')[0]}."):
            return f" (override {override})"
    return ""


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}:{mark.column + 1}" if mark else ""


def _problem(error: yaml.YAMLError) -> str:
    return getattr(error, "problem", None) or _first_line(error)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
