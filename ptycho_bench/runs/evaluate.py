"""Score a trained network on a scan, and record the result."""

from ptycho_bench.config.checkpoint import KEY, SCHEMA, restore_network
from ptycho_bench.config.evaluation import EvaluationSpec
from ptycho_bench.config.identity import sha256
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.store import stream_scan
from ptycho_bench.data.summary import scan_record
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.records.owned import check_owner
from ptycho_bench.records.recording import recording
from ptycho_bench.records.run_folder import RunFolder
from ptycho_bench.runs.references import Reference, reference_for
from ptycho_bench.runs.region import common_rectangle, points_of
from ptycho_bench.runs.score import Scored, evaluate_scan, print_scored, scores_record, training_ranges
from ptycho_bench.runs.score_files import draw_scored, write_scored

COMMAND = "ptycho-evaluate"


def evaluate(spec: EvaluationSpec) -> float | None:
    """Score the checkpoint's network, or a reference predictor in its place.

    Args:
        spec: settings of the evaluation.

    Returns:
        PSNR of the stitched phase, dB; None if another process is already writing this evaluation.

    Raises:
        ValueError: If the region contains no patch, or the folder contains anything else than this evaluation.
        DataError: If the scan cannot be used.
    """
    if spec.folder is not None:
        check_owner(spec.folder, COMMAND)
    description = spec.checkpoint[KEY]
    scan = spec.scan.load(stream_scan, lambda line: print(line, flush=True))
    if spec.as_trained and scan.content_hash not in {one["content_hash"] for one in description["test"]}:
        print(f"note: {spec.scan.words} is not the scan that the network was trained on (its content hash differs)")
    points = points_of(scan, spec.region, description["test"], spec.scan.name)
    rectangle = common_rectangle(scan, spec.region, description["test"], spec.scan.name)
    predictor = predictor_for(spec, scan)
    what = sha256([spec.identity, scan.content_hash])[:10]
    label = spec.scan.name if spec.predictor == "network" else f"{spec.scan.name}-{spec.predictor}"
    named = spec.outputs_dir / "evaluations" / description["run"] / f"{label}-{what}"
    folder = RunFolder(spec.folder or named, COMMAND)
    title = f"{title_of(spec)} on {spec.scan.name}, {spec.region}"
    with recording(folder, spec.text, request=what, overwrite=spec.overwrite or spec.folder is None) as machine:
        if machine is None:
            return None
        scored = evaluate_scan(
            predictor, scan, points, name=spec.scan.name, protocol=spec.protocol, stitching=spec.stitching,
            scaling=training_ranges(description, scan, spec.protocol), rectangle=rectangle, batch_size=spec.batch_size,
        )  # fmt: skip
        write_scored(folder.path, [scored])
        if spec.pictures:
            draw_scored(folder.path / "pictures", [scored], title)
        folder.finish(evaluation_record(spec, scan, scored, machine))
    print_scored([scored], title)
    print(f"-> {folder.path}", flush=True)
    return scored.result.stitched["phase_psnr_db"]


def predictor_for(spec: EvaluationSpec, scan: PtychoScan) -> PtychoNetwork | Reference:
    """Return the trained network or the reference predictor, on its device."""
    if spec.predictor != "network":
        return reference_for(spec, scan)
    return restore_network(spec.checkpoint, scan.content_hash).to(spec.device)


def title_of(spec: EvaluationSpec) -> str:
    """Return what is scored, for the title of tables and pictures."""
    run = spec.checkpoint[KEY]["run"]
    return run if spec.predictor == "network" else f"{spec.predictor} of {run}"


def evaluation_record(spec: EvaluationSpec, scan: PtychoScan, scored: Scored, machine: dict) -> dict:
    """Return the content of results.json of an evaluation."""
    return {
        "schema": SCHEMA,
        "run": spec.checkpoint[KEY]["run"],
        "checkpoint": spec.checkpoint_path,
        "predictor": spec.predictor,
        "region": spec.region,
        "data": scan_record(spec.scan.name, scan),
        "environment": machine,
        **scores_record(spec.protocol, spec.stitching, [scored]),
    }
