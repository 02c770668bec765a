"""Every operation: how far f32 may be from the truth, PyTorch's words for it, and the cases.

A case is the inputs, then the options. An input is

    [!] SHAPE [:LAYOUT] [*SCALE] [+OFFSET]    a tensor; with `!` a constant, else its gradient is asked for
    [!] SHAPE [:LAYOUT] [*SCALE] [+OFFSET] %N the same of whole numbers from -N to N: for ties
    iN/SHAPE                                  indices below N
    m/SHAPE                                   a mask

with shapes such as 2x3, or `s` for no axes; a capital letter is a random size, the same one throughout its case.
Layouts are how the operation sees what a parameter holds row by row: `t` with its axes in reverse, `v` through a
window of the last axis, `r` with all axes turned round.
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


def flat(*outputs):
    """Several outputs as one row."""
    return torch.cat([y.flatten() for y in outputs])


TABLE = {}


def op(name, tolerance, function, *cases):
    TABLE.setdefault(name, []).extend((tolerance, function, case) for case in cases)


def unary(name, function, *ranges, tolerance=ROUNDED, options=""):
    """Long rows for the vector kernels and a strided view in each range; small shapes in the first."""
    shapes = [f"{shape}{of}" for of in ranges for shape in ("2x67", "AxB:t")]
    shapes += [f"{shape}{ranges[0]}" for shape in ("s", "1", "0x3", "9:v", "AxBxC:r")]
    op(name, tolerance, function, *(f"{shape} {options}".strip() for shape in shapes))


def binary(name, function, left, right, tolerance=ROUNDED):
    """Broadcasting either way, views, nothing and one; sums over what was repeated stay short."""
    pairs = ["AxB AxB", "AxBxC C", "B AxB", "Ax1 1xB", "s AxB", "4x1x2 3x1", "0x2 2", "1 1", "AxB:t AxB:v", "AxB:r !AxB"]
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

binary("pow", torch.pow, "*0.9+1", "*3", tolerance=SUMMED)
op(
    "pow",
    ROUNDED,
    torch.pow,
    *("6x7%2 !6x7*1+3%3", "6x7*1+1%1 6x7*1+1%1", "AxB*1e4+1e4 AxB*0.5", "AxB*1e-6+1.1e-6 AxB*2", "AxB*1e-3+1 AxB*1e4"),
)
binary("minimum", torch.minimum, "", "")
binary("maximum", torch.maximum, "*1e4", "*1e4")
for name, function in [("minimum", torch.minimum), ("maximum", torch.maximum)]:
    op(name, ROUNDED, function, "7x9%1 7x9%1", "7x9:t%1 9%1", "1%0 1%0")
unary("sign", torch.sign, "", "%1", "*1e4", tolerance=EXACT)
unary("log1p", torch.log1p, "*0.9", "*1e-6", "*1e-3", "*1e4+1.1e4", "*0.01-0.98")
unary("expm1", torch.expm1, "*4", "*1e-6", "*1e-3", "*10-20", "*1+60")
unary("powf", lambda x, exponent: torch.pow(x, exponent), "*0.9+1", "*1e4+1.1e4", options="exponent=2.5")
unary("powf", lambda x, exponent: torch.pow(x, exponent), "*0.9+1", "*1e-6+1.1e-6", options="exponent=-1.5")
unary("powf", lambda x, exponent: torch.pow(x, exponent), "", "*1e4", options="exponent=3.0")
op("powf", ROUNDED, torch.pow, "7x9%2 exponent=0.0", "7x9%2 exponent=1.0", "7x9%2 exponent=2.0")
unary("clamp", torch.clamp, "", "%2", "*1e4", tolerance=EXACT, options="min=-0.5 max=1.0")
op(
    "where",
    EXACT,
    torch.where,
    *("m/AxB AxB AxB", "m/AxB B s", "m/B AxB:t Ax1*1e4", "m/s 3 3", "m/Ax1xC AxBxC:v !C", "m/0x3 3 3", "m/3x0 3x0 3x0"),
)
unary("leaky_relu", lambda x, slope: F.leaky_relu(x, slope), "", "%2", "*1e4", options="slope=0.01")
unary("elu", F.elu, "*4", "%2", "*1e-6", "*1e4", options="alpha=1.0")
unary("elu", F.elu, "*4", "%2", options="alpha=0.7")
unary("gelu", F.gelu, "*4", "*1e-6", "*0.5-4", "*1e4")
unary("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), "*4", "*1e-6", "*1e4")
# An exponent of 11 that took some roundings.
op("gelu_tanh", SUMMED, lambda x: F.gelu(x, approximate="tanh"), "2x67*0.5-4")
unary("silu", F.silu, "*4", "*1e-6", "*5-20", "*1e4")
unary("softplus", lambda x: F.softplus(x, threshold=torch.inf), "*4", "*1e-6", "*5-20", "*100")

# Products.
op(
    "matmul",
    SUMMED,
    torch.matmul,
    *("AxB BxC", "AxB:t BxC", "AxB BxC:t", "AxB:v BxC:t", "AxBxC CxD", "AxBxC:t CxD:v"),
    *("A A", "A AxB", "AxB B", "AxBxC C", "C AxCxB", "AxBxC AxCxD", "AxBxC:v AxCxD:t", "BxC AxCxD", "Ax1xBxC 5xCxD"),
    *("5x1xBxC 1x4xCxD", "3xAxB 1xBxC", "1xAxB 3xBxC", "0xAxB 0xBxC", "0xAxB BxC", "3x0x2 2x4", "2x3x0 2x0x4", "1x1x1 1x1x1"),
    *("AxBxC:r AxCxD:r", "16x33x40 16x40x35", "6x64x32:t 6x32x64:t", "AxBxC !AxCxD", "!AxBxC AxCxD"),
    *("1x1 1x1", "0x3 3x2", "3x0 0x2", "2x3 3x0", "70x65 65x50", "33x300*1e4 300x17*1e-6", "AxB !BxC", "!AxB BxC"),
)
op(
    "linear",
    SUMMED,
    F.linear,
    *("AxB CxB C", "AxB CxB", "AxBxC DxC D", "A:t BxA B".replace("A:t", "A"), "AxB:t CxB:t C", "AxB:v CxB:v C:v"),
    *("0x3 2x3 2", "1x1 1x1 1", "2x0 3x0 3", "64x100 33x100 33", "AxB*1e4 CxB*1e-6 C", "!AxB CxB C", "AxB !CxB !C"),
)


def attention(q, k, v, mask=None, causal=False, scale=None):
    """PyTorch takes either a mask or `is_causal`: both are one mask."""
    if causal and mask is not None:
        mask, causal = mask & torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril(), False
    return F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, scale=scale)


ATTENDED = (
    *("AxB CxB CxD", "2xAxB 2xCxB 2xCxD", "2x3xAxB 2x3xCxB 2x3xCxD", "2x5x7 2x4x7 2x4x3 causal=true", "9x5 4x5 4x3 causal=true"),
    *("1x3xAxB 2x1xCxB 3xCxD", "AxB 3xCxB CxD", "3xAxB CxB 2x1xCxD causal=true", "AxB CxB 2xCxD", "2x3xAxB 3xCxB 3xCxD"),
    *("9x5 8x5 8x3 m/9x8", "2x9x5 2x3x5 2x3x4 m/9x3", "2x3x9x5 2x3x3x5 2x3x3x4 m/2x1x9x3", "2x9x5 2x8x5 2x8x4 m/2x1x8"),
    *("2x9x5 2x8x5 2x8x4 m/8 causal=true", "2x9x5:v 2x8x5:t 2x8x4 m/2x9x8", "9x5 9x5 9x5 m/9x1"),
    *("9x5 1x5 1x3 m/9x1", "2x9x5 2x9x5 2x9x5 m/9x9 causal=true scale=0.3", "AxB CxB CxD scale=-1.5", "3x4x5 3x6x5 3x6x2 scale=0.0"),
    *("4x3x5:t 4x6x5:v 4x6x2:r", "2x4x3x5:r 2x4x6x5:t 2x4x6x2:v causal=true", "1x1 1x1 1x1", "1x1x1 1x1x1 1x1x1 causal=true"),
    *("0x3 2x3 2x4", "2x3 0x3 0x4", "0x2x3 0x4x3 0x4x2", "2x3 4x3 4x0", "!AxB CxB CxD", "AxB !CxB CxD", "AxB CxB !CxD", "!AxB !CxB CxD"),
    *("3x32x16 3x32x16 3x32x16 causal=true", "2x64x33 2x70x33 2x70x35", "150x8 600x8 600x9 m/150x600", "AxB*1e-6 CxB*1e-6 CxD*1e4"),
)
op("attention", SUMMED, attention, *ATTENDED)
# Scores of 1e4 that are far apart and exact, as all numbers are whole.
op("attention", SUMMED, attention, "9x4*10%9 8x4*10%9 8x3", "2x9x4:t*10%9 2x8x4*10%9 2x8x3 m/9x8 causal=true")
# Scores near 1e4, exact as well, and weights of any size. The gradient by q would be a sum of rounded multiples of keys of 25, of
# which only differences of 1/256 remain.
op("attention", SUMMED, attention, "!9x4*0.5+100%1 8x4*0.00390625+25%3 8x3 scale=1.0")
# Scores of 1e4 that are rounded. What all keys but one have is below the last digit of f32, and with it the gradients by q and k.
op("attention", conditioned(1e4), attention, "!2x9x5*100 !2x8x5*100 2x8x4")

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

NUMBERS = ("3x700*1+1e4 axes=[1] keepdims=false", "700x3*1+1e4 axes=[0] keepdims=true", "3x90*1e-6 axes=[1] keepdims=false")


def spread(function):
    return lambda x, axes, keepdims, ddof: function(x, axes, correction=ddof, keepdim=keepdims)


for name, function in [("var", torch.var), ("std", torch.std)]:
    for ddof in (0, 1):
        cases = ["5x7xA axes=[0] keepdims=false", "5x7xA axes=[-2] keepdims=true", "7xAxB:t axes=[0,2] keepdims=false"]
        cases += ["3x4xA:v axes=[2,1] keepdims=true", "AxBx5 axes=[0,1,2] keepdims=false", "0x3 axes=[1] keepdims=true"]
        op(name, SUMMED, spread(function), *(f"{case} ddof={ddof}" for case in (*cases, *NUMBERS)))
op("var", SUMMED, spread(torch.var), "1 axes=[0] keepdims=false ddof=0", "3x1x2 axes=[1] keepdims=false ddof=0")
# PyTorch counts nothing along no axes as along all, so there are no such cases.
EXTREME = (*(case for case in REDUCED if "axes=[]" not in case), "0x3 axes=[1] keepdims=true", "2x67*1e4 axes=[1] keepdims=false")
TIES = ("7x9%2 axes=[1] keepdims=false", "7x9:t%2 axes=[0] keepdims=true", "4x5x6%3 axes=[0,2] keepdims=false", "40%1 axes=[0] keepdims=false")
op("max", ROUNDED, lambda x, axes, keepdims: torch.amax(x, axes, keepdims), *EXTREME, *TIES)
op("min", ROUNDED, lambda x, axes, keepdims: torch.amin(x, axes, keepdims), *EXTREME, *TIES)
LARGE = ("7x9*1e4 axes=[1] keepdims=false", "7x9*1+1e4 axes=[1] keepdims=true", "7x9*1-1e4 axes=[0] keepdims=false")
op("logsumexp", SUMMED, lambda x, axes, keepdims: torch.logsumexp(x, axes, keepdims), *EXTREME, *LARGE, "7x9*1e-6 axes=[0,1] keepdims=false")
op(
    "cumsum",
    SUMMED,
    lambda x, axis: torch.cumsum(x, axis),
    *("AxB axis=0", "AxB:t axis=1", "AxBxC axis=-2", "3x4:v axis=1", "1 axis=0", "0x3 axis=0", "3x700 axis=1"),
    *("700x2*1e4 axis=0", "AxB:r*1e-6 axis=-1"),
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

op(
    "index_select",
    SUMMED,
    lambda x, ids, axis: torch.index_select(x, axis, ids),
    *("AxB iA/9 axis=0", "AxBxC iB/7 axis=1", "AxBx5:t i5/12 axis=-1", "3x4:v i4/1 axis=1", "1x3 i1/40 axis=0"),
    *("3x4 i3/0 axis=0", "3x0 i3/2 axis=0", "5*1e4 i5/300 axis=0"),
)
op(
    "gather",
    SUMMED,
    lambda x, ids, axis: torch.gather(x, axis, ids),
    *("AxB iA/9xB axis=0", "4x5x6 i5/3x7x2 axis=1", "AxB:t iB/Ax1 axis=-1", "3x4:v i4/2x9 axis=1", "5 i5/300 axis=0"),
    *("3x4 i3/0x4 axis=0", "1 i1/1 axis=0"),
)
op(
    "scatter_add",
    SUMMED,
    lambda x, ids, source, axis: torch.scatter_add(x, axis, ids, source),
    *("AxB iA/9xB 9xB axis=0", "4x5x6 i5/3x7x2 3x7x2:t axis=1", "AxB:t iB/Ax1 Ax1 axis=-1", "5*1e-6 i5/300 300:v axis=0"),
    *("!3x4 i4/2x9 2x9 axis=1", "3x4 i4/2x9 !2x9 axis=1", "3x4 i3/0x4 0x4 axis=0"),
)
op(
    "pad",
    EXACT,
    # PyTorch begins with the last axis.
    lambda x, margins, value: F.pad(x, [n for i in range(len(margins) - 2, -1, -2) for n in margins[i : i + 2]], value=value),
    *("AxB margins=[1,0,2,3] value=0.0", "AxBxC:t margins=[0,0,1,0,0,2] value=-1.5", "3:v margins=[0,4] value=2.0"),
    *("0x2 margins=[1,1,0,0] value=1.0", "1 margins=[0,0] value=1.0"),
)
op(
    "flip",
    EXACT,
    lambda x, axes: torch.flip(x, axes),
    *("AxB axes=[0]", "AxBxC axes=[-1,0]", "AxBxC:t axes=[1]", "4x5:v axes=[0,1]", "4x5:r axes=[0]", "1 axes=[0]"),
    *("0x3 axes=[0]", "s axes=[]", "AxB axes=[]"),
)
op(
    "expand",
    SUMMED,
    lambda x, shape: x.expand(shape).clone(),
    *("1x5 shape=[7,5]", "4x1x3 shape=[4,6,3]", "3:v shape=[2,3]", "1x4:r shape=[3,4]", "s shape=[2,5]", "1 shape=[0]"),
    *("3x4:t shape=[3,4]", "1 shape=[1]", "1x1 shape=[300,2]"),
)
# These are made of others.
op("squeeze", EXACT, lambda x, axis: x.squeeze(axis), "Ax1xB axis=1", "1xA:t axis=-2", "1 axis=0")
op("unsqueeze", EXACT, lambda x, axis: x.unsqueeze(axis), "AxB axis=1", "AxB:t axis=-1", "s axis=0")
STACKED = ("AxB AxB axis=1", "AxB:t AxB:v !AxB axis=-1", "s s axis=0")
op("stack", EXACT, lambda *parts, axis: torch.stack(parts, axis), *STACKED)
op(
    "split",
    EXACT,
    lambda x, axis, lengths: flat(*torch.split(x, lengths, axis)),
    *("AxBx7 axis=-1 lengths=[2,0,5]", "6x5:t axis=0 lengths=[1,3,2]", "3 axis=0 lengths=[3]"),
)

# Convolutions and pooling.
PLAIN = "stride=[1,1] padding=[0,0] dilation=[1,1] groups=1"
op(
    "conv2d",
    SUMMED,
    lambda *inputs, stride, padding, dilation, groups: F.conv2d(*inputs, None, stride, padding, dilation, groups)
    if len(inputs) == 2
    else F.conv2d(*inputs, stride, padding, dilation, groups),
    f"2x3x7x9 4x3x3x3 4 {PLAIN}",
    f"1x1x1x1 1x1x1x1 1 {PLAIN}",
    f"2x3x5x6 4x3x1x1 {PLAIN}",
    f"2x4x6x5:t 3x4x2x3:t 3 {PLAIN}",
    f"2x4x6x5:v 3x4x2x3:v 3:v {PLAIN}",
    f"0x2x4x4 3x2x3x3 3 {PLAIN}",
    f"2x3x8x8 !5x3x3x3 !5 {PLAIN}",
    f"!2x3x8x8 5x3x3x3 5 {PLAIN}",
    "2x3x8x9 5x3x3x3 5 stride=[1,1] padding=[1,1] dilation=[1,1] groups=1",
    "2x3x9x8 5x3x3x2 5 stride=[2,3] padding=[1,0] dilation=[1,1] groups=1",
    "2x2x11x12 3x2x3x3 3 stride=[1,2] padding=[2,3] dilation=[2,3] groups=1",
    "2x6x7x7 4x3x3x3 4 stride=[1,1] padding=[1,1] dilation=[1,1] groups=2",
    "2x6x7x7 12x1x3x3 stride=[2,1] padding=[1,1] dilation=[1,2] groups=6",
    "1x2x5x5 2x2x5x5 2 stride=[4,4] padding=[4,4] dilation=[1,1] groups=1",
    "2x2x5x5 3x2x2x2 3 stride=[3,3] padding=[0,0] dilation=[1,1] groups=1",
    "3x16x17x19 33x16x3x3 33 stride=[1,1] padding=[1,1] dilation=[1,1] groups=1",
    "8x3x32x32 16x3x3x3 16 stride=[1,1] padding=[1,1] dilation=[1,1] groups=1",
    "2x3x8x8*1e4 4x3x3x3*1e-6 4*1e-6 stride=[1,1] padding=[1,1] dilation=[1,1] groups=1",
)
op(
    "conv1d",
    SUMMED,
    lambda x, weight, bias, stride, padding, dilation, groups: F.conv1d(x, weight, bias, stride, padding, dilation, groups),
    "2x3x9 4x3x3 4 stride=1 padding=0 dilation=1 groups=1",
    "2x4x20:t 6x2x3:v 6 stride=2 padding=2 dilation=3 groups=2",
    "1x1x1 1x1x1 1 stride=1 padding=0 dilation=1 groups=1",
    "4x5x70 9x5x7 9 stride=1 padding=3 dilation=1 groups=1",
)
POOLS = (
    "2x3x8x8{} kernel=[2,2] stride=[2,2] padding=[0,0]",
    "2x3x7x9:t{} kernel=[2,3] stride=[1,2] padding=[0,1]",
    "1x2x9x7:v{} kernel=[3,3] stride=[2,2] padding=[1,1]",
    "2x1x5x6{} kernel=[3,2] stride=[1,1] padding=[1,1]",
    "1x1x1x1{} kernel=[1,1] stride=[1,1] padding=[0,0]",
    "0x3x4x4{} kernel=[2,2] stride=[2,2] padding=[0,0]",
    "2x3x7x7{} kernel=[2,2] stride=[3,4] padding=[0,0]",
    "3x4x33x35{} kernel=[2,2] stride=[2,2] padding=[0,0]",
    "1x2x6x6{} kernel=[6,6] stride=[1,1] padding=[0,0]",
)
op(
    "max_pool2d",
    ROUNDED,
    lambda x, kernel, stride, padding: F.max_pool2d(x, kernel, stride, padding),
    *(case.format(of) for case in POOLS for of in ("", "*1%2")),
    "2x3x8x8*1-1e4 kernel=[3,3] stride=[2,2] padding=[1,1]",
)
op(
    "avg_pool2d",
    ROUNDED,
    lambda x, kernel, stride, padding: F.avg_pool2d(x, kernel, stride, padding),
    *(case.format("") for case in POOLS),
    *("2x3x8x8*1e4 kernel=[3,3] stride=[2,2] padding=[1,1]", "2x3x8x8*1e-6 kernel=[2,2] stride=[2,2] padding=[0,0]"),
)
op(
    "adaptive_avg_pool2d",
    ROUNDED,
    lambda x, out: F.adaptive_avg_pool2d(x, out),
    *("2x3x7x9 out=[3,4]", "2x3x4x6:t out=[1,1]", "1x2x5x8:v out=[5,8]", "2x1x3x4 out=[7,5]", "1x1x1x1 out=[1,1]"),
    *("0x3x4x4 out=[2,2]", "1x2x33x17*1e4 out=[4,3]"),
)
op("max_pool1d", ROUNDED, lambda x, kernel, stride, padding: F.max_pool1d(x, kernel, stride, padding), "2x3x9:t kernel=3 stride=2 padding=1")
op("avg_pool1d", ROUNDED, lambda x, kernel, stride, padding: F.avg_pool1d(x, kernel, stride, padding), "2x3x9:t kernel=3 stride=2 padding=1")
op("adaptive_avg_pool1d", ROUNDED, lambda x, out: F.adaptive_avg_pool1d(x, out), "2x3x9:v out=4")

# Normalisation.
op(
    "layer_norm",
    SUMMED,
    lambda x, weight, bias, eps: F.layer_norm(x, x.shape[-1:], weight, bias, eps),
    *(f"{case} eps=1e-5" for case in ("5x7 7 7", "AxBx9:t 9 9", "4x9:v 9:v 9", "0x3 3 3", "7 7 7", "!3x1 1 1", "3x5 !5 !5")),
    *(f"{case} eps=1e-5" for case in ("!3x5 5 5", "5x67 67 67", "5x67*1e4 67 67", "5x67*1e-6 67 67", "5x67*1+1e4 67 67")),
    "5x7 7 7 eps=0.1",
)


def batch_norm(x, weight, bias, eps):
    """With the statistics, which have no gradient."""
    axes = [axis for axis in range(x.dim()) if axis != 1]
    statistics = torch.mean(x, axes), torch.var(x, axes, correction=0)
    return flat(F.batch_norm(x, None, None, weight, bias, True, 0.0, eps), *(s.detach() for s in statistics))


op(
    "batch_norm",
    SUMMED,
    batch_norm,
    *(f"{case} eps=1e-5" for case in ("7x5 5 5", "7x5:t 5:v 5", "4x3x9:r 3 3", "4x3x5x6 3 3", "4x3x5x6:t 3 3", "!2x1 1 1")),
    *(f"{case} eps=1e-5" for case in ("1x3x9:v 3 3", "8x5 !5 !5", "!8x5 5 5", "67x5 5 5", "2x16x9x9 16 16", "3x40x7 40 40")),
    *(f"{case} eps=1e-5" for case in ("67x5*1e4 5 5", "67x5*1e-6 5 5", "67x5*1+1e4 5 5", "4x3x5x6*1+1e4 3 3")),
    *("7x5 5 5 eps=0.1", "2x1 1 1 eps=0.5"),
)
op(
    "batch_norm_with",
    ROUNDED,
    lambda x, weight, bias, mean, var, eps: F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps),
    *("7x5 5 5 !5 !5*0.9+1 eps=1e-5", "7x5:t 5:v 5 !5 !5*0.9+1 eps=1e-5", "4x3x9:r 3 3 !3 !3*0.9+1 eps=1e-5"),
    *("0x3 3 3 !3 !3*0.9+1 eps=1e-5", "1x1 1 1 !1 !1*0.9+1 eps=0.1", "!4x3x5 3 3 !3 !3*0.9+1 eps=1e-5"),
    "2x3x5x6*1+1e4 3 3 !3*1+1e4 !3*0.9+1 eps=1e-5",
)

# What training is made of.
op(
    "dropout",
    ROUNDED,
    lambda x, bits, p: x * torch.where(bits < int(p * 2**32), 0.0, 1 / (1 - p)),
    *(f"{x} b/{x.split(':')[0]} p={p}" for x, p in [("9x11", 0.5), ("7x5:t", 0.2), ("4x3:v", 0), ("s", 0.5), ("0x2", 0.1)]),
)
PAIRS = (
    *("AxB{0} AxB{0}", "AxBxC:t{0} AxBxC:v{0}", "AxB:r{0} !AxB{0}", "!AxB{0} AxB{0}", "s{0} s{0}", "1{0} 1{0}", "700{0} 700{0}"),
)
op("mse", SUMMED, F.mse_loss, *(case.format("") for case in PAIRS), "AxB*1e4 AxB", "AxB*1e-6 AxB*1e-6", "0 0")
# Of differences of numbers near 1e4, the 24 bits of which are all there is.
op("mse", SUMMED, F.mse_loss, "700*1+1e4 700*1+1e4")
op("huber", SUMMED, lambda x, y, delta: F.huber_loss(x, y, delta=delta), *(f"{case.format('')} delta=0.7" for case in PAIRS))
op("huber", SUMMED, lambda x, y, delta: F.huber_loss(x, y, delta=delta), "9x7*1e4 9x7 delta=1.0", "9x7*1e-6 9x7*1e-6 delta=1.0")


def quantile(x, target, q):
    """The pinball loss, for which PyTorch has no name."""
    d = target - x
    return torch.maximum(q * d, (q - 1) * d).mean()


op("quantile", SUMMED, quantile, *(f"{case.format('')} q=0.9" for case in PAIRS), "9x7*1e4 9x7 q=0.25", "9x7*1e-6 9x7*1e-6 q=0.5")
PROBABLE = ("AxB*4 AxB*0.5+0.5", "AxB:t*4 AxB:v*0.5+0.5", "AxB:r*4 !AxB*0.5+0.5", "!AxB AxB*0.5+0.5", "s s*0.5+0.5", "1 1*0.5+0.5")
op(
    "bce_with_logits",
    SUMMED,
    F.binary_cross_entropy_with_logits,
    *(*PROBABLE, "700*4 !700*0.5+0.5%1", "9x67*1e4 9x67*0.5+0.5", "9x67*1e-6 9x67*0.5+0.5", "9x67*5-20 !9x67*0.5+0.5%1"),
)
op(
    "embedding",
    SUMMED,
    lambda weight, ids: F.embedding(ids, weight),
    *("AxB iA/9", "AxB:t iA/3x4", "5x4:v i5/2x3x2", "7x3 i7/s", "1x1 i1/1", "5x3 i5/0", "4x0 i4/3", "9x65 i9/40x30"),
)


# Classification.
ALONG = (
    "AxB*4 axis=1",
    "AxB:t*4 axis=0",
    "AxBxC*4 axis=1",
    "5x67*4 axis=-1",
    "67x5*4 axis=0",
    "4x9:v*4 axis=-1",
    "AxBx5:r*4 axis=0",
    "1 axis=0",
    "3x1 axis=1",
    "0x3 axis=1",
    "3x0 axis=1",
    "7x9*1+1e4 axis=1",
    "7x9*1e-6 axis=0",
    "7x9*1-1e4 axis=0",
)
op("softmax", ROUNDED, lambda x, axis: torch.softmax(x, axis), *ALONG)
# The only gradient that is not all but 0 is of a row with a probability of 1 - 3e-5, and is in proportion to those 3e-5.
op("softmax", conditioned(3e4), lambda x, axis: torch.softmax(x, axis), "7x9*1e4 axis=1")
op("log_softmax", SUMMED, lambda x, axis: torch.log_softmax(x, axis), *ALONG, "7x9*1e4 axis=1")


def class_loss(function):
    def loss(x, ids, weights=None, smoothing=0.0, ignore=-100):
        # PyTorch refuses some views.
        return function(x.contiguous(), ids, weights, smoothing, ignore)

    return loss


def smoothed_nll(x, ids, weights, smoothing, ignore):
    """PyTorch smooths in its cross entropy only. That of logarithms of probabilities is this."""
    assert smoothing == 0.0
    return F.nll_loss(x, ids, weights, ignore_index=ignore)


LABELLED = (
    *("7x5{0} i5/7", "7x5:t{0} i5/7", "4x6x3{0} i6/4x3", "4x6x3x2:t{0} i6/4x3x2", "7x5{0} i5/7 !5*0.9+1"),
    *("9x4:v{0} i4/9 ignore=1", "9x4{0} i4/9 !4*0.9+1 ignore=2", "1x1{0} i1/1", "3x1{0} i1/3", "40x67{0} i67/40"),
)
SMOOTHED = (
    *("7x5*4 i5/7 smoothing=0.1", "4x6x3*4 i6/4x3 !6*0.9+1 smoothing=0.3", "9x4*4 i4/9 !4*0.9+1 smoothing=0.2 ignore=0"),
    *("7x5*4 i5/7 smoothing=1.0", "9x67*1e4 i67/9 smoothing=0.1"),
)
op("nll", SUMMED, class_loss(smoothed_nll), *(case.format("*4-5") for case in LABELLED))
op(
    "cross_entropy",
    SUMMED,
    class_loss(lambda x, ids, w, smoothing, ignore: F.cross_entropy(x, ids, w, ignore_index=ignore, label_smoothing=smoothing)),
    *(case.format("*4") for case in LABELLED),
    *("7x5*1e4 i5/7", "7x5*1+1e4 i5/7", "7x5*1e-6 i5/7", "40x67*1e4 i67/40 !67*0.9+1"),
    *SMOOTHED,
)

def recurrent(kind, x, weights, state, steps, reverse):
    """PyTorch's own module. The reverse direction is the second half of its bidirectional one."""
    hidden = weights[1].shape[1]
    module = kind(x.shape[2], hidden, batch_first=True, bidirectional=reverse, dtype=torch.float64)
    suffix = "_reverse" if reverse else ""
    named = {name: torch.zeros_like(value) for name, value in module.named_parameters()}
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    named |= {f"{name}_l0{suffix}": value for name, value in zip(names, weights)}
    state = tuple(torch.stack([torch.zeros_like(s), s] if reverse else [s]) for s in state) or (None,)
    y, last = torch.func.functional_call(module, named, (x, state if len(state) > 1 else state[0]))
    y = y[..., -hidden:]
    if steps == "last":
        # What the direction ends with.
        y = y[:, :1] if reverse else y[:, -1:]
    last = last if isinstance(last, tuple) else (last,)
    return flat(y, *(s[-1] for s in last))


