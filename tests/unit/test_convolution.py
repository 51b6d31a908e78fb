"""The forms of a convolution in space against torch's own, in double precision."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from acuity.methods.networks import convolution
from acuity.methods.networks.convolution import Convolution, gathered, in_planes, in_space, spread


def spread_first(image, weight, bias, border):
    return in_planes(*spread(image, weight, border[2]), bias, (*border[:2], (0, 0)))


FORMS = [in_space, in_planes, gathered, spread_first]
BORDERS = [((1, 1), (2, 2), (2, 2)), ((2, 1), (0, 2), (1, 3)), ((0, 0), (0, 0), (0, 0))]


def volume_and_kernel(before=3, after=2, kernel=(3, 5, 5)):
    torch.manual_seed(0)
    image = torch.rand(2, before, 6, 7, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(after, before, *kernel, dtype=torch.float64, requires_grad=True)
    return image, weight, torch.rand(after, dtype=torch.float64, requires_grad=True)


def plain(image, weight, bias, border):
    fill = [n for pair in reversed(border) for n in pair]
    return functional.conv3d(functional.pad(image, fill), weight, bias)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("kernel", [(3, 5, 5), (1, 3, 4), (4, 1, 2), (3, 3, 1)])
def test_every_form_is_the_convolution_with_its_gradients(form, border, kernel):
    tensors = volume_and_kernel(kernel=kernel)
    wanted = plain(*tensors, border)
    found = form(*tensors, border)
    assert found.shape == wanted.shape
    assert torch.allclose(found, wanted, rtol=1e-12, atol=1e-12)
    torch.manual_seed(1)
    slope = torch.rand_like(wanted)
    gradients = [
        torch.autograd.grad((out * slope).sum(), tensors, retain_graph=True)
        for out in (found, wanted)
    ]
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("form", FORMS)
def test_a_border_at_the_other_end_is_told_apart(form):
    tensors = volume_and_kernel()
    for axis in range(3):
        border = [(1, 1)] * 3
        border[axis] = (2, 0)
        other = [*border[:axis], (0, 2), *border[axis + 1 :]]
        assert not torch.allclose(form(*tensors, border), plain(*tensors, other), rtol=0.01)


@pytest.mark.parametrize("form", FORMS)
def test_without_a_bias(form):
    image, weight, _ = volume_and_kernel()
    border = BORDERS[0]
    found, wanted = form(image, weight, None, border), plain(image, weight, None, border)
    assert torch.allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_bfloat16_stays_and_is_summed_in_more(form):
    tensors = volume_and_kernel(kernel=(3, 5, 9))
    few = [tensor.detach().to(torch.bfloat16) for tensor in tensors]
    found, wanted = form(*few, BORDERS[0]), plain(*(t.double() for t in few), BORDERS[0])
    assert found.dtype == torch.bfloat16
    assert ((found - wanted).abs() <= 2**-7 * wanted.abs()).all()


def test_channels_are_filled_up_to_a_multiple_of_eight():
    image, weight, _ = volume_and_kernel(before=1, kernel=(3, 5, 5))
    wide, narrow = spread(image, weight, (2, 2))
    assert wide.shape == (2, 8, 6, 7, 8)
    assert narrow.shape == (2, 8, 3, 5, 1)
    assert (wide[:, 5:] == 0).all()
    assert (narrow[:, 5:] == 0).all()


@pytest.mark.parametrize(
    ("before", "after", "kernel", "chosen"),
    [
        (240, 1, (4, 13, 13), ["gathered", "in_planes"]),
        (1, 240, (5, 13, 13), ["spread", "in_planes"]),
        (1, 1, (3, 3, 3), ["gathered", "in_planes"]),  # taps became channels once
        (128, 128, (3, 5, 5), ["in_planes"]),
        (32, 32, (3, 11, 11), ["in_space"]),
        (64, 64, (3, 3, 3), ["in_space"]),
        (240, 64, (1, 1, 1), ["in_space"]),
    ],
)
def test_a_gpu_takes_the_form_that_its_channels_call_for(
    monkeypatch, before, after, kernel, chosen
):
    taken = []
    for name in ("gathered", "spread", "in_planes", "in_space"):
        whole = getattr(convolution, name)

        def noted(*arguments, name=name, whole=whole):
            taken.append(name)
            return whole(*arguments)

        monkeypatch.setattr(convolution, name, noted)

    class OnGpu(torch.Tensor):
        device = torch.device("cuda")

    module = Convolution(before, after, tuple(n + 1 - n % 2 for n in kernel)).double()
    image = torch.rand(1, before, 5, 13, 14, dtype=torch.float64)
    found = module(image.as_subclass(OnGpu)).as_subclass(torch.Tensor)
    assert taken == chosen
    assert torch.allclose(found, nn.Conv3d.forward(module, image), rtol=1e-12, atol=1e-12)


def test_a_convolution_is_torchs_own_on_a_cpu():
    torch.manual_seed(0)
    own = Convolution(2, 3, (3, 5, 5))
    assert isinstance(own, nn.Conv3d)
    torchs = nn.Conv3d(2, 3, (3, 5, 5), padding=(1, 2, 2))
    torchs.load_state_dict(own.state_dict())
    image = torch.rand(1, 2, 6, 7, 8)
    assert torch.equal(own(image), torchs(image))
