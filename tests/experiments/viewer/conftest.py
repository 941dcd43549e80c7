"""A finished run."""

import pytest

from experiments import cli
from tests.experiments.viewer.scenes import write_config


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert cli.main(["run", str(write_config(folder)), "--output", str(folder / "out")]) == 0
    return folder / "out"
