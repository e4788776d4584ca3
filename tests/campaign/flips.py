"""One bit of a data file, a checkpoint or an exported network is flipped: it is noticed, or the result is the same."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.campaign.bench import CUT, PLAIN, TRAINING, Bench
from tests.campaign.case import REFUSED, Case, accepted

EACH = 100
ON_FILE = ("data=file", "data.file_path=scan.h5")
EVALUATE = ("best.ckpt", *ON_FILE, "pictures=false", "folder=outputs/result")
SOLVE = ("scan.h5", "solver=epie", "solver.iterations=2", *PLAIN)
Reader = tuple[str, tuple[str, ...], tuple[str, ...], str]  # command, words, samples, the file that is flipped
READERS: dict[str, tuple[Reader, ...]] = {
    "flips of data": (
        ("reconstruct", SOLVE, ("scan",), "scan.h5"),
        ("train", (*ON_FILE, *TRAINING, "recipe.epochs=1"), ("scan",), "scan.h5"),
        ("evaluate", EVALUATE, ("scan", "network"), "scan.h5"),
        ("inspect", ("scan.h5", "--out", "made.png"), ("scan",), "scan.h5"),
    ),
    "flips of checkpoints": (
        ("reconstruct", ("scan.h5", "best.ckpt", *PLAIN), ("scan", "network"), "best.ckpt"),
        ("evaluate", EVALUATE, ("scan", "network"), "best.ckpt"),
        ("train", CUT, ("cut",), "outputs/runs/cut/*/last.ckpt"),
        ("export", ("best.ckpt", "out=made.onnx"), ("network",), "best.ckpt"),
    ),
    "flips of exports": (("reconstruct", ("scan.h5", "best.onnx", *PLAIN), ("scan", "onnx"), "best.onnx"),),
}


def cases() -> Iterator[Case]:
    """Return `EACH` cases of each kind of file, whose readers take turns."""
    for kind, readers in READERS.items():
        for number in range(EACH):
            command, words, needs, file = readers[number % len(readers)]
            yield Case(
                kind, f"bit {number} of {EACH}", command, words, needs, flipping(file, number),
                expected=accepted(REFUSED), compare=True, places=("made.png", "made.onnx"),
            )  # fmt: skip


def flipping(pattern: str, number: int) -> Callable[[Bench, Path], None]:
    """Return a preparation that flips a bit in the part of a file with this number."""

    def prepare(bench: Bench, work: Path) -> None:
        (path,) = work.glob(pattern)
        content = bytearray(path.read_bytes())
        rng = random.Random(f"{pattern} {number}")
        place = int((number + rng.random()) / EACH * len(content))
        content[place] ^= 1 << rng.randrange(8)
        path.write_bytes(content)

    return prepare
