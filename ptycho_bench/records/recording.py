"""The recording of one result in a folder that no other process writes."""

from collections.abc import Iterator
from contextlib import contextmanager

from ptycho_bench.records.contents import environment_of
from ptycho_bench.records.environment import collect_environment
from ptycho_bench.records.lock import claimed
from ptycho_bench.records.owned import check_owner
from ptycho_bench.records.run_folder import RunFolder


@contextmanager
def recording(folder: RunFolder, config: str, *, request: str, overwrite: bool) -> Iterator[dict | None]:
    """Claim, empty and open a folder while the block computes a result and finishes the folder.

    If the block fails, the folder is left with error.txt and without an incomplete result.

    Args:
        folder: the folder.
        config: the whole configuration as YAML.
        request: hash of what determines the result.
        overwrite: whether a finished result of another request is replaced; that of the same request always is.

    Yields:
        The environment of this process; None if another process is writing the folder, which a printed line reports.

    Raises:
        ValueError: If the folder contains anything that the command did not write, or another finished result.
        OSError: If the folder cannot be written.
    """
    check_owner(folder.path, folder.command)
    with claimed(folder.path) as owner:
        if owner is not None:
            print(f"skip: {folder.path} is being written by {owner}; this command has done nothing")
            yield None
            return
        found = environment_of(folder.path).get("request", request)  # earlier releases did not record it
        if not overwrite and found != request and folder.results() is not None:
            raise ValueError(
                f"{folder.path} contains the result of another request; overwrite=true replaces it, folder=FOLDER "
                "names another"
            )
        environment = collect_environment()
        folder.clear()
        folder.open(config, environment, request)
        try:
            yield environment
        except BaseException as error:
            folder.fail(error)
            raise
