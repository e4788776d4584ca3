"""Score a network that was trained on several scans: each apart, and all together."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import torch

from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.split import SplitScan
from ptycho_bench.evaluation.evaluate import Evaluation, MetricProtocol
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.records.console import print_metrics
from ptycho_bench.records.pictures import draw_losses
from ptycho_bench.records.run_folder import write_table
from ptycho_bench.runs.score import measured_by, score_scan


def score_several(
    network_for: Callable[[PtychoScan], PtychoNetwork],
    scans: Sequence[SplitScan],
    *,
    protocol: MetricProtocol,
    batch_size: int,
    folder: Path,
    title: str,
    pictures: bool,
    rows: list[dict[str, float]] | None,
) -> tuple[dict, dict[str, dict]]:
    """`score_network` on the test points of each of several scans; field and pictures carry its name.

    Args:
        network_for: the trained network, with the scaling that a scan asks for.
        scans: at least two.
        protocol: see `score_network`, as all that follow.
        batch_size: likewise.
        folder: likewise; patches.csv says which scan a patch is of.
        title: likewise.
        pictures: likewise.
        rows: likewise.

    Returns:
        `metrics` and `inference` parts of results.json, over all test patches, the stitched values means over scans;
        and the same by the name of each scan.
    """
    each = {}
    for name, scan, split in scans:
        each[name] = score_scan(
            network_for(scan), scan, split.test, protocol=protocol, batch_size=batch_size, folder=folder,
            suffix=f"_{name}", title=f"{title}, {name}" if pictures else None,
        )  # fmt: skip
        origin = f"{len(split.test)} test patches of {scan.info.origin}"
        print_metrics(f"{title}, {name}: {origin}", each[name].result.summary())
    if pictures and rows:
        draw_losses(folder / "pictures" / "losses.png", rows)
    table = {"scan": [name for name, scored in each.items() for _ in scored.table["point"]]}
    write_table(folder / "patches.csv", table | chained([scored.table for scored in each.values()]))
    summary = pooled([scored.result for scored in each.values()]).summary()
    origin = f"{len(table['scan'])} test patches of {len(each)} scans together"
    print_metrics(f"{title}: {origin}", summary, note="stitched: mean over the scans' fields")
    print(f"-> {folder}", flush=True)
    used = [scored.inference for scored in each.values()]
    inference = {key: sum(one[key] for one in used) for key in ("patterns", "seconds")}
    together = {"metrics": measured_by(protocol, summary), "inference": {**inference, "device": used[0]["device"]}}
    apart = {
        name: {"metrics": measured_by(protocol, scored.result.summary()), "inference": scored.inference}
        for name, scored in each.items()
    }
    return together, apart


def pooled(results: Sequence[Evaluation]) -> Evaluation:
    """Metrics of all patches, and the mean over scans of each stitched value; the fields are the first scan's."""
    first = results[0]
    return first._replace(
        patches={name: torch.cat([result.patches[name] for result in results]) for name in first.patches},
        stitched={name: fmean(result.stitched[name] for result in results) for name in first.stitched},
    )


def chained(tables: Sequence[dict[str, Sequence]]) -> dict[str, list]:
    """Tables of the same columns, one below the other."""
    return {column: [value for table in tables for value in table[column]] for column in tables[0]}
