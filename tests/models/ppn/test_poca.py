"""Polar coordinate attention: the tiled and the FlexAttention form against the reference, and Eqs. 5-8."""

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import flex_attention
from torch.utils.flop_counter import FlopCounterMode

from ptycho_bench.models.ppn import poca_tiles
from ptycho_bench.models.ppn.poca import FORMS, PoCA, poca_reference
from ptycho_bench.models.ppn.poca_tiles import TiledPoCA, Tiling
from ptycho_bench.models.ppn.polar import polar_coordinates, polar_map


def inputs(heads: int, height: int, width: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    count = height * width
    tensors = [torch.randn(heads, count, size, generator=generator, dtype=dtype) for size in (6, 6, 4)]
    return [tensor.requires_grad_() for tensor in tensors]


def output_and_gradients(
    form, tensors: list[torch.Tensor], center: tuple[float, float], size: tuple[int, int]
) -> list[torch.Tensor]:
    """Return the output, and its gradients with respect to query, key, value and centre."""
    leaves = [tensor.detach().requires_grad_() for tensor in tensors]
    center_px = torch.tensor(center, dtype=tensors[0].dtype, device=tensors[0].device, requires_grad=True)
    out = form(*leaves, *polar_coordinates(center_px, *size))
    weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype, device=out.device).view_as(out)
    return [out, *torch.autograd.grad((out.square() * weight).sum(), [*leaves, center_px])]