def lstm(x, w_ih, w_hh, bias, *state, steps, reverse=False):
    return recurrent(nn.LSTM, x, (w_ih, w_hh, bias), state, steps, reverse)


def lstm_case(batch, time, inputs, hidden, state, x="", options="", weights=""):
    shapes = [f"{4 * hidden}x{inputs}{weights}*0.5", f"{4 * hidden}x{hidden}{weights}*0.5", f"{4 * hidden}{weights}*0.5"]
    return " ".join([f"{batch}x{time}x{inputs}{x}", *shapes] + [f"{batch}x{hidden}"] * (2 * state) + [options])


ALL, LAST = 'steps="all"', 'steps="last"'
op(
    "lstm",
    SUMMED,
    lstm,
    lstm_case(3, 5, 2, 4, False, options=ALL),
    lstm_case(3, 5, 2, 4, True, ":t", options=ALL),
    lstm_case(3, 5, 2, 4, True, ":v", options=LAST),
    lstm_case(1, 1, 1, 1, False, options=LAST),
    lstm_case(5, 40, 3, 19, True, options=LAST),
    lstm_case(2, 3, 2, 3, False, "*1e4", options=ALL),
    lstm_case(2, 3, 2, 3, False, "*1e-6", options=ALL),
    lstm_case(3, 5, 2, 4, False, options=f"{ALL} reverse=true"),
    lstm_case(3, 5, 2, 4, True, ":t", options=f"{ALL} reverse=true", weights=":t"),
    lstm_case(3, 5, 2, 4, True, ":r", options=f"{LAST} reverse=true", weights=":v"),
    lstm_case(1, 1, 1, 1, True, options=f"{LAST} reverse=true"),
    lstm_case(0, 3, 2, 2, True, options=f"{ALL} reverse=true"),
    lstm_case(5, 40, 3, 19, True, options=f"{ALL} reverse=true"),
    lstm_case(2, 3, 2, 3, False, "*30", options=f"{ALL} reverse=true"),
    # Zeros among the large, since where all gates have closed nothing is left of a gradient but rounding.
    lstm_case(7, 4, 2, 3, False, "*1e4%1", options=f"{ALL} reverse=true"),
)


