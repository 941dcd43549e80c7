"""Progress of a run on the terminal: bar, time left, current losses."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from configs.optimize import OptimizeConfig


class RunProgress:
    """A bar over all iterations of all episodes; on a pipe or in a log, one line an episode."""

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
            TextColumn("{task.fields[losses]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task("morph", total=config.episodes * config.iterations, losses="")
        self.losses = ""

    def advance(self, episode: int, entry: dict) -> None:
        """One iteration is done; ``entry`` is its line of metrics.json."""
        terms = "  ".join(f"{name} {value:.4g}" for name, value in entry["terms"].items())
        self.losses = f"objective {entry['objective']:.5g}  {terms}"
        self.bar.update(self.task, advance=1, losses=self.losses, description=self._episode(episode))

    def finish_episode(self, episode: int) -> None:
        """Iterations that an early end left out count as done."""
        self.bar.update(self.task, completed=(episode + 1) * self.config.iterations)
        if not self.console.is_terminal:
            self.console.print(f"{self._episode(episode)}: {self.losses}", highlight=False, soft_wrap=True)

    def _episode(self, episode: int) -> str:
        return f"episode {episode + 1}/{self.config.episodes}"

    def __enter__(self) -> "RunProgress":
        self.bar.start()
        return self

    def __exit__(self, *exception) -> None:
        self.bar.stop()
