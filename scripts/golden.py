"""Makes azura-learner/tests/golden/*.json: what PyTorch computes for layers, losses, optimizers, schedules and trainings.

    python3 -m venv /some/where && /some/where/bin/pip install torch==2.15.0
    /some/where/bin/python scripts/golden.py

PyTorch is not needed to run the tests. Numbers come from a generator that tests/golden/numbers.rs has as well: exact in
f32, computed with in f64, so that all of the difference is ours. Parameters are filled in the order in which our modules
show them, which but for the second bias of an LSTM is PyTorch's.
"""

import json
import math
import pathlib

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler as schedulers

FOLDER = pathlib.Path(__file__).parent.parent / "azura-learner/tests/golden"
STEPS = 20

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def numbers(*shape, seed):
    """Multiples of 1/1024 in -1..1, exact in f32, from a linear congruential generator."""
    state, values = seed, []
    for _ in range(torch.Size(shape).numel()):
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        values.append((state >> 21) / 1024.0 - 1.0)
    return torch.tensor(values).reshape(shape)


def ids(*shape, seed, below):
    return ((numbers(*shape, seed=seed) + 1) * 512).long() % below


def fill(module):
    """Parameters in the order of our `visit`, each half of what the generator gives. An LSTM's second bias is left at 0."""
    for part in module.modules():
        if isinstance(part, nn.LSTM):
            for name, param in part.named_parameters():
                if "bias_hh" in name:
                    nn.init.zeros_(param.requires_grad_(False))
    params = [param for param in module.parameters() if param.requires_grad]
    with torch.no_grad():
        for i, param in enumerate(params):
            param.copy_(0.5 * numbers(*param.shape, seed=100 + i))
    return params


def flat(values):
    if isinstance(values, torch.Tensor):
        values = values.detach().flatten().tolist()
    return [float(f"{value:.9g}") for value in values]


def digest(values):
    """All of few; of many every so manieth, the norm, and the sum with random weights, which all have a share in."""
    values = values.detach().flatten()
    count = len(values)
    if count <= 16:
        return flat(values)
    weighted = (values * numbers(count, seed=3)).sum().item()
    some = values[:: math.ceil(count / 8)]
    return {"some": flat(some)} | {"norm": flat([values.norm().item()])[0], "weighted": flat([weighted])[0]}


# Layers


class With(nn.Module):
    """A module with parameters of its own before those of its parts, and a forward pass."""

    def __init__(self, forward, params=None, **parts):
        super().__init__()
        for name, shape in (params or {}).items():
            setattr(self, name, nn.Parameter(torch.zeros(shape)))
        for name, part in parts.items():
            setattr(self, name, part)
        self.run = forward

    def forward(self, x):
        return self.run(self, x)


def all_of(*tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])


def with_states(rnn, names, count, size):
    """Everything that goes out, with states going in."""

    def forward(m, x):
        states = tuple(getattr(m, name) for name in names)
        y, last = m.rnn(x, states if len(states) > 1 else states[0])
        return all_of(y, *(last if len(states) > 1 else [last]))

    return With(forward, {name: (count, 2, size) for name in names}, rnn=rnn)


def last_step(rnn):
    def forward(m, x):
        h = m.rnn(x)[1]
        h = h[0] if isinstance(h, tuple) else h
        return torch.cat([h[-2], h[-1]], -1)

    return With(forward, rnn=rnn)


def sinusoid(time, size):
    position, i = torch.arange(time)[:, None], torch.arange(size)[None]
    angle = position / 10_000.0 ** ((i - i % 2) / size)
    return torch.where(i % 2 == 0, angle.sin(), angle.cos())


def padding(batch, time):
    """The last steps of all but the first sequence are padding."""
    return torch.arange(time)[None] >= time - torch.arange(batch)[:, None]


def self_attention(causal):
    def forward(m, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1]) if causal else None
        return m.inner(x, x, x, attn_mask=mask, need_weights=False)[0]

    return With(forward, inner=nn.MultiheadAttention(8, 2, batch_first=True))


def cross_attention(m, x):
    memory = x[:, 2:]
    return m.inner(x[:, :2], memory, memory, key_padding_mask=padding(3, 4), need_weights=False)[0]


def encoder(norm_first=False, causal=False, padded=False):
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=norm_first)

    def forward(m, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1]) if causal else None
        return m.layer(x, src_mask=mask, src_key_padding_mask=padding(*x.shape[:2]) if padded else None)

    return With(forward, layer=layer)


