"""The recording of one result in a folder that no other process writes."""

from collections.abc import Iterator
from contextlib import contextmanager

from ptycho_bench.records.environment import collect_environment
from ptycho_bench.records.lock import claimed
from ptycho_bench.records.run_folder import RunFolder


@contextmanager
def recording(folder: RunFolder, config: str) -> Iterator[dict | None]:
    """Claim, empty and open a folder while the block computes a result and finishes the folder.

    An exception in the block is written to error.txt.

    Args:
        folder: the folder.
        config: the whole configuration as YAML.

    Yields:
        The environment of this process; None if another process is writing the folder, which a printed line reports.

    Raises:
        ValueError: If the folder has content that no command has written.
        OSError: If the folder cannot be written.
    """
    with claimed(folder.path) as owner:
        if owner is not None:
            print(f"skip: {folder.path} is being written by {owner}")
            yield None
            return
        environment = collect_environment()
        folder.clear()
        folder.open(config, environment)
        try:
            yield environment
        except Exception as error:
            folder.fail(error)
            raise
