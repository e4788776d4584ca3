"""ptycho-simulate: write one data set."""

from omegaconf import DictConfig

from ptycho_bench.cli.entry import run_command


def task(cfg: DictConfig) -> None:
    """Simulate the named data set into `out`, or into the cache ptycho-train looks in."""
    from ptycho_bench.cli.datasets import cached_path, describe, simulate
    from ptycho_bench.data.store import write_scan

    if "file_path" in cfg.data:
        raise ValueError("data=file names a file that exists; to simulate, choose another data set")
    path = cfg.out or cached_path(cfg)
    scan = write_scan(path, simulate(cfg))
    print(f"{path}: {describe(scan)}")


def main() -> None:
    """Entry point."""
    run_command(task, "simulate")


if __name__ == "__main__":
    main()
