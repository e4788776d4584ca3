"""Payloads of hostile files: each would create a file, whose presence shows that code ran."""

import pickle

from tests.campaign.sandbox import EXECUTED

COMMAND = f"touch {EXECUTED}"


class Payload:
    """An object whose unpickling runs a command."""

    def __reduce__(self):
        import os

        return os.system, (COMMAND,)


def payload() -> bytes:
    """Return a pickle that runs a command."""
    return pickle.dumps(Payload())


TARGETS = {  # nested mappings that Hydra would call
    "os.system": {"_target_": "os.system", "command": COMMAND},
    "subprocess": {"_target_": "subprocess.check_call", "args": ["touch", EXECUTED]},
    "pathlib": {"_target_": "pathlib.Path.touch", "self": {"_target_": "pathlib.Path", "_args_": [EXECUTED]}},
    "builtins": {"_target_": "builtins.exec", "_args_": [f"open('{EXECUTED}', 'w')"]},
    "partial": {"_target_": "os.mknod", "_partial_": False, "path": EXECUTED},
    "kind": {"kind": "os.mknod", "path": EXECUTED},
}
