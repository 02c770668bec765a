"""Every operation: how far f32 may be from the truth, PyTorch's words for it, and the cases.

A case is the inputs, then the options. An input is

    [!] SHAPE [:LAYOUT] [*SCALE] [+OFFSET]    a tensor; with `!` a constant, else its gradient is asked for
    [!] SHAPE [:LAYOUT] [*SCALE] [+OFFSET] %N the same of whole numbers from -N to N: for ties
    iN/SHAPE                                  indices below N
    m/SHAPE                                   a mask

with shapes such as 2x3, or `s` for no axes; a capital letter is a random size, the same one throughout its case.
Layouts are how the operation sees what a parameter holds row by row: `t` with its axes in reverse, `v` through a
window of the last axis, `e` with its first axis repeated.
"""

import torch
from torch import nn
from torch.nn import functional as F

# The tolerances. Truth is PyTorch in f64 on inputs that are f32, so all of the error is ours. It is taken relative to
# the greater of the entry and the root mean square of its tensor.

# Elements move, or one operation is exact: all ten digits of the file.
EXACT = 1e-9
# A handful of roundings (6e-8 each) per element, functions that are right to four of them, the chain rule's product.
ROUNDED = 1e-6
# Sums of many such terms, which may cancel.
SUMMED = 3e-6


def conditioned(number):
    """Input rounded to f32 changes the result by that many times 6e-8: no f32 algorithm promises more."""
    return number * 2.0**-24


TABLE = {}


def op(name, tolerance, function, *cases):
    TABLE.setdefault(name, []).extend((tolerance, function, case) for case in cases)


def unary(name, function, *ranges, tolerance=ROUNDED, options=""):
    """Long rows for the vector kernels and a strided view in each range; small shapes in the first."""
    shapes = [f"{shape}{of}" for of in ranges for shape in ("2x67", "AxB:t")]
    shapes += [f"{shape}{ranges[0]}" for shape in ("s", "1", "0x3", "9:v", "AxBxC")]
    op(name, tolerance, function, *(f"{shape} {options}".strip() for shape in shapes))


def binary(name, function, left, right, tolerance=ROUNDED):
    """Broadcasting either way, views, nothing and one; sums over what was repeated stay short."""
    pairs = ["AxB AxB", "AxBxC C", "B AxB", "Ax1 1xB", "s AxB", "4x1x2 3x1", "0x2 2", "1 1", "AxB:t AxB:v", "AxB !AxB"]
    cases = []
    for pair in pairs:
        a, b = pair.split()
        cases.append(f"{a}{left} {b}{right}")
    op(name, tolerance, function, *cases)


# Elementwise.
binary("add", torch.add, "", "*1e4")
binary("sub", torch.sub, "*1e-6", "")
binary("mul", torch.mul, "*1e4", "*1e-6")
binary("div", torch.div, "*1e4", "*0.9+1")
op("div", ROUNDED, torch.div, "AxB*1e-6 AxB", "AxB AxB*1e4", "AxB AxB*1e-6")

unary("neg", torch.neg, "", "*1e4", tolerance=EXACT)
unary("abs", torch.abs, "", "*1e-6", "*3%3", tolerance=EXACT)
unary("exp", torch.exp, "*4", "*1e-6", "*1-80", "*1+80")
unary("ln", torch.log, "*0.99+1", "*1e-6+1.1e-6", "*1e4+1.1e4", "*1e-3+1")
unary("sqrt", torch.sqrt, "*0.99+1", "*1e-6+1.1e-6", "*1e4+1.1e4")
unary("square", torch.square, "", "*1e-6", "*1e4")
unary("sin", torch.sin, "*4", "*1e-6", "*1e4")
unary("cos", torch.cos, "*4", "*1e-6", "*1e4")
unary("sigmoid", torch.sigmoid, "*4", "*1e-6", "*1-30", "*30", "*1e4")
unary("tanh", torch.tanh, "", "*4", "*1e-6", "*0.01", "*1e4")
unary("relu", torch.relu, "", "*1e4", "*1%2", tolerance=EXACT)
unary("scale", lambda x, factor: x * factor, "", "*1e4", options="factor=-2.7")
unary("shift", lambda x, offset: x + offset, "", "*1e4", options="offset=0.3")

# Products.
op(
    "matmul",
    SUMMED,
    torch.matmul,
    *("AxB BxC", "AxB:t BxC", "AxB BxC:t", "AxB:v BxC:t", "AxBxC CxD", "A:AxBxC:t CxD:v".replace("A:", "")),
    *("1x1 1x1", "0x3 3x2", "3x0 0x2", "2x3 3x0", "70x65 65x50", "33x300*1e4 300x17*1e-6", "AxB !BxC", "!AxB BxC"),
)
op(
    "linear",
    SUMMED,
    F.linear,
    *("AxB CxB C", "AxB CxB", "AxBxC DxC D", "A:t BxA B".replace("A:t", "A"), "AxB:t CxB:t C", "AxB:v CxB:v C:v"),
    *("0x3 2x3 2", "1x1 1x1 1", "2x0 3x0 3", "64x100 33x100 33", "AxB*1e4 CxB*1e-6 C", "!AxB CxB C", "AxB !CxB !C"),
)

