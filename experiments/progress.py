"""Progress of a run on the terminal: bar, time left, current losses."""

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from configs.optimize import OptimizeConfig


class RunProgress:
    """A bar over all iterations of all episodes and the losses below it; in a log, one line an episode."""

    def __init__(self, config: OptimizeConfig):
        self.config = config
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self.task = self.bar.add_task(self._episode(0), total=config.episodes * config.iterations)
        self.losses = Text(no_wrap=True, overflow="ellipsis")
        self.live = Live(Group(self.bar, self.losses), console=self.console, auto_refresh=self.console.is_terminal)

    def advance(self, episode: int, entry: dict) -> None:
        """One iteration is done; ``entry`` is its line of metrics.json."""
        terms = "  ".join(f"{name} {value:.4g}" for name, value in entry["terms"].items())
        self.losses.plain = f"objective {entry['objective']:.5g}  {terms}"
        self.bar.update(self.task, advance=1, description=self._episode(episode))

    def finish_episode(self, episode: int) -> None:
        """Iterations that an early end left out count as done."""
        self.bar.update(self.task, completed=(episode + 1) * self.config.iterations)
        if not self.console.is_terminal:
            self.console.print(f"{self._episode(episode)}: {self.losses.plain}", highlight=False, soft_wrap=True)

    def _episode(self, episode: int) -> str:
        return f"episode {episode + 1}/{self.config.episodes}"

    def __enter__(self) -> "RunProgress":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *exception) -> None:
        if self.console.is_terminal:
            self.live.stop()
