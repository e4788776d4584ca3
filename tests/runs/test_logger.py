"""A logger is made for the run, attached to its trainer, and closed whatever happens."""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from ptycho_bench.runs import train


class Logger:
    """Logger that remembers how it was made and closed."""

    def __init__(self, *, run_name: str, folder: str) -> None:
        self.made = run_name, folder
        self.exit_codes = []
        self.experiment = SimpleNamespace(finish=self.finish)

    def finish(self, *, exit_code: int) -> None:
        self.exit_codes.append(exit_code)


@pytest.fixture
def fit_with(monkeypatch):
    """fit_with(fit) -> the logger after a training in which `fit` takes the place of Lightning's."""

    def call(fit) -> Logger:
        monkeypatch.setattr(train, "fit", fit)
        run = SimpleNamespace(trainer=SimpleNamespace(logger=None), module=None, data=None)
        spec = SimpleNamespace(make_logger=Logger, run=SimpleNamespace(name="run"))
        with contextlib.suppress(RuntimeError):
            train.fit_with_logger(spec, run, SimpleNamespace(path=Path("folder")))
        return run.trainer.logger

    return call


def test_a_logger_is_attached_before_the_training_and_closed_after_it(fit_with):
    seen = []
    logger = fit_with(lambda trainer, module, data: seen.append((trainer.logger, list(trainer.logger.exit_codes))))
    assert logger.made == ("run", "folder")
    assert seen == [(logger, [])]
    assert logger.exit_codes == [0]


def test_a_logger_is_closed_with_an_error_if_the_training_fails(fit_with):
    def failing(trainer, module, data):
        raise RuntimeError("no more memory")

    assert fit_with(failing).exit_codes == [1]
