"""Every file of conf/model, built on the meta device: output shapes, parameters, operations, rejected sizes."""

import re

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ptycho_bench.config.network import build_model
from tests.conftest import CONF, options
from tests.models.conftest import MODELS, ONLY_32_PX, count_parameters, described, on_meta

# parameters, batch-norm statistics, and GFLOPs (2 x multiply-adds) of one pattern of 32 px and of 64 px with the input
# of the publication: measured with public code if there is any, otherwise counted from the text; None is not published
PUBLISHED = {
    "ptychonn": (1_247_074, 0, 0.201, 0.804),
    "ptychonn_keras": (1_154_210, 0, 0.153, 0.611),
    "ptynet": (324_452, 0, 0.0280, 0.112),
    "dpi": (14_965_102, 13_318, 1.046, 4.183),
    "ppn": (1_589_350, 896, 0.362, None),
    "ppn_released": (1_602_828, 896, 0.3445, None),
    "ptychoformer": (18_070_400, 768, 0.739, 2.978),
    "circular": (2_117_187, 0, 0.232, 0.929),
    "w1": (3_120_350, 2_048, 0.211, 0.844),
    "w2": (6_957_260, 3_072, 0.471, 1.882),
    "w3": (103_054, 1_024, 0.0116, 0.0463),
    "segformer": (3_596_962, 512, 0.409, 1.640),
    "transunet": (6_080_674, 2_816, 0.613, 2.465),
}
LARGER_AT_64_PX = {"transunet": 6_092_962}  # because its position embedding grows
# ppn_released computes its polar map in heads of twice the width: 2 layers x 2 x 1,024^2 x 32 more than the public code
EXTRA_GFLOPS = {"ppn_released": 2 * 2 * 1024**2 * 32 / 1e9}


def gflops(network: torch.nn.Module, pattern: torch.Tensor) -> float:
    with FlopCounterMode(display=False) as counter:
        network(pattern)
    return counter.get_total_flops() / 1e9


def stated_parameters(model: str) -> int | None:
    """Return the first number with thousands separators in the header comment of a file of conf/model."""
    lines = (CONF / "model" / f"{model}.yaml").read_text().splitlines()
    found = re.search(r"\d{1,3}(,\d{3})+", "\n".join(line for line in lines if line.startswith("#")))
    return int(found[0].replace(",", "")) if found else None


@pytest.mark.parametrize("model", MODELS)
def test_a_shipped_network_returns_two_images_and_has_the_stated_number_of_parameters(model):
    network, pattern = on_meta(described(model))
    amplitude, phase = network(pattern)
    assert amplitude.shape == (1, 1, 32, 32)
    assert phase.shape[0] == 1 and phase.shape[2:] == (32, 32)
    stated = stated_parameters(model)
    assert stated is None or count_parameters(network) == stated


@pytest.mark.parametrize("model", MODELS)
def test_a_network_works_at_64_px_and_with_two_phase_channels_or_rejects_the_size(model):
    description = described(model, size_px=64, phase="circular")
    if model in ONLY_32_PX:
        with pytest.raises(ValueError, match=r"takes patterns of 32 px .* got 64 px"):
            build_model(description)
        return
    network, pattern = on_meta(description)
    amplitude, phase = network(pattern)
    assert amplitude.shape == (1, 1, 64, 64)
    assert phase.shape == (1, 2, 64, 64)


@pytest.mark.parametrize("model", sorted(PUBLISHED))
def test_a_network_has_its_published_number_of_parameters_and_operations(model):
    network, pattern = on_meta(described(model))
    parameters, statistics, at_32_px, at_64_px = PUBLISHED[model]
    assert count_parameters(network) == parameters
    assert sum(b.numel() for name, b in network.named_buffers() if "running" in name) == statistics
    assert gflops(network, pattern) - EXTRA_GFLOPS.get(model, 0.0) == pytest.approx(at_32_px, rel=0.005)
    if at_64_px:
        network, pattern = on_meta(described(model, size_px=64))
        assert count_parameters(network) == LARGER_AT_64_PX.get(model, parameters)
        assert gflops(network, pattern) == pytest.approx(at_64_px, rel=0.005)


def test_ptychoformer_has_its_published_size_with_a_neighbourhood_of_nine_patterns():
    description = described("ptychoformer")
    network, pattern = on_meta({**description, "input": {**description["input"], "neighbours": 1}})
    assert pattern.shape[1] == 9
    assert count_parameters(network) == 18_083_200
    assert gflops(network, pattern) == pytest.approx(0.746, rel=0.005)