def gru(x, w_ih, w_hh, b_ih, b_hh, *state, steps, reverse=False):
    return recurrent(nn.GRU, x, (w_ih, w_hh, b_ih, b_hh), state, steps, reverse)


def gru_case(batch, time, inputs, hidden, state, x="", options="", weights=""):
    rows = 3 * hidden
    shapes = [f"{rows}x{inputs}{weights}*0.5", f"{rows}x{hidden}{weights}*0.5", f"{rows}{weights}*0.5", f"{rows}*0.5"]
    return " ".join([f"{batch}x{time}x{inputs}{x}", *shapes] + [f"{batch}x{hidden}"] * state + [options])


for way in ("", " reverse=true"):
    op(
        "gru",
        SUMMED,
        gru,
        gru_case(3, 5, 2, 4, False, options=ALL + way),
        gru_case(3, 5, 2, 4, True, ":t", options=ALL + way, weights=":t"),
        gru_case(3, 5, 2, 4, True, ":v", options=LAST + way, weights=":v"),
        gru_case(3, 5, 2, 4, True, ":r", options=LAST + way),
        gru_case(1, 1, 1, 1, False, options=LAST + way),
        gru_case(1, 1, 1, 1, True, options=ALL + way),
        gru_case(0, 3, 2, 2, True, options=ALL + way),
        gru_case(2, 3, 1, 5, True, options=ALL + way),
        gru_case(19, 33, 2, 3, True, options=ALL + way),
        gru_case(5, 40, 3, 19, True, options=LAST + way),
        gru_case(2, 3, 2, 3, False, "*30", options=ALL + way),
        gru_case(7, 4, 2, 3, True, "*1e4%1", options=ALL + way),
        gru_case(2, 3, 2, 3, True, "*1e-6", options=ALL + way),
    )