def layers():
    two_both = dict(num_layers=2, bidirectional=True, batch_first=True)
    image, sequence = (2, 4, 5, 6), (2, 5, 3)
    cases = {
        "linear": (nn.Linear(3, 2), sequence),
        "conv2d": (nn.Conv2d(4, 3, (3, 2), stride=(2, 1), padding=(1, 0)), image),
        "conv2d grouped": (nn.Conv2d(4, 2, (2, 2), dilation=(2, 1), groups=2), image),
        "max_pool2d": (nn.MaxPool2d((2, 3)), image),
        "max_pool2d padded": (nn.MaxPool2d((3, 2), (2, 1), (1, 0)), image),
        "avg_pool2d": (nn.AvgPool2d((2, 3)), image),
        "avg_pool2d padded": (nn.AvgPool2d((3, 2), (2, 1), (1, 1)), image),
        "flatten": (nn.Flatten(), image),
        "embedding": (With(lambda m, x: m.inner(ids(2, 5, seed=50, below=4)) * x, inner=nn.Embedding(4, 3)), sequence),
        "lstm": (With(lambda m, x: m.lstm(x)[0], lstm=nn.LSTM(3, 4, **two_both)), sequence),
        "lstm last": (last_step(nn.LSTM(3, 4, **two_both)), sequence),
        "lstm states": (with_states(nn.LSTM(3, 4, **two_both), ("h", "c"), 4, 4), sequence),
        "gru": (With(lambda m, x: m.gru(x)[0], gru=nn.GRU(3, 4, **two_both)), sequence),
        "gru last": (last_step(nn.GRU(3, 4, **two_both)), sequence),
        "gru states": (with_states(nn.GRU(3, 4, **two_both), ("h",), 4, 4), sequence),
        "layer_norm": (nn.LayerNorm(6), image),
        "batch_norm1d": (nn.BatchNorm1d(3), (5, 3)),
        "batch_norm1d sequence": (nn.BatchNorm1d(5), sequence),
        "batch_norm2d": (nn.BatchNorm2d(4), image),
        "self_attention": (self_attention(causal=False), (2, 4, 8)),
        "self_attention causal": (self_attention(causal=True), (2, 4, 8)),
        "multi_head_attention": (With(cross_attention, inner=nn.MultiheadAttention(8, 4, batch_first=True)), (3, 6, 8)),
        "encoder": (encoder(), (2, 4, 8)),
        "encoder norm_first": (encoder(norm_first=True, padded=True), (3, 4, 8)),
        "encoder causal": (encoder(causal=True), (2, 4, 8)),
        "positional": (With(lambda m, x: x + sinusoid(5, 3)), sequence),
        "residual": (With(lambda m, x: x + m.inner(x), inner=nn.Linear(3, 3)), sequence),
        "relu": (nn.ReLU(), sequence),
        "leaky_relu": (nn.LeakyReLU(0.125), sequence),
        "elu": (nn.ELU(0.75), sequence),
        "gelu": (nn.GELU(), sequence),
        "gelu_tanh": (nn.GELU(approximate="tanh"), sequence),
        "silu": (nn.SiLU(), sequence),
        "sigmoid": (nn.Sigmoid(), sequence),
        "tanh": (nn.Tanh(), sequence),
        "softmax": (nn.Softmax(-1), sequence),
        "softmax over time": (nn.Softmax(1), sequence),
    }
    golden = {}
    for name, (module, shape) in cases.items():
        params = fill(module)
        x = numbers(*shape, seed=1).requires_grad_()
        y = module(x)
        (y * numbers(*y.shape, seed=2)).sum().backward()
        golden[name] = {"y": digest(y), "x": digest(x.grad), "params": [digest(param.grad) for param in params]}
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            golden[name]["buffers"] = [flat(module.running_mean), flat(module.running_var)]
            golden[name]["eval"] = digest(module.eval()(x))
    return golden


# Losses


def quantile(q):
    return lambda y, t: torch.maximum(q * (t - y), (q - 1) * (t - y)).mean()


def losses():
    weight = torch.tensor([0.5, 2.0, 1.0])
    options = dict(weight=weight, label_smoothing=0.125, ignore_index=2)
    pairs = {
        "mse": F.mse_loss,
        "mae": F.l1_loss,
        "huber": lambda y, t: F.huber_loss(y, t, delta=0.5),
        "quantile": quantile(0.875),
        "bce_with_logits": lambda y, t: F.binary_cross_entropy_with_logits(y, (t > 0).double()),
    }
    classes = {
        "cross_entropy": ((4, 3), (4,), F.cross_entropy),
        "cross_entropy with all": ((4, 3), (4,), lambda y, t: F.cross_entropy(y, t, **options)),
        "cross_entropy 3d": ((4, 3, 5), (4, 5), lambda y, t: F.cross_entropy(y, t, **options)),
        "cross_entropy last axis": ((4, 5, 3), (4, 5), lambda y, t: F.cross_entropy(y.mT, t, **options)),
    }
    cases = {name: ((4, 3), numbers(4, 3, seed=2), loss) for name, loss in pairs.items()}
    cases |= {name: (y, ids(*t, seed=3, below=3), loss) for name, (y, t, loss) in classes.items()}
    golden = {}
    for name, (shape, target, loss) in cases.items():
        y = numbers(*shape, seed=1).requires_grad_()
        value = loss(y, target)
        value.backward()
        golden[name] = {"loss": flat(value), "y": flat(y.grad)}
    return golden


# Trainings


