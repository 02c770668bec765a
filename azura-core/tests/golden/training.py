"""Twenty steps of training of each workload, as workloads.rs has them: forward, loss, backward, Adam; no dropout."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from digest import digest, number
from generator import Numbers, fnv1a

STEPS = 20


def forecaster(inputs, hidden, time):
    """An LSTM whose last step a dense layer makes a forecast of."""

    def make(numbers):
        x, target = numbers.tensor((32, time, inputs)), numbers.tensor((32, 1))
        shapes = [(4 * hidden, inputs), (4 * hidden, hidden), (4 * hidden,), (1, hidden), (1,)]

        def loss(w_ih, w_hh, bias, weight, offset):
            y = lstm(x, w_ih, w_hh, bias)
            return F.mse_loss(F.linear(y[:, -1], weight, offset), target)

        return [(shape, 0.1) for shape in shapes], loss

    return make


def lstm(x, w_ih, w_hh, bias):
    """One bias, as ours: PyTorch's second one stays at zero."""
    module = nn.LSTM(x.shape[2], w_hh.shape[1], batch_first=True, dtype=x.dtype)
    named = dict(zip([f"{name}_l0" for name in ("weight_ih", "weight_hh", "bias_ih")], (w_ih, w_hh, bias)))
    return torch.func.functional_call(module, named | {"bias_hh_l0": torch.zeros_like(bias)}, (x,))[0]


def mlp(numbers):
    x, labels = numbers.tensor((64, 784)), numbers.ids((64,), 10)
    sizes = [784, 256, 128, 10]

    def loss(*weights):
        y = x
        for i in range(3):
            y = F.linear(y, *weights[2 * i : 2 * i + 2])
            y = torch.relu(y) if i < 2 else y
        return F.cross_entropy(y, labels)

    layers = zip(sizes, sizes[1:])
    return [(shape, 0.05) for a, b in layers for shape in ((b, a), (b,))], loss


def cnn(numbers):
    x, labels = numbers.tensor((64, 3, 32, 32)), numbers.ids((64,), 10)

    def loss(w1, b1, w2, b2, weight, bias):
        y = F.max_pool2d(torch.relu(F.conv2d(x, w1, b1, padding=1)), 2)
        y = F.max_pool2d(torch.relu(F.conv2d(y, w2, b2, padding=1)), 2)
        return F.cross_entropy(F.linear(y.flatten(1), weight, bias), labels)

    shapes = [((16, 3, 3, 3), 0.2), ((16,), 0.2), ((32, 16, 3, 3), 0.08), ((32,), 0.08), ((10, 2048), 0.02), ((10,), 0.02)]
    return shapes, loss


def audio(numbers):
    tokens, labels = numbers.ids((32, 128), 256), numbers.ids((32 * 128,), 256)

    def loss(table, w_ih, w_hh, bias, weight, offset):
        y = lstm(F.embedding(tokens, table), w_ih, w_hh, bias)
        return F.cross_entropy(F.linear(y, weight, offset).flatten(0, 1), labels)

    shapes = [(256, 64), (1024, 64), (1024, 256), (1024,), (256, 256), (256,)]
    return [(shape, 1.0 if i == 0 else 0.06) for i, shape in enumerate(shapes)], loss


def tiny(numbers):
    x, target = numbers.tensor((8, 4)), numbers.tensor((8, 1))

    def loss(w1, b1, w2, b2):
        return F.mse_loss(F.linear(torch.tanh(F.linear(x, w1, b1)), w2, b2), target)

    return [(shape, 0.5) for shape in ((16, 4), (16,), (1, 16), (1,))], loss


def attention(numbers):
    x, target = numbers.tensor((32, 64, 128)), numbers.tensor((32, 64, 128))

    def loss(*weights):
        q, k, v = (F.linear(x, *weights[2 * i : 2 * i + 2]) for i in range(3))
        y = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(128), -1) @ v
        return F.mse_loss(F.linear(y, *weights[6:]), target)

    return [(shape, 0.1) for _ in range(4) for shape in ((128, 128), (128,))], loss


WORKLOADS = {
    "W1": forecaster(11, 100, 60),
    "W2": forecaster(10, 128, 168),
    "W3": mlp,
    "W4": cnn,
    "W5": audio,
    "W6": tiny,
    "W7": attention,
}


# Words after the name choose other numbers. Where two inputs of a window's maximum, or a number and the kink of ReLU, lie next
# to each other, rounding decides which way a gradient takes: over most seeds PyTorch's own float32 ends W4 with losses 1e-6 to 4e-5
# from those of its float64, and other weights with each number of threads. With these numbers it stays within 2e-7.
NUMBERS = {"W4": "W4 8"}


def lines():
    for name, make in WORKLOADS.items():
        name = NUMBERS.get(name, name)
        numbers = Numbers(fnv1a(name.encode()))
        shapes, loss = make(numbers)
        weights = [numbers.tensor(shape, scale).requires_grad_() for shape, scale in shapes]
        adam = torch.optim.Adam(weights)
        losses = []
        for _ in range(STEPS):
            adam.zero_grad()
            value = loss(*weights)
            value.backward()
            adam.step()
            losses.append(number(value.item()))
        yield " | ".join([name, " ".join(losses), *(digest(weight, numbers) for weight in weights)])
