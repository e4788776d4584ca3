"""From the folders of runs to one tidy table; records that are damaged or must not be compared are refused."""

import json

import numpy as np
import pytest

from ptycho_bench.benchmark.collect import collect
from ptycho_bench.benchmark.run import convergence_epochs
from ptycho_bench.records.costs import profile_key
from tests.benchmark.samples import BENCHMARK, PLAN, change, record, vary, write_run


def collected(outputs):
    return collect(outputs / PLAN, outputs)


def test_the_table_has_a_line_for_each_run_and_metric(outputs):
    frame = collected(outputs).frame
    assert list(frame.columns) == [
        "group", "row", "value", "seed", "metric", "number", "constant", "block_low", "block_high",
        "status", "reason", "folder", "choices", "epochs", "commit", "data", "machine", "seconds", "not_learned",
        "command", "leak_patches", "leak_field", "leak_scored",
    ]  # fmt: skip
    assert len(frame) == 9 * 3
    first = frame.iloc[0]
    assert (first["row"], first["seed"], first["metric"], first["status"]) == ("first", 0, "phase_psnr_db", "done")
    assert first["number"] == pytest.approx(21.0, abs=0.05)
    assert first["choices"] == "input=log1p phase=scaled model=w3" and first["epochs"] == "4"
    assert (first["commit"], first["data"], first["machine"], first["seconds"]) == (
        "c" * 10,
        "d" * 10,
        "a processor",
        "12",
    )


def test_a_line_has_the_constant_guess_the_interval_the_leakage_and_the_command(outputs):
    frame = collected(outputs).frame
    first, second = frame.iloc[0], frame.iloc[1]
    assert (first["constant"], first["command"], first["not_learned"]) == (12.0, "ptycho-train seed=0", "")
    assert [first["block_low"], first["block_high"]] == pytest.approx([first["number"] - 0.5, first["number"] + 0.5])
    assert first[["leak_patches", "leak_field", "leak_scored"]].tolist() == [0.3, 0.2, 0.1]
    assert second["metric"] == "phase_ssim"
    assert second[["constant", "block_low", "block_high"]].isna().all()
    missing = frame[frame["status"] == "missing"].iloc[0]
    assert missing[["number", "constant", "block_low", "leak_field"]].isna().all()
    assert (missing["not_learned"], missing["command"]) == ("", "ptycho-train seed=1")
    assert not {"metric", "number", "constant", "block_low", "block_high"} & set(collected(outputs).runs)


@pytest.mark.parametrize(
    ("found", "text"),
    [([], ""), (None, ""), (["phase"], "phase"), (["amplitude", "phase"], "amplitude and phase")],
)
def test_what_a_run_did_not_learn_is_one_text(outputs, found, text):
    file = outputs / "runs/benchmark/first-s0/results.json"
    change(file, metrics={**json.loads(file.read_text())["metrics"], "not_learned": found})
    assert collected(outputs).runs["not_learned"].iloc[0] == text


def test_means_over_patches_have_their_own_constant_guess_and_no_interval(outputs):
    change(outputs / PLAN, benchmark={**BENCHMARK, "part": "patch_mean"})
    first = collected(outputs).frame.iloc[0]
    assert first["constant"] == 13.0 and np.isnan(first["block_low"])


def test_a_shortened_training_has_no_epochs_to_converge(outputs):
    def epochs():
        frame = collected(outputs).frame
        return frame.loc[frame["metric"] == "convergence_epochs", "number"]

    assert epochs().iloc[0] == 2
    change(outputs / PLAN, epochs=4)
    assert epochs().isna().all()


def test_an_unfinished_run_has_a_status_and_no_numbers(outputs):
    runs = collected(outputs).runs.set_index("folder")
    assert runs.loc["runs/benchmark/third-s0", ["status", "reason"]].tolist() == [
        "failed", "ValueError: training diverged"
    ]  # fmt: skip
    assert runs.loc["runs/benchmark/third-s1", ["status", "reason", "choices", "seconds"]].tolist() == [
        "missing",
        "",
        "",
        "",
    ]
    frame = collected(outputs).frame
    assert frame.loc[frame["row"] == "third", "number"].isna().all()


