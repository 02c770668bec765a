"""Times PyTorch: steps.py WORKLOAD --seconds S --threads N [--compile]."""

import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import torch
from steps import arguments, classes, measure, numbers
from torch import nn


class Forecaster(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.linear(self.dropout(self.lstm(x)[0][:, -1]))


class Audio(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(256, 64)
        self.lstm = nn.LSTM(64, 256, batch_first=True)
        self.dense = nn.Linear(256, 256)

    def forward(self, x):
        return self.dense(self.lstm(self.table(x))[0]).flatten(0, 1)


class Attention(nn.Module):
    def __init__(self, size=128):
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(size, size) for _ in range(4))

    def forward(self, x):
        query, key, value = self.query(x), self.key(x), self.value(x)
        return self.output(attend(query, key, value))


def attend(query, key, value):
    # As fast as scaled_dot_product_attention at these sizes, forward and backward, within the noise.
    scores = torch.bmm(query, key.transpose(1, 2)) / math.sqrt(query.shape[-1])
    return torch.bmm(scores.softmax(-1), value)


def mlp():
    return nn.Sequential(
        nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def cnn():
    def block(inputs, outputs):
        return nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)

    return nn.Sequential(*block(3, 16), *block(16, 32), nn.Flatten(), nn.Linear(2048, 10))


def floats(*shape):
    return torch.tensor(numbers(shape)).reshape(shape)


def labels(count, *shape):
    return torch.tensor(classes(shape, count)).reshape(shape)


def workload(name):
    """The model, one batch and its targets."""
    if name in ("W1", "W1f"):
        return Forecaster(11, 100), floats(32, 60, 11), floats(32, 1)
    if name == "W2":
        return Forecaster(10, 128), floats(32, 168, 10), floats(32, 1)
    if name in ("W3", "W3f"):
        return mlp(), floats(64, 784), labels(10, 64)
    if name == "W4":
        return cnn(), floats(64, 3, 32, 32), labels(10, 64)
    if name == "W5":
        return Audio(), labels(256, 32, 128), labels(256, 32 * 128)
    if name == "W6":
        model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
        return model, floats(8, 4), floats(8, 1)
    if name == "W7":
        return Attention(), floats(32, 64, 128), floats(32, 64, 128)
    raise SystemExit(f"no workload {name}")


# Measured: images are faster with channels last, and Adam fused is faster than foreach.
CHANNELS_LAST = ("W4",)


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(False)
    torch.manual_seed(1)
    name = args.workload
    model, x, y = workload(name)
    if name in CHANNELS_LAST:
        model, x = model.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    if name.endswith("f"):
        model.eval()
        run = torch.compile(model) if args.compile else model

        def step():
            with torch.inference_mode():
                return run(x)
    else:
        loss_of = nn.MSELoss() if y.is_floating_point() else nn.CrossEntropyLoss()
        adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

        def whole(x, y):
            return loss_of(model(x), y)

        run = torch.compile(whole) if args.compile else whole

        def step():
            adam.zero_grad(set_to_none=True)
            loss = run(x, y)
            loss.backward()
            adam.step()
            return loss.detach()

    measure(name, step, lambda value: value.mean().item(), args.seconds)


main()