@pytest.fixture
def three_threads():
    """Let torch use three threads during a test."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


SMALL_TILES = Tiling(rows=3, columns=5, elements=50)
CASES = [
    ((6, 6), (3.0, 3.0), SMALL_TILES),  # the centre is a pixel
    ((5, 7), (3.7127, 2.2871), SMALL_TILES),
    ((7, 9), (2.0, 6.0), poca_tiles.CPU_TILING),
    ((16, 16), (8.7127, 7.2871), poca_tiles.CPU_TILING),
]


@pytest.mark.parametrize(("size", "center", "tiling"), CASES)
@pytest.mark.parametrize("logits_per_thread", [1, 1 << 30])  # three threads, one thread
@pytest.mark.parametrize("strength", [1.0, 40.0])  # with 40, powers of two of the logits would overflow
def test_the_tiled_form_and_its_gradients_equal_the_reference(
    monkeypatch, three_threads, size, center, tiling, logits_per_thread, strength
):
    monkeypatch.setattr(poca_tiles, "CPU_TILING", tiling)
    monkeypatch.setattr(poca_tiles, "LOGITS_PER_THREAD", logits_per_thread)
    query, *others = inputs(5, *size)
    tensors = [strength * query, *others]
    expected = output_and_gradients(poca_reference, tensors, center, size)
    for found, correct in zip(output_and_gradients(TiledPoCA.apply, tensors, center, size), expected, strict=True):
        torch.testing.assert_close(found, correct, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    "side", [32, pytest.param(64, marks=pytest.mark.slow), pytest.param(128, marks=pytest.mark.slow)]
)
def test_single_precision_agrees_with_double_to_1e_5(side):
    tensors, center = inputs(4 if side == 32 else 1, side, side), (side / 2 + 0.3127, side / 2 - 0.9129)
    correct = output_and_gradients(TiledPoCA.apply if side > 64 else poca_reference, tensors, center, (side, side))
    single = output_and_gradients(TiledPoCA.apply, [t.float() for t in tensors], center, (side, side))
    for found, expected in zip(single, correct, strict=True):
        assert (found.double() - expected).norm() / expected.norm() < 1e-5


def test_the_gradients_of_the_tiled_form_agree_with_finite_differences():
    query, key, value = inputs(2, 3, 4)
    center = torch.tensor([1.3127, 2.0871], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda q, k, v, c: TiledPoCA.apply(q, k, v, *polar_coordinates(c, 3, 4)), (query, key, value, center)
    )


def test_no_map_of_all_pairs_is_stored_for_the_backward_pass():
    saved = []
    with saved_tensors_hooks(lambda tensor: saved.append(tensor.numel()) or tensor, lambda tensor: tensor):
        PoCA(width=8, heads=2, height=16, width_px=16)(torch.zeros(3, 256, 8))
        largest = max(saved)
        PoCA(width=8, heads=2, height=16, width_px=16, attend=poca_reference)(torch.zeros(3, 256, 8))
    assert largest <= 3 * 256 * 8 * 3
    assert max(saved) >= 256 * 256


def test_the_polar_map_is_equation_7():
    center = torch.tensor([2.6, 1.9])
    radius, direction = polar_coordinates(center, 4, 5)
    phi = polar_map(radius, direction, radius, direction)
    r_max = math.hypot(2.0, 2.5)
    for m, n in ((0, 7), (3, 19), (11, 11)):
        (y_m, x_m), (y_n, x_n) = divmod(m, 5), divmod(n, 5)
        r_m = math.log(1 + math.hypot(y_m - 2.6, x_m - 1.9)) / math.log(1 + r_max)
        r_n = math.log(1 + math.hypot(y_n - 2.6, x_n - 1.9)) / math.log(1 + r_max)
        angle = math.atan2(y_m - 2.6, x_m - 1.9) - math.atan2(y_n - 2.6, x_n - 1.9)
        assert phi[m, n].item() == pytest.approx(math.cos(angle) / (1 + abs(r_m - r_n)), rel=1e-5)


def test_a_pixel_at_the_centre_has_angle_0_and_finite_gradients():
    center = torch.tensor([2.0, 2.0], requires_grad=True)
    radius, direction = polar_coordinates(center, 4, 4)
    assert radius[10] == 0
    assert direction[10].tolist() == [1.0, 0.0]
    (gradient,) = torch.autograd.grad(radius.sum() + direction.sum(), center)
    assert gradient.isfinite().all()


def test_the_learned_centre_has_a_gradient_and_stays_within_its_bounds():
    attention = PoCA(width=8, heads=2, height=8, width_px=8)
    assert attention.center_px.tolist() == [4.0, 4.0]
    torch.manual_seed(0)
    attention(torch.randn(2, 64, 8)).square().sum().backward()
    assert attention.center_logit.grad.abs().min() > 0
    with torch.no_grad():
        attention.center_logit.fill_(50.0)
    assert attention.center_px.tolist() == [6.0, 6.0]
    with torch.no_grad():
        attention.center_logit.fill_(-50.0)
    assert attention.center_px.tolist() == [2.0, 2.0]


def test_the_attention_itself_is_computed_in_single_precision_under_autocast():
    torch.manual_seed(0)
    attention, tokens = PoCA(width=8, heads=2, height=8, width_px=8), torch.randn(2, 64, 8)
    expected = attention(tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = attention(tokens)
    found.float().sum().backward()
    assert (found.float() - expected).norm() / expected.norm() < 2e-2


def test_a_width_that_is_not_divisible_by_the_heads_is_rejected():
    with pytest.raises(ValueError, match="heads must divide the width 8, got 3"):
        PoCA(width=8, heads=3, height=8, width_px=8)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_the_form_with_flex_attention_and_its_gradients_equal_the_reference_on_a_cpu(monkeypatch, size):
    monkeypatch.setattr(flex_attention, "_validate_device", lambda *tensors: None)  # it forbids gradients on a CPU
    tensors, center = inputs(5, *size), (3.7127, 5.2871)
    expected = output_and_gradients(poca_reference, tensors, center, size)
    for found, correct in zip(output_and_gradients(FORMS["flex"], tensors, center, size), expected, strict=True):
        torch.testing.assert_close(found, correct, rtol=1e-9, atol=1e-11)


def test_threads_that_start_later_inherit_the_number_of_threads(monkeypatch, three_threads):
    monkeypatch.setattr(poca_tiles, "LOGITS_PER_THREAD", 1)
    output_and_gradients(TiledPoCA.apply, inputs(5, 4, 4), (2.3127, 1.9), (4, 4))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == torch.get_num_threads() == 3


def test_an_empty_batch_gives_an_empty_output_and_no_gradients():
    empty = [tensor[:0] for tensor in inputs(5, 4, 4)]
    out, *gradients = output_and_gradients(TiledPoCA.apply, empty, (2.3127, 1.9), (4, 4))
    assert out.shape == (0, 16, 4)
    assert all(not gradient.any() for gradient in gradients)


def test_the_reference_is_used_on_the_meta_device():
    meta = [tensor.to("meta") for tensor in inputs(5, 4, 4)]
    with FlopCounterMode(display=False) as counted:
        FORMS["auto"](*meta, *(t.to("meta") for t in polar_coordinates(torch.zeros(2), 4, 4)))
    assert counted.get_total_flops() == 2 * 5 * 16**2 * (6 + 4) + 2 * 16**2 * 2


@pytest.mark.slow
def test_memory_grows_linearly_with_the_number_of_pixels():
    """Run 64 px and batch 32 in a separate process: one map of the reference would be 64 x 4,096 x 4,096, or 4.3 GB."""
    code = (
        "import resource, torch\n"
        "from ptycho_bench.models.ppn.poca import poca\n"
        "from ptycho_bench.models.ppn.polar import polar_coordinates\n"
        "tensors = [torch.randn(64, 4096, 16, requires_grad=True) for _ in range(3)]\n"
        "poca(*tensors, *polar_coordinates(torch.tensor([31.7, 32.2]), 64, 64)).sum().backward()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peak = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    peak_bytes = int(peak) * (1 if sys.platform == "darwin" else 1024)
    assert peak_bytes < 4e9


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("form", ["tiled", "flex"])
@pytest.mark.parametrize("size_px", [32, 64])
def test_a_form_and_its_gradients_on_a_gpu_equal_the_reference_on_a_cpu(form, size_px):
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(2, size_px**2, 16, generator=generator, dtype=torch.float64) for _ in range(3)]
    center = (size_px / 2 + 0.3127, size_px / 2 - 0.9129)
    correct = output_and_gradients(poca_reference, tensors, center, (size_px, size_px))
    on_gpu = output_and_gradients(FORMS[form], [t.cuda().float() for t in tensors], center, (size_px, size_px))
    for found, expected in zip(on_gpu, correct, strict=True):
        assert (found.cpu().double() - expected).norm() / expected.norm() < 1e-5
