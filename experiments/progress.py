"""Progress of a run on the terminal: bar, time left, a line of numbers."""

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text


class RunProgress:
    """A bar over everything that a run does and a line of numbers below it; in a log, single lines (``note``)."""

    def __init__(self, total: int, title: str):
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self.task = self.bar.add_task(title, total=total)
        self.title = title
        self.numbers = Text(no_wrap=True, overflow="ellipsis")
        self.live = Live(Group(self.bar, self.numbers), console=self.console, auto_refresh=self.console.is_terminal)

    def advance(self, title: str, numbers: str) -> None:
        """One more is done."""
        self.title, self.numbers.plain = title, numbers
        self.bar.update(self.task, advance=1, description=title)

    def skip_to(self, completed: int) -> None:
        """What an early end left out counts as done."""
        self.bar.update(self.task, completed=completed)

    def note(self) -> None:
        """Where there is no bar: a line that says where the run is."""
        if not self.console.is_terminal:
            self.console.print(f"{self.title}: {self.numbers.plain}", highlight=False, soft_wrap=True)

    def __enter__(self) -> "RunProgress":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *exception) -> None:
        if self.console.is_terminal:
            self.live.stop()
