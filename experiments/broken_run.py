"""The error of a run that could not be finished."""


class BrokenRun(RuntimeError):
    """The simulation broke; the last good state has been written. The command prints this and exits with 1."""