def test_lines_follow_the_order_of_the_table_and_values_stay_as_they_are_written(outputs):
    vary(outputs, [1e6, 100])
    frame = collected(outputs).frame
    assert list(dict.fromkeys(zip(frame["value"], frame["row"], strict=True)))[:4] == [
        (1e6, "first"), (1e6, "second & last"), (1e6, "third"), (100, "first")
    ]  # fmt: skip
    assert set(map(str, frame["value"])) == {"1000000.0", "100"}


def test_the_part_of_the_metrics_is_that_of_the_benchmark(outputs):
    stitched = collected(outputs).frame["number"].iloc[0]
    change(outputs / PLAN, benchmark={**BENCHMARK, "part": "patch_mean"})
    assert collected(outputs).frame["number"].iloc[0] == pytest.approx(stitched - 1)


COSTS = {"parameters_mib": "lower", "seconds_per_epoch": "lower", "seconds": "lower", "gflops": "lower"}


def without_paper(rows):
    return [{key: value for key, value in row.items() if key != "paper"} for row in rows]


def write_profile(outputs, name, **content):
    (outputs / "profiles" / name).mkdir(parents=True)
    (outputs / "profiles" / name / "results.json").write_text(json.dumps(content))


def test_costs_come_from_the_training_and_from_the_profile_of_the_same_size(outputs):
    change(outputs / PLAN, benchmark={**BENCHMARK, "metrics": COSTS, "rows": without_paper(BENCHMARK["rows"])})
    key = profile_key(record(1, 1, seed=0), "cpu")
    assert key == "w3-log1p-scaled-32-cpu"
    for number, (parameters, gflops) in enumerate(((5, 9.0), (2**20, 0.25))):
        write_profile(outputs, f"{key}-{number}", key=key, parameters=parameters, gflops=gflops)
    change(outputs / "runs/benchmark/first-s0/results.json", inference={"seconds": 0.5})
    numbers = collected(outputs).frame.set_index("metric").iloc[:4]["number"]
    assert numbers.to_dict() == {"parameters_mib": 8.0, "seconds_per_epoch": 3.0, "seconds": 0.5, "gflops": 0.25}


def test_a_size_that_no_record_names_is_missing(outputs):
    change(outputs / PLAN, benchmark={**BENCHMARK, "metrics": COSTS, "rows": without_paper(BENCHMARK["rows"])})
    change(outputs / "runs/benchmark/first-s0/results.json", training={"parameters": 2**20, "epochs": 4})
    assert np.isnan(collected(outputs).frame["number"].iloc[0])


def test_a_reference_and_a_solver_have_the_metrics_of_a_network_and_no_cost_but_their_seconds(outputs):
    references = [
        {"label": "mean", "reference": {"predictor": "training_mean"}},
        {"label": "ePIE", "solve": {"solver": "epie"}},
    ]
    folders = {"mean": "runs/benchmark/first-s0/tests/mean", "ePIE": "solved/benchmark/x"}
    found = record(9.0, 0.1, seed=0)
    kept = {key: found[key] for key in ("data", "metrics", "environment")}
    write_run(
        outputs / folders["mean"], {**kept, "inference": {"seconds": 0.25, "device": "cpu"}}, np.random.default_rng(0)
    )
    write_run(outputs / folders["ePIE"], {**kept, "seconds": 3.0, "device": "cpu"}, np.random.default_rng(0))
    plan = json.loads((outputs / PLAN).read_text())
    cells = [{"group": "", "row": row, "value": None, "seed": None, "folder": name} for row, name in folders.items()]
    metrics = {**COSTS, "convergence_epochs": "lower", "phase_ssim": "higher"}
    rows = without_paper([*BENCHMARK["rows"], *references])
    change(outputs / PLAN, benchmark={**BENCHMARK, "rows": rows, "metrics": metrics}, cells=[*plan["cells"], *cells])
    frame = collected(outputs).frame.set_index(["row", "metric"])["number"]
    for row, seconds in (("mean", 0.25), ("ePIE", 3.0)):
        assert frame[row].dropna().to_dict() == {"seconds": seconds, "phase_ssim": 0.1}
    runs = collected(outputs).runs.set_index("row")
    assert runs.loc["ePIE", ["epochs", "seconds", "choices"]].tolist() == ["", "3", ""]


