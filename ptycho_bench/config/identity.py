"""Hashes of what determines a scan or a run. Imports neither torch nor Lightning, so that skipping a run is quick.

An identity contains a protocol version, the stable name of each class (see `registry`) and the values that differ from
`NEUTRAL`. Moving a module changes no identity. Neither does a new option whose default changes nothing: give it that
default here.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ptycho_bench.config.description import KIND, PARTIAL, Plain
from ptycho_bench.data.errors import DataError
from ptycho_bench.data.fetch import fetch_words
from ptycho_bench.data.versions import PROTOCOL_VERSION, SIMULATION_VERSION
from ptycho_bench.records.costs import profile_key

RUN = "run"
# Values that add nothing to an identity, by the name of the class or RUN. Add options that are introduced after this
# protocol version, each with the value that leaves results unchanged.
NEUTRAL: dict[str, dict[str, Plain]] = {
    RUN: {"scaling": "joint", "ranges": "training", "precision": "32-true", "streamed": False},
    "MetricProtocol": {"scaled_by": "auto"},
}
GROUPS = (  # choices that change results
    "split", "input", "amplitude", "phase", "loss", "recipe", "model", "metrics", "stitch"
)  # fmt: skip


def sha256(value: Plain) -> str:
    """Return the hash of plain data, which is the same on every machine; 1 and 1.0 count as one number."""
    return hashlib.sha256(json.dumps(canonical(value), sort_keys=True).encode()).hexdigest()


def canonical(value: Plain) -> Plain:
    """Return plain data in which each whole number is an int."""
    if isinstance(value, Mapping):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def deviations(described: Plain) -> Plain:
    """Return a description without the values that `NEUTRAL` lists and without the flag `partial`."""
    if isinstance(described, list):
        return [deviations(item) for item in described]
    if not isinstance(described, Mapping):
        return described
    neutral = NEUTRAL.get(described.get(KIND, ""), {})
    kept = {key: deviations(value) for key, value in described.items() if key != PARTIAL}
    return {key: value for key, value in kept.items() if key not in neutral or canonical(value) != neutral[key]}


def file_hash(path: str | Path) -> str:
    """Return the hash of a file's bytes.

    Raises:
        DataError: If there is no such file.
    """
    if not Path(path).is_file():
        raise DataError(no_file(path))
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def no_file(path: str | Path) -> str:
    """Return the message for a missing file."""
    return f"no file {path}; check the path, or set data_root=FOLDER (or PTYCHO_DATA) to the folder of data sets"


def with_file_hashes(described: Plain) -> Plain:
    """Return a description in which each *_path is replaced by the hash of that file's content, without its sources.

    Raises:
        DataError: If a file is missing; the message says how all missing files can be fetched.
    """
    check_files(described)
    return hashed_files(described)


def check_files(described: Plain) -> None:
    """Check that the files exist that a description names.

    Raises:
        DataError: If a file is missing; the message says how all missing files can be fetched.
    """
    missing = [(path, source) for path, source in named_files(described) if not path.is_file()]
    if fetchable := [(path, source) for path, source in missing if source is not None]:
        path, source = fetchable[0]
        raise DataError(f"{no_file(path)} (it comes from {source}); to fetch the data: {fetch_words(fetchable)}")
    if missing:
        raise DataError(no_file(missing[0][0]))


def named_files(described: Plain, source: str | None = None) -> Iterator[tuple[Path, str | None]]:
    """Yield each file that a description names, with the source that it or what contains it gives."""
    if not isinstance(described, Mapping):
        return
    source = described.get("source") or source
    for key, value in described.items():
        if not key.endswith("_path"):
            yield from named_files(value, source)
        elif isinstance(value, str) and value != "???":
            yield Path(value), source


def hashed_files(described: Plain) -> Plain:
    """Return a description with hashes of files in place of their names; see `with_file_hashes`."""
    if not isinstance(described, Mapping):
        return described
    return {
        key: file_hash(value) if key.endswith("_path") and value is not None else hashed_files(value)
        for key, value in described.items()
        if key != "source"
    }


def stored_hash(path: str | Path) -> str:
    """Return the content hash that a data file contains, or the hash of its bytes if it contains none."""
    import h5py

    try:
        with h5py.File(path, "r") as handle:
            stored = handle.attrs["content_hash"]
            return stored.decode() if isinstance(stored, bytes) else str(stored)
    except (OSError, KeyError):
        return file_hash(path)


def simulation_identity(data: Mapping, noise: Mapping) -> str:
    """Return the identity of a simulated scan.

    Args:
        data: description of the object, the probe and the scan.
        noise: description of the detector's noise.
    """
    described = {key: value for key, value in data.items() if key != "name"}
    return sha256([SIMULATION_VERSION, deviations(with_file_hashes(described)), deviations(noise)])


def joint_identity(identities: Sequence[str]) -> str:
    """Return the identity of scans that train as one set; for a single scan, the identity of that scan."""
    return sha256(list(identities)) if len(identities) > 1 else identities[0]


def refuse_repeated(named: Iterable[tuple[str, str]]) -> None:
    """Check that no two scans, each given by the words that name it and its identity, are the same.

    Raises:
        ValueError: If two are.
    """
    known: dict[str, str] = {}
    for words, identity in named:
        if identity in known:
            raise ValueError(f"{words} is the same scan as {known[identity]}; name each scan once")
        known[identity] = words


def run_identity(groups: Mapping[str, Plain], values: Mapping[str, Plain], data: str) -> str:
    """Return the identity of a training run.

    Args:
        groups: description of each of `GROUPS`.
        values: seed, and what `NEUTRAL[RUN]` lists.
        data: identity of the scans.
    """
    described = {group: deviations(groups[group]) for group in GROUPS}
    return sha256([PROTOCOL_VERSION, data, described, deviations({KIND: RUN, **values})])


def run_name(model: str, loss: str, seed: int, identity: str) -> str:
    """Return the name of a run's folder, MODEL-LOSS-sSEED-HASH."""
    return f"{model}-{loss}-s{seed}-{identity[:10]}"


def profile_name(parts: Mapping[str, Plain], choices: Mapping[str, str], size_px: int, device: str) -> str:
    """Return the name of the folder of a profile.

    Args:
        parts: description of model, input, amplitude and phase.
        choices: name of the file taken from each group of conf/.
        size_px: side of a pattern.
        device: `cpu` or `cuda`.
    """
    key = profile_key({"choices": choices, "data": {"pattern_px": size_px}}, device)
    return f"{key}-{sha256([dict(parts), size_px])[:10]}"
