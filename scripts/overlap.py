"""Compare a network with ePIE on scans of one object at several overlaps, scored on the network's test region.

python scripts/overlap.py outputs/runs/STUDY/RUN/best.ckpt --csv overlap.csv
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

from ptycho_bench.config.checkpoint import read_checkpoint

BIN = Path(sys.executable).parent
COLUMNS = ("amplitude_ssim", "phase_ssim", "phase_aligned_ssim", "amplitude_psnr_db", "phase_aligned_psnr_db")


def run(*arguments: str) -> None:
    """Run one of the project's commands and show its output."""
    subprocess.run([str(BIN / arguments[0]), *arguments[1:]], check=True)


def reconstruct(scan: Path, outputs: Path, *arguments: str) -> dict:
    """Run ptycho-reconstruct on a scan and return its results.json."""
    run("ptycho-reconstruct", str(scan), *arguments, "frc=false", f"outputs_dir={outputs}")
    folders = (outputs / "reconstructions" / scan.stem).iterdir()
    newest = max(folders, key=lambda folder: folder.stat().st_mtime)
    return json.loads((newest / "results.json").read_text())


def main() -> None:
    """Simulate each overlap, reconstruct it with both methods, and print one row per reconstruction."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--data", default="ltem", help="file of conf/data to simulate")
    parser.add_argument("--overlap", type=float, nargs="+", default=[0.3, 0.6, 0.9])
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--outputs", type=Path, default=Path("outputs/overlap"))
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    top, bottom, left, right = read_checkpoint(arguments.checkpoint)["ptycho_bench"]["test"]["region_px"]
    region = f"region=[{top},{bottom},{left},{right}]"
    rows = []
    for overlap in arguments.overlap:
        scan = arguments.outputs / f"{arguments.data}_{overlap:g}.h5".replace("0.", "")
        run("ptycho-simulate", f"data={arguments.data}", f"data.overlap_ratio={overlap}", f"out={scan}")
        methods = {
            "network": (arguments.checkpoint,),
            "epie": ("solver=epie", f"solver.iterations={arguments.iterations}"),
        }
        for name, choice in methods.items():
            results = reconstruct(scan, arguments.outputs, *choice, region)
            row = {"overlap": overlap, "by": name}
            row |= {"patterns": results["data"]["patterns"], "seconds": results["seconds"]}
            row |= {column: results["metrics"]["stitched"][column] for column in COLUMNS}
            rows.append(row)
            print(json.dumps(row), flush=True)
    if arguments.csv:
        with arguments.csv.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
