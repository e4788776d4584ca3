"""Run commands in one process that must not import torch: JSON lists of words on stdin, JSON results on stdout."""

import builtins
import importlib
import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout

from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra

MODULES = {"import": "importing", "inspect": "inspecting"}


class TorchWasImported(BaseException):
    """Raised in place of an import of torch; no command catches it."""


def run(name: str, *words: str) -> tuple[object, str]:
    """Run a command; return its exit code, or `torch` if it needed torch, and its error output."""
    GlobalHydra.instance().clear()
    os.environ.pop("HYDRA_FULL_ERROR", None)
    sys.argv = [f"ptycho-{name}", *words]
    err, code = io.StringIO(), 0
    with redirect_stdout(io.StringIO()), redirect_stderr(err):
        try:
            importlib.import_module(f"ptycho_bench.cli.{MODULES.get(name, name)}").main()
        except SystemExit as exit_:
            code = exit_.code
        except TorchWasImported:
            code = "torch"
    return code, err.getvalue()


def guarded(name: str, *arguments: object, **keywords: object) -> object:
    """Import a module other than torch."""
    if name.partition(".")[0] == "torch":
        raise TorchWasImported
    return real_import(name, *arguments, **keywords)


if __name__ == "__main__":
    Hydra.get_mode = lambda *_, **__: None  # composes everything again for hydra.mode alone
    real_import, builtins.__import__ = builtins.__import__, guarded
    print(json.dumps([run(*words) for words in json.load(sys.stdin)]))