class Forecaster(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.lstm = nn.LSTM(3, 5, layers, batch_first=True)
        self.linear = nn.Linear(5, 1)

    def forward(self, x):
        return self.linear(self.lstm(x)[0][:, -1])


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24, 3),
    )


def transformer():
    position = With(lambda m, x: x + sinusoid(5, 8))
    return nn.Sequential(nn.Linear(3, 8), position, encoder(causal=True), nn.Flatten(), nn.Linear(40, 1))


def train(model, optimizer, loss, x, target):
    params = fill(model)
    optimizer, values = optimizer(params), []
    for _ in range(STEPS):
        optimizer.zero_grad()
        value = loss(model(x), target)
        value.backward()
        optimizer.step()
        values.append(value.item())
    return {
        "losses": flat(values),
        "params": [digest(param) for param in params],
        "eval": flat(loss(model.eval()(x), target)),
    }


def trainings():
    optim = torch.optim
    sequence, target = numbers(4, 6, 3, seed=6), numbers(4, 1, seed=7)
    golden = {
        "lstm": train(Forecaster(2), lambda p: optim.Adam(p, lr=0.02), F.mse_loss, sequence, target),
        "cnn": train(
            cnn(),
            lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
            F.cross_entropy,
            numbers(6, 1, 8, 8, seed=8),
            ids(6, seed=9, below=3),
        ),
        "transformer": train(
            transformer(),
            # The gradient of an attention's key bias is 0: without this, Adam would make steps of its rounding.
            lambda p: optim.AdamW(p, lr=0.01, eps=1e-4),
            F.mse_loss,
            numbers(4, 5, 3, seed=6),
            target,
        ),
    }
    optimizers = {
        "sgd": lambda p: optim.SGD(p, lr=0.1),
        "sgd momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
        "sgd nesterov": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
        "adam": lambda p: optim.Adam(p, lr=0.02),
        "adam with all": lambda p: optim.Adam(p, lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.01),
        "adamw": lambda p: optim.AdamW(p, lr=0.02),
        "adamw with all": lambda p: optim.AdamW(p, lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.5),
        "rmsprop": lambda p: optim.RMSprop(p, lr=0.002),
        "rmsprop momentum": lambda p: optim.RMSprop(p, lr=0.002, alpha=0.9, momentum=0.5),
        "rmsprop with all": lambda p: optim.RMSprop(
            p, lr=0.002, alpha=0.9, eps=1e-4, weight_decay=0.01, momentum=0.5, centered=True
        ),
    }
    for name, optimizer in optimizers.items():
        golden[name] = train(Forecaster(1), optimizer, F.mse_loss, sequence, target)
    return golden


# Schedules

BASE, LENGTH = 0.1, 40


def warm_cosine(optimizer):
    """Linear from 1/6 of the learning rate, then the cosine."""
    warm = schedulers.LinearLR(optimizer, start_factor=1 / 6, total_iters=5)
    cosine = schedulers.CosineAnnealingLR(optimizer, T_max=LENGTH - 5, eta_min=0.001)
    return schedulers.SequentialLR(optimizer, [warm, cosine], milestones=[5])


def one_cycle(optimizer):
    return schedulers.OneCycleLR(optimizer, max_lr=BASE, total_steps=LENGTH, cycle_momentum=False)


def schedules():
    makers = {
        "constant": lambda o: schedulers.LambdaLR(o, lambda _: 1.0),
        "step": lambda o: schedulers.StepLR(o, step_size=7, gamma=0.5),
        "exponential": lambda o: schedulers.ExponentialLR(o, gamma=0.9),
        "cosine": lambda o: schedulers.CosineAnnealingLR(o, T_max=LENGTH),
        "warm cosine": warm_cosine,
        "one cycle": one_cycle,
    }
    golden = {}
    for name, make in makers.items():
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=BASE)
        scheduler, values = make(optimizer), []
        for step in range(LENGTH):
            values.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if step + 1 < LENGTH:
                scheduler.step()
        golden[name] = flat(values)
    # A loss that falls, rests, falls a little less than the threshold, and rises.
    loss = [1.0 / (1 + i) if i < 8 else 0.125 + 0.001 * math.sin(i) for i in range(LENGTH)]
    for name, options in {
        "plateau": dict(patience=2),
        "plateau with all": dict(factor=0.5, patience=1, threshold=0.01, cooldown=2, min_lr=0.01),
    }.items():
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=BASE)
        scheduler, values = schedulers.ReduceLROnPlateau(optimizer, **options), []
        for value in loss:
            scheduler.step(value)
            values.append(optimizer.param_groups[0]["lr"])
        golden[name] = flat(values)
    return golden


def main():
    made_by = f"scripts/golden.py with torch {torch.__version__.split('+')[0]}; do not edit"
    for make in (layers, losses, trainings, schedules):
        golden = {"made_by": made_by} | make()
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(case)}" for name, case in golden.items())
        (FOLDER / f"{make.__name__}.json").write_text(f"{{\n{lines}\n}}\n")


main()
