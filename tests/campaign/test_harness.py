"""The harness itself: what it calls deleted, escaped, refused or untidy, and how it continues."""

import pytest

from tests.campaign import sandbox
from tests.campaign.campaign import append, chosen, read_rows, row_of
from tests.campaign.case import ACCEPTED, REFUSED, Case, Outcome, accepted, check_unique
from tests.campaign.judge import verdict_of
from tests.campaign.options import cases
from tests.campaign.results import difference, of_csv
from tests.campaign.summary import table


@pytest.fixture
def work(tmp_path):
    return sandbox.created(tmp_path / "sandbox")


def judged(work, outcome: Outcome, act=lambda work: None, **fields) -> str:
    """Return the verdict on an outcome after something has been done to the sandbox."""
    before = sandbox.snapshot(sandbox.sandbox_of(work))
    act(work)
    return verdict_of(Case("kind", "name", "train", (), **fields), outcome, before, work, [])[0]


@pytest.mark.parametrize(
    ("code", "err", "verdict"),
    [
        (1, "error: seed must be an integer, got 'x'\n", REFUSED),
        (0, "", "nonsense"),
        (1, "", "untidy"),
        (2, "usage: ptycho-train\nerror: no option --x\n", "untidy"),
        (1, "error: KeyError: 'x'\n", "internal wording"),
        (1, "error: x; HYDRA_FULL_ERROR=1 shows where\n", "internal wording"),
        (1, "Traceback (most recent call last):\nerror: x\n", "traceback"),
        (-11, "", "crash"),
    ],
)
def test_the_verdict_on_an_end_follows_from_exit_code_and_lines(work, code, err, verdict):
    assert judged(work, Outcome(code, 1.0, err=err)) == verdict


def test_a_correct_command_may_work_and_must_not_fail(work):
    assert judged(work, Outcome(0, 1.0), expected=accepted()) == ACCEPTED
    assert judged(work, Outcome(1, 1.0, err="error: no\n"), expected=accepted()) == "wrongly refused"
    assert judged(work, Outcome(-9, 60.0, late=True), expected=accepted()) == "timeout"


def write(name: str):
    """Return a function that writes a file below the working folder."""

    def act(work) -> None:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text("x")

    return act


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("outputs/results.json", ACCEPTED),
        ("named.h5", ACCEPTED),
        ("other.h5", "escaped"),
        ("../other.h5", "escaped"),
        ("project/thesis.txt", "deleted"),
        ("project/latest", "deleted"),
        ("outputs/EXECUTED", "code executed"),
        ("outputs/.best.ckpt.12.partial", "leftover"),
        ("outputs/runs/.run.lock", "leftover"),
    ],
)
def test_the_sandbox_is_compared_with_what_it_was(work, name, verdict):
    assert judged(work, Outcome(0, 1.0), write(name), expected=accepted(), places=("named.h5",)) == verdict


def test_half_results_beside_an_error_are_leftovers(work):
    def act(work) -> None:
        write("outputs/result/error.txt")(work)
        write("outputs/result/object.h5")(work)

    assert judged(work, Outcome(1, 1.0, err="error: disk full\n"), act) == "leftover"


def test_rows_are_read_again_and_counted(tmp_path):
    case = Case("options", "seed=x", "train", ())
    row = row_of(case, Outcome(1, 1.0), 1.5, REFUSED, "error: a line,\nwith a comma")
    append(tmp_path / "rows.csv", row)
    assert read_rows(tmp_path / "rows.csv") == {"options/train/seed=x": row}
    assert "| options | 1 | 1 |" in table([row])


def test_a_row_that_was_cut_off_is_tried_again(tmp_path):
    (tmp_path / "rows.csv").write_text("case,kind,command,exit code,seconds,verdict,last line\na,b,c,0,1\n")
    assert read_rows(tmp_path / "rows.csv") == {}


def test_a_limit_takes_cases_of_all_parts_of_a_kind():
    some = chosen(cases(), [], 10)
    assert len(some) == 10 and len({case.command for case in some}) > 3
    with pytest.raises(ValueError, match="no kind colours"):
        chosen(cases(), ["colours"], None)


def test_the_options_are_many_and_cover_all_commands():
    options = check_unique(cases())
    assert len(options) >= 400
    assert len({case.command for case in options}) == 10


def test_times_are_no_part_of_a_result(tmp_path):
    (tmp_path / "a.csv").write_text("epoch,seconds,loss\n0,1.5,0.5\n0,1.7,0.4\n")
    assert of_csv(tmp_path / "a.csv") == [{"epoch": "0", "loss": "0.4"}]
    assert difference({"a": 1}, {"a": 1}) == ""
    assert difference({"a": 1}, {"a": 2}) == "a differs"