def test_runs_whose_data_take_the_seed_are_compared_seed_by_seed(outputs):
    for row in ("first", "second"):
        change(outputs / f"runs/benchmark/{row}-s1/results.json", data={"content_hash": "e" * 64})
    with pytest.raises(ValueError, match="differ in their data"):
        collected(outputs)
    change(outputs / PLAN, benchmark={**BENCHMARK, "seeded": ["data.seed"]})
    assert len(collected(outputs).runs) == 9
    change(outputs / "runs/benchmark/first-s1/results.json", data={"content_hash": "f" * 64})
    with pytest.raises(ValueError, match="first-s1 and runs/benchmark/second-s1 differ in their data"):
        collected(outputs)


def test_a_test_of_a_network_takes_its_training_from_the_folder_of_the_run(outputs):
    folder = "runs/benchmark/first-s0/tests/curved"
    found = record(5.0, 0.4, seed=0)
    tested = {key: found[key] for key in ("data", "metrics")} | {"inference": {"seconds": 2.0}}
    write_run(outputs / folder, tested, np.random.default_rng(0))
    cells = json.loads((outputs / PLAN).read_text())["cells"]
    change(outputs / PLAN, cells=[{**cells[0], "folder": folder}, *cells[1:]])
    run = collected(outputs).runs.iloc[0]
    assert (run["epochs"], run["seconds"], run["machine"]) == ("4", "12", "a processor")


