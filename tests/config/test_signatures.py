"""Signatures that are read from source files are those of the imported classes."""

import inspect
import subprocess
import sys
import typing

import pytest

from ptycho_bench.config.registry import attribute, shipped_classes
from ptycho_bench.config.signatures import parameters
from ptycho_bench.config.values import bare, is_checked, kinds_of

PATHS = sorted({path for classes in shipped_classes().values() for path in classes.values()})
OWN = [path for path in PATHS if path.startswith("ptycho_bench")]


@pytest.mark.parametrize("path", PATHS)
def test_the_parameters_are_those_of_the_imported_class(path):
    found = parameters(path)
    assert list(found) == list(inspect.signature(attribute(path)).parameters)


@pytest.mark.parametrize("path", OWN)
def test_plain_values_have_the_same_types_and_bounds_as_in_the_imported_class(path):
    real = inspect.signature(attribute(path)).parameters
    for name, annotation in parameters(path).items():
        expected = real[name].annotation
        if all(map(is_checked, kinds_of(expected))):
            assert described(annotation) == described(expected), name


def described(annotation: object) -> object:
    """Return an annotation as plain values, so that two of them can be compared."""
    if typing.get_origin(annotation) is typing.Annotated:
        return described(bare(annotation)), [vars(item) for item in annotation.__metadata__]
    parts = [described(part) for part in typing.get_args(annotation)]
    return (typing.get_origin(annotation), parts) if parts else annotation


def test_a_class_that_takes_any_argument_or_does_not_exist_has_no_parameters():
    assert parameters("torch.optim.Adma") is None
    assert parameters("no_such_package.Net") is None


def test_types_of_a_trusted_package_are_checked_only_where_python_knows_them(tmp_path, monkeypatch):
    (tmp_path / "sizednets.py").write_text(
        "Size = int\n\nclass Net:\n    def __init__(self, *, width: int, size: Size) -> None: ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert parameters("sizednets.Net") == {"width": int, "size": typing.Any}


def test_reading_signatures_imports_nothing():
    code = f"import sys; from ptycho_bench.config.signatures import parameters\nfor p in {PATHS!r}: parameters(p)\n"
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
