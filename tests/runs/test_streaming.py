"""Which runs are streamed from their files, and that streaming changes no loss."""

import pytest

from ptycho_bench.records.run_folder import RunFolder
from ptycho_bench.runs.prepare import prepare
from tests.runs.conftest import composed_run, composed_spec

TAKEN_MB = 121 * 16**2 * 4 * 3 / 1e6  # of the tiny scan: pattern, amplitude and phase as float32
BEYOND, WITHIN = f"cache_mb={TAKEN_MB - 1e-3}", f"cache_mb={TAKEN_MB}"


@pytest.mark.parametrize(
    ("words", "streamed"),
    [
        ((BEYOND,), True),
        ((WITHIN,), False),
        ((), False),
        (("cache_mb=null",), False),
        ((WITHIN, "phase=circular"), True),
        ((WITHIN, "loss=diffraction"), True),
    ],
)
def test_a_file_is_streamed_if_its_prepared_samples_exceed_the_limit(tiny_words, words, streamed):
    assert composed_run(*tiny_words(*words)).streamed is streamed


@pytest.mark.parametrize(("limit", "streamed"), [(BEYOND, True), (WITHIN, False)])
def test_a_simulated_scan_does_not_count(tiny_file, limit, streamed):
    assert composed_run("data=several", f"data.scans=[{tiny_file},ltem]", limit).streamed is streamed
    assert composed_run("data=ltem", "cache_mb=0").streamed is False


def test_the_limit_changes_the_identity_of_a_run_only_if_the_run_is_streamed(tiny_words):
    kept, other, unlimited, streamed, with_limit = (
        composed_run(*tiny_words(*words)).identity
        for words in ((), ("cache_mb=1",), ("cache_mb=null",), ("cache_mb=0",), ("cache_mb=0.2",))
    )
    assert kept == other == unlimited
    assert streamed == with_limit != kept


def test_the_validation_loss_of_a_streamed_set_is_that_of_a_set_in_memory(tiny_words, tmp_path, monkeypatch):
    monkeypatch.setattr("ptycho_bench.training.loading.from_file.BUFFER_BYTES", 80 * 3 * 16**2 * 4)
    losses = []
    for limit in ("0", "null"):
        spec = composed_spec(
            *tiny_words("split.train_rows=[0,8]", "split.validation_fraction=0.3", f"cache_mb={limit}")
        )
        run = prepare(spec, RunFolder(tmp_path))
        run.trainer.validate(run.module, run.data, verbose=False)
        losses.append(run.module.epoch_terms["val_total"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