@pytest.mark.parametrize(
    ("changes", "plan", "message"),
    [
        ({"data": {"content_hash": "e" * 64}}, {}, "differ in their data, dddddddddd and eeeeeeeeee"),
        ({"metrics": {"protocol_version": 2}}, {}, "differ in their protocol version, 1 and 2"),
        ({}, {"epochs": 3}, "has 4 epochs in a table of 3"),
    ],
)
def test_runs_that_were_not_measured_alike_do_not_share_a_table(outputs, changes, plan, message):
    change(outputs / "runs/benchmark/first-s1/results.json", **changes)
    change(outputs / PLAN, **plan)
    with pytest.raises(ValueError, match=message):
        collected(outputs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "has no metrics, so it is not the record of a run; delete it and repeat the run"),
        ('"metrics"', "has no metrics"),
        ('{"metrics": 3}', "has no metrics"),
        ("[" * 100_000, "has no metrics"),
        ('{"metrics": {"stitched": []}}', "metrics.stitched must be a mapping, got []"),
        ('{"metrics": {"stitched": {"phase_ssim": "x"}}}', "metrics.stitched.phase_ssim must be a number, got 'x'"),
        ('{"metrics": {}, "training": {"epochs": true}}', "training.epochs must be a number, got True"),
        ('{"metrics": {}, "data": {"content_hash": 3}}', "data.content_hash must be text, got 3"),
        ('{"metrics": {}, "data": {"content_hash": ["x"]}}', "data.content_hash must be text, got ['x']"),
        ('{"metrics": {}, "choices": 3}', "choices must be a mapping, got 3"),
        ('{"metrics": {}, "environment": {"git": []}}', "environment.git must be a mapping, got []"),
        ('{"metrics": {"not_learned": ["x"]}}', "metrics.not_learned must be a list of amplitude and phase, got ['x']"),
        ('{"metrics": {"constant": 3}}', "metrics.constant must be a mapping, got 3"),
        (
            '{"metrics": {"interval": {"stitched": {"phase_ssim": [1, "x"]}}}}',
            "metrics.interval.stitched.phase_ssim must be two numbers, got [1, 'x']",
        ),
        ('{"metrics": {}, "split": {"leakage": {"field": "x"}}}', "split.leakage.field must be a number, got 'x'"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line_that_names_the_file(outputs, text, message):
    (outputs / "runs/benchmark/first-s0/results.json").write_text(text)
    with pytest.raises(ValueError, match=r"first-s0/results\.json") as error:
        collected(outputs)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("number", ["1e300", "-1e300", "1" * 400, "true"])
def test_a_number_that_no_table_can_show_is_refused(outputs, number):
    file = outputs / "runs/benchmark/first-s0/results.json"
    file.write_text(f'{{"metrics": {{"stitched": {{"phase_psnr_db": {number}}}}}}}')
    with pytest.raises(ValueError, match=r"first-s0/results\.json: metrics\.stitched\.phase_psnr_db must be a number"):
        collected(outputs)


def test_an_infinite_number_counts_as_missing(outputs):
    file = outputs / "runs/benchmark/first-s0/results.json"
    file.write_text('{"metrics": {"stitched": {"phase_psnr_db": Infinity, "phase_ssim": 0.5}}}')
    numbers = collected(outputs).frame["number"]
    assert np.isnan(numbers[0]) and numbers[1] == 0.5


def test_texts_of_a_run_are_one_short_line(outputs):
    (outputs / "runs/benchmark/third-s0/error.txt").write_text("Traceback\n" * 10**5 + "ValueError: " + "x" * 10**5)
    record = json.loads((outputs / "runs/benchmark/first-s0/results.json").read_text())
    record["environment"]["processor"], record["choices"]["model"] = "a\n\nb", "x" * 10**5
    (outputs / "runs/benchmark/first-s0/results.json").write_text(json.dumps(record))
    runs = collected(outputs).runs
    assert runs["machine"].iloc[0] == "a b" and len(runs["choices"].iloc[0]) == 300
    assert runs["reason"].map(len).max() == 300


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "epoch,val_total\nx,1\n", "epoch,val_total\n1,1,1,1\n"])
def test_a_damaged_table_of_losses_is_named(outputs, text):
    (outputs / "runs/benchmark/first-s0/metrics.csv").write_text(text)
    with pytest.raises(ValueError, match=r"first-s0/metrics\.csv is no table of losses; delete the run's folder"):
        collected(outputs)


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, '{"key": 3}'])
def test_a_damaged_profile_is_named(outputs, text):
    (outputs / "profiles/x").mkdir(parents=True)
    (outputs / "profiles/x/results.json").write_text(text)
    with pytest.raises(ValueError, match=r"profiles/x/results\.json[^\n]*$"):
        collected(outputs)


def test_a_number_that_is_null_counts_as_missing(outputs):
    file = outputs / "runs/benchmark/first-s0/results.json"
    change(file, metrics={"protocol_version": 1, "stitched": {"phase_psnr_db": None, "phase_ssim": 0.5}})
    numbers = collected(outputs).frame["number"]
    assert np.isnan(numbers[0]) and numbers[1] == 0.5


def test_convergence_is_within_one_percent_of_the_best_loss_also_if_losses_are_negative(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,val_total\n0,-0.5\n1,-0.895\n2,-0.9\n1,-0.7\n")
    assert convergence_epochs(tmp_path) == 3
    (tmp_path / "metrics.csv").write_text("epoch,val_total\n0,1.0\n1,0.502\n2,0.5\n3,0.6\n")
    assert convergence_epochs(tmp_path) == 2
    (tmp_path / "metrics.csv").write_text("epoch,val_total\n")
    assert convergence_epochs(tmp_path) is None
    assert convergence_epochs(tmp_path / "none") is None
