"""Networks that cannot be built or trained are refused before data are simulated."""

import pytest

from ptycho_bench.config.description import describe
from ptycho_bench.config.network import check_forward
from tests.conftest import composed


def description(*words: str) -> dict:
    """Return the description of a network for patterns of 32 px."""
    cfg = composed(*words)
    return {part: describe(cfg[part]) for part in ("model", "input", "amplitude", "phase")} | {"size_px": 32}


def test_a_network_that_does_not_fit_into_memory_is_refused():
    with pytest.raises(ValueError, match=r"a network with 4,831,[0-9,]+ parameters needs .* GB, this machine"):
        check_forward(description("model=ptychonn", "model.width=65536"))


def test_an_argument_that_the_program_gives_cannot_be_given():
    with pytest.raises(ValueError, match="PtychoNN gets size_px from the program"):
        check_forward(description("model=ptychonn", "+model.size_px=64"))
