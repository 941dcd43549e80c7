"""``diffmpm view``: its options, and which front end runs."""

import argparse
from pathlib import Path

from configs.errors import InputError
from experiments.viewer.look import COLORS, OVERLAYS, VIEWS

ONE, TWO = (960, 720), (1280, 720)
"""Width and height of a window for one source, and for two side by side. Unit: pixel."""


def add_view(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand; heavy libraries load when it runs."""
    view = commands.add_parser(
        "view",
        help="look at a simulation, a finished run or a file of Gaussians",
        description="A window on a configuration's simulation, a finished run or a 3DGS .ply; or a video without one.",
    )
    view.add_argument("name", metavar="CONFIG_OR_RUN_DIR_OR_PLY", help="a YAML file or preset, a run's folder, a .ply")
    view.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="values to replace in the configuration")
    view.add_argument("--beside", metavar="OTHER", help="a second one, shown beside the first with the same camera")
    view.add_argument("--view", choices=VIEWS, help="what is shown first")
    view.add_argument("--color", choices=COLORS, default="body", help="what the particles' colours say")
    view.add_argument("--show", nargs="*", choices=OVERLAYS, help="overlays to show, instead of all but the target")
    view.add_argument("--camera", type=Path, metavar="YAML", help="a camera that the viewer has saved")
    view.add_argument("--backend", choices=("auto", "cpu", "cuda", "vulkan"), help="instead of the configuration's")
    view.add_argument("--size", type=_size, metavar="WxH", help="of the window or the video")
    view.add_argument("--output", type=Path, default=Path("outputs", "view"), metavar="DIR", help="for screenshots")
    view.add_argument("--headless", action="store_true", help="no window: write --video or --image")
    view.add_argument("--frames", type=_frames, default=120, metavar="N", help="headless: frames after the first")
    view.add_argument("--video", type=Path, metavar="OUT.mp4", help="headless: all frames")
    view.add_argument("--image", type=Path, metavar="OUT.png", help="headless: the last frame")
    view.set_defaults(command=_view, overrides=[])


def check_watch(name: str, task: str, output: Path) -> None:
    """Raise ``InputError`` if ``diffmpm run NAME --view`` cannot open its window."""
    from experiments.viewer.display import check_display, unwatched

    if task != "morph":
        raise InputError(f"--view: task is {task}; expected morph; a simulation runs live in diffmpm view {name}")
    check_display(unwatched(output))


def _view(args: argparse.Namespace) -> None:
    if not args.headless and (args.video or args.image):
        raise InputError("view: --video and --image are written with --headless; expected it too")
    size = args.size or (TWO if args.beside else ONE)
    if args.headless:
        from experiments.viewer.headless import check_outputs, run_headless

        check_outputs(args.video, args.image)
        run_headless(_viewer(args), args.frames, args.video, args.image, size)
    else:
        from experiments.viewer.display import check_display, headless
        from experiments.viewer.window import run_window

        check_display(headless(args.name))
        run_window(_viewer(args), args.name, size, args.output)


def _viewer(args: argparse.Namespace):
    from experiments.viewer.opening import open_source
    from experiments.viewer.viewer import Viewer

    sources = [open_source(args.name, args.overrides, args.backend)]
    if args.beside:
        sources.append(open_source(args.beside, (), args.backend))
    viewer = Viewer(sources)
    viewer.look.view = args.view or viewer.look.view
    viewer.look.color = args.color
    if args.show is not None:
        viewer.look.shown = {name: name in args.show for name in OVERLAYS}
    if args.camera:
        viewer.load_camera(args.camera)
    return viewer


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) >= 16 and int(height) >= 16):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; expected WxH of at least 16x16, such as 960x720")
    return int(width), int(height)


def _frames(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of frames; expected 0 or more")
    return int(text)