# Reductions.
REDUCED = (
    "AxBxC axes=[0] keepdims=false",
    "AxBxC axes=[1] keepdims=true",
    "AxBxC axes=[-1] keepdims=false",
    "AxBxC:t axes=[0,2] keepdims=false",
    "AxBxC:v axes=[2,1] keepdims=true",
    "AxBxC axes=[0,1,2] keepdims=false",
    "1 axes=[0] keepdims=false",
    "s axes=[] keepdims=false",
    "3x1x2 axes=[1] keepdims=false",
)
op(
    "sum",
    SUMMED,
    lambda x, axes, keepdims: torch.sum(x, axes, keepdims) if axes else x * 1,
    *(*REDUCED, "AxB axes=[] keepdims=false", "0x3 axes=[0] keepdims=false", "0x3 axes=[1] keepdims=true"),
    *("700x3 axes=[0] keepdims=false", "3x700 axes=[1] keepdims=false", "3x700*1+1e4 axes=[1] keepdims=false"),
)
op(
    "mean",
    SUMMED,
    lambda x, axes, keepdims: torch.mean(x, axes, keepdims) if axes else x * 1,
    *(*REDUCED, "0x3 axes=[1] keepdims=true", "0x3 axes=[0] keepdims=false"),
    *("700x3*1+1e4 axes=[0] keepdims=false", "3x700*1e-6 axes=[1] keepdims=true"),
)

# Shape.
op(
    "reshape",
    EXACT,
    lambda x, shape: x.reshape(shape),
    *("2x6 shape=[3,4]", "4x6:t shape=[2,12]", "2x6:v shape=[12]", "s shape=[1,1]", "1 shape=[]", "0x3 shape=[2,0]"),
)
op(
    "permute",
    EXACT,
    lambda x, order: x.permute(order),
    *("AxBxC order=[2,0,1]", "AxBxC:v order=[0,-1,1]", "0x2 order=[1,0]", "s order=[]"),
)
op(
    "slice",
    EXACT,
    lambda x, axis, start, end: x.narrow(axis, start, end - start),
    *("7x3 axis=0 start=2 end=6", "AxBx5:t axis=-1 start=0 end=4", "3x4:v axis=1 start=1 end=2"),
    *("3x4 axis=1 start=2 end=2", "3x4 axis=0 start=0 end=3", "0x4 axis=0 start=0 end=0"),
)
op(
    "concat",
    EXACT,
    lambda *parts, axis: torch.cat(parts, axis),
    *("AxB CxB axis=0", "AxB AxC:t AxD:v axis=1", "AxBx2 AxBx1 axis=-1", "AxB axis=0", "2x0 2x3 axis=1"),
    *("0x3 0x2 axis=1", "AxB !CxB DxB axis=0"),
)

# What training is made of.
op(
    "dropout",
    ROUNDED,
    lambda x, bits, p: x * torch.where(bits < int(p * 2**32), 0.0, 1 / (1 - p)),
    *(f"{x} b/{x.split(':')[0]} p={p}" for x, p in [("9x11", 0.5), ("7x5:t", 0.2), ("4x3:v", 0), ("s", 0.5), ("0x2", 0.1)]),
)
op("mse", SUMMED, F.mse_loss, "AxB AxB", "AxB:t AxB:v", "AxB !AxB", "!AxB AxB", "s s", "1 1", "700 700", "AxB*1e4 AxB")
op("mse", conditioned(1e4), F.mse_loss, "700*1+1e4 700*1+1e4")


def flat(*outputs):
    return torch.cat([y.flatten() for y in outputs])


def recurrent(kind, x, weights, state, steps, reverse):
    """PyTorch's own module. The reverse direction is the second half of its bidirectional one."""
    hidden = weights[1].shape[1]
    module = kind(x.shape[2], hidden, batch_first=True, bidirectional=reverse, dtype=torch.float64)
    suffix = "_reverse" if reverse else ""
    named = {name: torch.zeros_like(value) for name, value in module.named_parameters()}
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    named |= {f"{name}_l0{suffix}": value for name, value in zip(names, weights)}
    if state:
        state = [torch.stack([torch.zeros_like(s), s] if reverse else [s]) for s in state]
        state = tuple(state) if len(state) > 1 else state[0]
    y, last = torch.func.functional_call(module, named, (x, state or None))
    y = y[..., -hidden:]
    if steps == "last":
        # What the direction ends with.
        y = y[:, :1] if reverse else y[:, -1:]
    last = last if isinstance(last, tuple) else (last,)
    return flat(y, *(s[-1] for s in last))


def lstm(x, w_ih, w_hh, bias, *state, steps, reverse=False):
    return recurrent(nn.LSTM, x, (w_ih, w_hh, bias), state, steps, reverse)


def lstm_case(batch, time, inputs, hidden, state, x="", options=""):
    shapes = [f"{batch}x{time}x{inputs}{x}", f"{4 * hidden}x{inputs}*0.5", f"{4 * hidden}x{hidden}*0.5", f"{4 * hidden}*0.5"]
    return " ".join(shapes + [f"{batch}x{hidden}"] * (2 * state) + [options])


op(
    "lstm",
    SUMMED,
    lstm,
    lstm_case(3, 5, 2, 4, False, options="steps=\"all\""),
    lstm_case(3, 5, 2, 4, True, ":t", options="steps=\"all\""),
    lstm_case(3, 5, 2, 4, True, ":v", options="steps=\"last\""),
    lstm_case(1, 1, 1, 1, False, options="steps=\"last\""),
    lstm_case(5, 40, 3, 19, True, options="steps=\"last\""),
    lstm_case(2, 3, 2, 3, False, "*1e4", options="steps=\"all\""),
    lstm_case(2, 3, 2, 3, False, "*1e-6", options="steps=\"all\""),
)