def test_each_ablation_differs_from_its_network_by_the_parameters_of_what_it_omits():
    def size(model: str, **chosen: str) -> int:
        return count_parameters(on_meta(described(model, **chosen))[0])

    without_centres = size("ppn") - 2 * 2  # one centre (y, x) in each of the two layers
    assert size("ppn_draft") == without_centres
    assert size("ppn_mhsa") == without_centres + 32**2 * 32  # a position embedding of every pixel
    encoder, fusion, skip, decoder = 257_024, 128 * 128, 18_816, 517_185
    circular = size("circular")
    assert circular == 2 * encoder + 2 * fusion + skip + 3 * decoder
    assert size("circular_single_gain") == circular - encoder - fusion
    assert size("circular_three_gain") == circular + encoder + fusion
    assert size("circular_no_skip") == circular - skip - 3 * 64 * 64 * 9  # including its channels in each decoder
    assert size("circular_deep_fusion") == circular + 2 * fusion
    assert size("circular", phase="radians") == circular - decoder


@pytest.mark.parametrize("model", ["ppn", "ppn_local", "ppn_mhsa", "ppn_draft"])
def test_the_local_branch_of_ppn_has_128_channels_at_each_patch_whatever_the_size(model):
    for size_px in (32, 64):
        network, pattern = on_meta(described(model, size_px=size_px))
        assert network.local(pattern).shape == (1, 128, size_px // 8, size_px // 8)
        assert network.local.head.out_features == 128 * (size_px // 8) ** 2


def test_the_first_feed_forward_layer_of_segformer_is_a_convolution_in_the_variant_of_ppns_authors():
    plain, varied = (on_meta(described(model))[0] for model in ("segformer", "segformer_ppn"))
    kernels = {network.encoder.stages[0][2].mlp[1].kernel_size for network in (plain, varied)}
    assert kernels == {(1, 1), (3, 3)}
    widths, depth = (32, 64, 160, 256), 2
    assert count_parameters(varied) - count_parameters(plain) == sum(depth * 8 * 4 * width**2 for width in widths)
    with pytest.raises(ValueError, match=r"model\.mlp_kernel must be odd, got 2"):
        description = described("segformer")
        build_model({**description, "model": {**description["model"], "mlp_kernel": 2}})


def test_the_released_ppn_takes_its_published_input():
    network, pattern = on_meta(described("ppn_released", input="intensity"))
    assert [part.shape for part in network(pattern)] == [(1, 1, 32, 32)] * 2


def test_the_sizes_in_mebibytes_are_those_that_the_papers_print():
    printed = {"dpi": 57.14, "ppn_released": 6.118, "ptynet": 1.238, "ptychoformer": 68.93, "ptychonn": 4.757}
    printed |= {"ptychonn_keras": 4.403, "circular": 8.076, "w1": 11.90, "w2": 26.54, "w3": 0.393, "segformer": 13.72}
    printed |= {"transunet": 23.2}
    with_statistics = ("dpi", "ppn_released")  # Keras includes them
    for model, mebibytes in printed.items():
        parameters, statistics, *_ = PUBLISHED[model]
        values = parameters + (statistics if model in with_statistics else 0)
        assert 4 * values / 2**20 == pytest.approx(mebibytes, rel=1e-3), model


def test_w3_has_the_published_share_of_ptychonns_parameters():
    assert 100 * PUBLISHED["w3"][0] / PUBLISHED["ptychonn"][0] == pytest.approx(8.26, abs=0.01)


@pytest.mark.parametrize("model", MODELS)
def test_a_network_rejects_a_size_it_cannot_process_with_a_message_that_names_the_size(model):
    try:
        network, pattern = on_meta(described(model, size_px=30))
    except ValueError as error:
        assert re.search(r"(side is divisible by \d+|patterns of 32 px .*), got 30 px", str(error))
    else:
        assert network(pattern)[0].shape[-1] == 30


@pytest.mark.parametrize("neighbours", [0, 1])
@pytest.mark.parametrize("name", options("input"))
def test_networks_accept_every_input_with_and_without_a_neighbourhood(name, neighbours):
    description = described("ptychoformer", size_px=16, small=True, input=name)
    network, pattern = on_meta({**description, "input": {**description["input"], "neighbours": neighbours}})
    assert network(pattern)[0].shape == (1, 1, 16, 16)
