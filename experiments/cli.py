"""The command ``diffmpm``. Heavy libraries load only once the input has been checked."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from configs.errors import InputError
from configs.load import load_config
from experiments.broken_run import BrokenRun
from experiments.versions import versions
from experiments.viewer.command import add_view, check_watch

EXIT_BROKEN = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; bad input ends in one line on stderr and the exit code 2, a run that broke in 1."""
    os.environ.setdefault("ENABLE_TAICHI_HEADER_PRINT", "0")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported: bridge/__init__.py says why
    args = _parse(arguments)
    try:
        args.command(args)
    except InputError as error:
        print(f"diffmpm: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except BrokenRun as error:
        print(f"diffmpm: {error}", file=sys.stderr)
        return EXIT_BROKEN
    except KeyboardInterrupt:
        print("diffmpm: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="diffmpm", description="Differentiable simulation from physics to pixels.")
    parser.add_argument("--version", action="version", version=f"diffmpm {versions()['diffmpm']}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run an experiment", description="Run an experiment from its YAML file.")
    run.add_argument("config", metavar="CONFIG", help="a YAML file, or the name of a preset such as sphere_to_rabbit")
    run.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="values to replace, such as mpm.dt=0.002")
    run.add_argument("--output", type=Path, metavar="DIR", help="where results go (default: outputs/CONFIG)")
    run.add_argument("--resume", action="store_true", help="go on from the checkpoint in the output folder (morph)")
    run.add_argument("--view", action="store_true", help="watch it in a window while it is optimised (morph)")
    run.set_defaults(command=_run, overrides=[])

    add_view(commands)

    evaluate = commands.add_parser(
        "evaluate", help="measure finished morphs", description="Measure runs of task morph beside their floors."
    )
    evaluate.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="the folder of a run")
    evaluate.add_argument("--output", type=Path, default=Path("outputs/evaluation"), metavar="DIR")
    evaluate.set_defaults(command=_evaluate)

    compare = commands.add_parser("compare", help="two runs side by side in a video")
    compare.add_argument("left", type=Path, metavar="A", help="the folder of a run")
    compare.add_argument("right", type=Path, metavar="B", help="the folder of another")
    compare.add_argument("--output", type=Path, default=Path("outputs/compare.mp4"), metavar="FILE")
    compare.set_defaults(command=_compare)

    info = commands.add_parser("info", help="show versions, backends and devices")
    info.set_defaults(command=_info)

    # argparse takes positional arguments in one block only: overrides after --output arrive in the rest.
    args, rest = parser.parse_known_args(arguments)
    unknown = [text for text in rest if not hasattr(args, "overrides") or text.startswith("-")]
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if rest:
        args.overrides = [*args.overrides, *rest]
    return args


def _run(args: argparse.Namespace) -> None:
    config = load_config(args.config, args.overrides)
    output = args.output or Path("outputs", Path(args.config).stem)
    if output.exists() and not output.is_dir():
        raise InputError(f"--output {output}: is a file; expected a folder")
    if args.resume and config.task != "morph":
        raise InputError(f"--resume: task is {config.task}; expected morph")
    if args.view:
        check_watch(args.config, config.task, output)
    more = {name: True for name, wanted in (("resume", args.resume), ("watch", args.view)) if wanted}
    importlib.import_module(f"experiments.{config.task}").run(config, output, **more)
    print(f"results are in {output}")


def _evaluate(args: argparse.Namespace) -> None:
    from rich.console import Console

    from experiments.evaluate import evaluate

    evaluate(args.folders, args.output, Console())


def _compare(args: argparse.Namespace) -> None:
    from experiments.compare import compare

    compare(args.left, args.right, args.output)


def _info(args: argparse.Namespace) -> None:
    from rich.console import Console

    from experiments.info import show

    show(Console())


if __name__ == "__main__":
    sys.exit(main())
