"""Bad files of this project and of others: damaged, of another kind, impossible, or far too large."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tests.campaign import scans
from tests.campaign.bench import PLAIN, SWEEP, TRAINING, Bench
from tests.campaign.case import REFUSED, Case, accepted
from tests.campaign.damage import ANY
from tests.campaign.formats import FOREIGN
from tests.campaign.signing import change_scan

KIND = "files"
SOLVE = ("scan.h5", "solver=epie", "solver.iterations=2", *PLAIN)
TRAIN_ON = ("data=file", "data.file_path=scan.h5", *TRAINING, "recipe.epochs=1")
PLAN = "outputs/benchmarks/small/plan.json"
OWN = {  # what is read: file, command, words, samples
    "scan": ("scan.h5", "reconstruct", SOLVE, ("scan",)),
    "checkpoint": ("best.ckpt", "reconstruct", ("scan.h5", "best.ckpt", *PLAIN), ("scan", "network")),
    "onnx": ("best.onnx", "reconstruct", ("scan.h5", "best.onnx", *PLAIN), ("scan", "onnx")),
    "plan": (PLAN, "report", ("benchmark=small", "figures=false"), ("swept",)),
    "benchmark": ("conf/benchmark/small.yaml", "sweep", (*SWEEP, "--dry-run"), ("benchmark",)),
}


def cases() -> Iterator[Case]:
    """Return the cases."""
    for name, (file, command, words, needs) in OWN.items():
        for damage, change in ANY.items():
            yield Case(KIND, f"{name}: {damage}", command, words, needs, applied(file, change))
    for number, name in enumerate(FOREIGN):
        for place, (damage, change) in enumerate(ANY.items()):
            command = ("import", "inspect")[(number + place) % 2]
            yield foreign_case(command, f"{name}: {damage}", name, change)
    yield from of_own_scans()
    for structure, change in scans.STRUCTURES.items():
        found = foreign_case("import", f"cxi: {structure}", "cxi", in_hdf5(change, "entry_1/data_1/data"))
        yield replace(found, expected=expected_of(structure))


def applied(file: str, change: Callable[[Path], object]) -> Callable[[Bench, Path], None]:
    """Return a preparation that changes one file of the sandbox."""

    def prepare(bench: Bench, work: Path) -> None:
        change(work / file)

    return prepare


def foreign_case(command: str, name: str, kind: str, change: Callable[[Path], object]) -> Case:
    """Return a case with a changed file of another program."""
    foreign = FOREIGN[kind]

    def prepare(bench: Bench, work: Path) -> None:
        foreign.write(work / foreign.file)
        change(work / foreign.file)

    words = (*foreign.words, *(("out=outputs/scan.h5",) if command == "import" else ()))
    return Case(KIND, name, command, words, prepare=prepare, places=(".",))


def in_hdf5(change: Callable, *names: str) -> Callable[[Path], None]:
    """Return a change of an HDF5 file from a change of its open handle."""
    import h5py

    def applied_to(path: Path) -> None:
        with h5py.File(path, "r+") as handle:
            change(handle, *names)

    return applied_to


def of_own_scans() -> Iterator[Case]:
    """Return cases with files of this project whose content hash fits, is missing, or cannot be computed."""
    readers = (("reconstruct", SOLVE), ("train", TRAIN_ON), ("inspect", ("scan.h5",)))
    for number, (name, change) in enumerate(scans.own_values().items()):
        command, words = readers[number % len(readers)]
        expected = accepted(REFUSED) if name == "origin of commands" else frozenset({REFUSED})
        yield Case(KIND, f"scan: {name}", command, words, ("scan",), signed(change), expected=expected)
    for number, (name, change) in enumerate(scans.STRUCTURES.items()):
        command, words = readers[number % len(readers)]
        damage = applied("scan.h5", in_hdf5(change, "diffraction"))
        yield Case(KIND, f"scan: {name}", command, words, ("scan",), damage, expected=expected_of(name), places=(".",))
    for command, words in readers:
        damage = applied("scan.h5", in_hdf5(without_hash))
        yield Case(KIND, "scan: no hash", command, words, ("scan",), damage)


def expected_of(structure: str) -> frozenset[str]:
    """Return the verdicts that are right for a structure; one that stores the same values may be read."""
    return accepted(REFUSED) if structure == "large chunk" else frozenset({REFUSED})


def without_hash(handle) -> None:
    del handle.attrs["content_hash"]


def signed(change: Callable) -> Callable[[Bench, Path], None]:
    """Return a preparation that changes the scan and stores the content hash that fits."""

    def prepare(bench: Bench, work: Path) -> None:
        change_scan(bench, work / "scan.h5", change)

    return prepare
