import math

import pytest
import torch
from scipy import stats

from jepa_compare.data.rooms.inverse_cdf import VonMises, truncated_normal

U = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000


def test_truncated_normal_is_its_quantile_function():
    got = truncated_normal(U, mean=1.0, std=0.4, low=0.2, high=1.8)
    expected = stats.truncnorm(-2, 2, loc=1, scale=0.4).ppf(U.numpy())
    torch.testing.assert_close(got, torch.from_numpy(expected), rtol=0, atol=1e-6)


def test_truncated_normal_stays_inside_at_the_ends():
    ends = truncated_normal(torch.tensor([0.0, 1 - 2**-24]), mean=0.0, std=1.0, low=-0.5, high=2.0)
    assert ends[0] == pytest.approx(-0.5, abs=1e-6) and ends[1] <= 2.0


@pytest.mark.parametrize("concentration", [0.5, 5.0, 50.0])
def test_von_mises_is_its_quantile_function(concentration):
    got = VonMises(concentration).from_uniform(U.float()).double()
    back = stats.vonmises(concentration).cdf(got.numpy())
    torch.testing.assert_close(torch.from_numpy(back), U, rtol=0, atol=1e-4)


def test_von_mises_covers_the_circle_and_no_more():
    angles = VonMises(5.0).from_uniform(torch.tensor([0.0, 1 - 2**-24]))
    assert angles.abs().max() <= math.pi and angles[0] < -3 and angles[1] > 2
