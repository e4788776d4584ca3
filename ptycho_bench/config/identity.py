"""What determines a data set and a run, as hashes. Imports neither torch nor Lightning: a skip must be quick."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ptycho_bench.config.scans import names_file, scan_choices
from ptycho_bench.config.streaming import streams
from ptycho_bench.data.errors import DataError
from ptycho_bench.data.versions import FORMAT_VERSION, PROTOCOL_VERSION, SIMULATION_VERSION, TRAINING_VERSION

SCHEMA = 3  # raise it when a checkpoint of before can no longer be read
# keys of the root that do not change a result by more than rounding; of the trainer, precision does
NOT_RESULT = (
    "outputs_dir", "data_root", "study", "overwrite", "pictures", "logger", "trainer", "data", "noise", "cache_mb",
)  # fmt: skip


def sha256(value: object) -> str:
    """Hash of plain data, the same on every machine; 1 and 1.0 are one number."""
    return hashlib.sha256(json.dumps(canonical(value), sort_keys=True).encode()).hexdigest()


def canonical(value: object) -> object:
    """Plain data in which a whole number is an int however it was written."""
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def file_hash(path: str) -> str:
    """Hash of a file's bytes.

    Raises:
        DataError: no such file.
    """
    if not Path(path).is_file():
        raise DataError(f"no file {path}; mend the path, or set data_root=FOLDER (or PTYCHO_DATA), where data sets lie")
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def with_file_hashes(node: object, source: str | None = None) -> object:
    """Plain data in which every *_path is replaced by the hash of that file's content, and sources are left out."""
    if not isinstance(node, dict):
        return node
    source = node.get("source") or source
    result = {}
    for key, value in node.items():
        if key.endswith("_path") and value is not None:
            try:
                result[key] = file_hash(value)
            except DataError as error:
                raise DataError(f"{error}{f' (it comes from {source})' if source else ''}") from error
        elif key != "source":
            result[key] = with_file_hashes(value, source)
    return result


def stored_hash(path: str) -> str:
    """Content hash a data file carries; of one that carries none, the hash of its bytes."""
    import h5py

    try:
        with h5py.File(path, "r") as handle:
            stored = handle.attrs["content_hash"]
            return stored.decode() if isinstance(stored, bytes) else str(stored)
    except (OSError, KeyError):
        return file_hash(path)


def data_hash(cfg: DictConfig) -> str:
    """Hash of what is trained on: that of the one scan, or over those of several, in order.

    Raises:
        ValueError: the same scan twice.
    """
    named = [(choice.words, scan_hash(choice.cfg)) for choice in scan_choices(cfg)]
    refuse_twice(named)
    hashes = [digest for _, digest in named]
    return sha256(hashes) if len(hashes) > 1 else hashes[0]


def refuse_twice(named: Iterable[tuple[str, str]]) -> None:
    """Raise ValueError where two scans, each given by what names it and by its hash, are the same."""
    known: dict[str, str] = {}
    for words, digest in named:
        if digest in known:
            raise ValueError(f"{words} is the same scan as {known[digest]}; name each scan once")
        known[digest] = words


def scan_hash(cfg: DictConfig) -> str:
    """Hash of what a scan is made from: object, probe, scan, noise, the code's versions; or of the given file."""
    if names_file(cfg):
        return stored_hash(cfg.data.file_path)
    data = OmegaConf.to_container(cfg.data, resolve=True)
    data.pop("name")
    noise = OmegaConf.to_container(cfg.noise, resolve=True)
    return sha256([with_file_hashes(data), noise, FORMAT_VERSION, SIMULATION_VERSION])


def run_hash(cfg: DictConfig) -> str:
    """Hash of what determines a run's result."""
    root = OmegaConf.to_container(cfg, resolve=True)
    result = {key: value for key, value in root.items() if key not in NOT_RESULT}
    result["precision"] = root["trainer"]["precision"]
    if len(scan_choices(cfg)) == 1:
        del result["scaling"]  # joint and own are one
    if streams(cfg):
        result["streamed"] = True  # the training samples come in another order
    return sha256([SCHEMA, TRAINING_VERSION, PROTOCOL_VERSION, data_hash(cfg), result])


def run_name(cfg: DictConfig, choices: dict[str, str], identity: str) -> str:
    """Folder name of a run: model-loss-s<seed>-<hash>."""
    return f"{choices['model']}-{choices['loss']}-s{cfg.seed}-{identity[:10]}"
