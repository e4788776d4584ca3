"""Build an `ImportSpec` from a configuration, for ptycho-import, ptycho-inspect and ptycho-reconstruct."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from omegaconf import DictConfig, OmegaConf

from ptycho_bench.config.build import build
from ptycho_bench.config.description import KIND, Plain, describe
from ptycho_bench.formats.geometry import Geometry
from ptycho_bench.formats.patterns import PatternOptions
from ptycho_bench.formats.positions import PositionOptions
from ptycho_bench.formats.raw_scan import Reader

OPTIONS = ("geometry", "patterns", "positions")


@dataclass(frozen=True, kw_only=True)
class ImportSpec:
    """Settings for reading files of another project.

    Args:
        files: names of the files of one scan, wildcards allowed.
        reader: of the named format; None: the first format that recognises the files.
        geometry: values of the geometry that are not in the files.
        patterns: how patterns are cropped, binned and masked.
        positions: how positions are oriented and selected.
        described: descriptions of the reader and the options, which determine the imported scan.
    """

    files: tuple[str, ...]
    reader: Reader | None
    geometry: Geometry
    patterns: PatternOptions
    positions: PositionOptions
    described: Plain


def import_spec(cfg: DictConfig) -> ImportSpec:
    """Build an `ImportSpec`.

    Args:
        cfg: has `files`, `format` and the values of conf/import_options.

    Raises:
        ValueError: If an option is impossible.
    """
    described = [describe(cfg[name]) for name in ("format", *OPTIONS)]
    reader, geometry, patterns, positions = described
    return ImportSpec(
        files=tuple(str(file) for file in cfg.files),
        reader=build(reader) if KIND in reader else None,
        geometry=build(geometry),
        patterns=build(patterns),
        positions=build(positions),
        described=described,
    )


def compose_import(names: Sequence[str], overrides: Sequence[str]) -> ImportSpec:
    """Compose the configuration of ptycho-import for some files, check it and build its `ImportSpec`."""
    import hydra

    from ptycho_bench.config.command_line import hydra_words
    from ptycho_bench.config.options import check_options
    from ptycho_bench.config.overrides import quoted

    words = [f"files=[{','.join(map(quoted, names))}]", *hydra_words(list(overrides))]
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        cfg = hydra.compose("import", words)
    check_options(cfg, "import", {})
    return import_spec(cfg)


def import_overrides(overrides: Sequence[str]) -> list[str]:
    """Return the words of a command line that are import options."""
    groups = ("format", "import_options", *OPTIONS)
    return [word for word in overrides if word.lstrip("+~").partition("=")[0].partition(".")[0] in groups]


def packaged_readers() -> dict[str, Reader]:
    """Return the reader of each format of conf/format that needs no further values, by name."""
    conf = files("ptycho_bench.conf") / "format"
    yaml = sorted((file for file in conf.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    nodes = {file.name.removesuffix(".yaml"): OmegaConf.create(file.read_text()) for file in yaml}
    complete = {name: node for name, node in nodes.items() if "_target_" in node and not OmegaConf.missing_keys(node)}
    return {name: build(node) for name, node in complete.items()}
