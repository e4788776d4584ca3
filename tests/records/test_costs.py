"""Size of a stored network."""

import pytest
import torch

from ptycho_bench.config.network import build_model
from ptycho_bench.records.costs import MIB_PER_PARAMETER, stored_numbers
from tests.conftest import composed

PRINTED_MIB = {"ppn_released": 6.12, "dpi": 57.14, "ptynet": 1.24}  # PPN, Fig. 10


def test_running_statistics_count_and_what_a_network_computes_anew_does_not():
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, bias=False), torch.nn.BatchNorm2d(2))
    model.register_buffer("weights", torch.zeros(100), persistent=False)
    assert stored_numbers(model) == 18 + 2 + 2 + 2 + 2


@pytest.mark.parametrize("name", PRINTED_MIB)
def test_sizes_are_those_that_the_paper_prints(name):
    with torch.device("meta"):
        model = build_model({**composed(f"model={name}"), "size_px": 32})
    assert stored_numbers(model) * MIB_PER_PARAMETER == pytest.approx(PRINTED_MIB[name], abs=0.005)
