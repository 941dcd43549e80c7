"""The clipboard, by whichever of the usual programs is installed: GGUI has none."""

import shutil
import subprocess

PROGRAMS = (
    ("wl-copy",),
    ("xclip", "-selection", "clipboard"),
    ("xsel", "--clipboard", "--input"),
    ("pbcopy",),
    ("clip",),
)
PATIENCE = 5.0
"""Unit: s."""


def copy(text: str) -> bool:
    """Put ``text`` there; False if no program could."""
    return any(_copy_with(program, text) for program in PROGRAMS if shutil.which(program[0]))


def _copy_with(program: tuple[str, ...], text: str) -> bool:
    nowhere = subprocess.DEVNULL  # xclip stays, and would keep a pipe open
    try:
        done = subprocess.run(
            program, input=text.encode(), stdout=nowhere, stderr=nowhere, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
