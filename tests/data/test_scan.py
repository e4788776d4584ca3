"""A scan's measurement: probe, coherence and valid pixels, from attributes that are checked."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from ptycho_bench.data.errors import DataError


def with_noise(scan, noise: str):
    return dataclasses.replace(scan, info=dataclasses.replace(scan.info, noise=noise))


@pytest.mark.parametrize(
    ("noise", "efficiency", "coherence"),
    [
        ("{}", 1, 1),
        ('{"name": "PPNNoise", "efficiency": 0.25, "coherence": 0.6}', 0.25, 0.6),
        ('{"coherence": 1}', 1, 1),
    ],
)
def test_a_measurement_has_the_recorded_efficiency_and_coherence(tiny_scan, noise, efficiency, coherence):
    measurement = with_noise(tiny_scan, noise).measurement()
    torch.testing.assert_close(measurement.probe, torch.from_numpy(tiny_scan.probe) * efficiency**0.5)
    assert measurement.coherence == coherence
    assert measurement.valid_mask is None


@pytest.mark.parametrize(
    "noise", ["", "PPNNoise", "[0.5]", "0.5", "null", '{"efficiency": 0.5', "[" * 100_000, None, np.float64(0.5)]
)
def test_noise_that_is_not_a_json_object_is_refused(tiny_scan, noise):
    with pytest.raises(
        DataError, match=r"attribute noise must be a JSON object, got .*; correct it in the file$"
    ) as error:
        with_noise(tiny_scan, noise).measurement()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["efficiency", "coherence"])
@pytest.mark.parametrize("value", [-0.5, 1.5, 10**300, math.inf, math.nan, True, None, "0.5\n", [0.5], {"mu": 1}])
def test_a_fraction_that_is_no_number_between_zero_and_one_is_refused(tiny_scan, name, value):
    message = rf"{name} in attribute noise must be a number in \[0, 1\], got .*; correct it in the file$"
    with pytest.raises(DataError, match=message) as error:
        with_noise(tiny_scan, json.dumps({name: value})).measurement()
    assert "\n" not in str(error.value)
