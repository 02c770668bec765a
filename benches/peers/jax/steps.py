"""Times JAX, the whole step compiled as one: steps.py WORKLOAD --seconds S --threads N."""

import os
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from steps import arguments, classes, measure, numbers

ARGS = arguments()
# XLA's own pool has one thread for each processor that the process may use; Eigen's is switched by a flag.
os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: ARGS.threads]))
if ARGS.threads == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false " + os.environ.get("XLA_FLAGS", "")
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
from jax import lax, nn, random


def uniform(key, shape, fan_in):
    return random.uniform(key, shape, minval=-1, maxval=1) / fan_in**0.5


def dense_init(key, inputs, outputs):
    keys = random.split(key)
    return {"w": uniform(keys[0], (inputs, outputs), inputs), "b": uniform(keys[1], (outputs,), inputs)}


def dense(p, x):
    return x @ p["w"] + p["b"]


def lstm_init(key, inputs, hidden):
    keys = random.split(key, 3)
    return {
        "wx": uniform(keys[0], (inputs, 4 * hidden), hidden),
        "wh": uniform(keys[1], (hidden, 4 * hidden), hidden),
        "b": uniform(keys[2], (4 * hidden,), hidden),
    }


def lstm(p, x):
    """All hidden states, time first. The inputs are projected in one product before the loop."""
    hidden = p["wh"].shape[0]
    projected = x.transpose(1, 0, 2) @ p["wx"] + p["b"]
    zeros = jnp.zeros((x.shape[0], hidden))

    def step(state, projected):
        h, c = state
        i, f, g, o = jnp.split(projected + h @ p["wh"], 4, axis=-1)
        c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
        h = nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    return lax.scan(step, (zeros, zeros), projected)


def forecaster_init(key, inputs, hidden):
    keys = random.split(key)
    return {"lstm": lstm_init(keys[0], inputs, hidden), "out": dense_init(keys[1], hidden, 1)}


def forecaster(p, x, key):
    (h, _), _ = lstm(p["lstm"], x)
    if key is not None:
        h = jnp.where(random.bernoulli(key, 0.8, h.shape), h / 0.8, 0)
    return dense(p["out"], h)


def mlp_init(key):
    return [dense_init(k, i, o) for k, i, o in zip(random.split(key, 3), (784, 256, 128), (256, 128, 10))]


def mlp(p, x, _):
    return dense(p[2], nn.relu(dense(p[1], nn.relu(dense(p[0], x)))))


def conv_init(key, inputs, outputs):
    keys = random.split(key)
    fan_in = 9 * inputs
    return {"w": uniform(keys[0], (3, 3, inputs, outputs), fan_in), "b": uniform(keys[1], (outputs,), fan_in)}


def cnn_init(key):
    keys = random.split(key, 3)
    return {"c1": conv_init(keys[0], 3, 16), "c2": conv_init(keys[1], 16, 32), "out": dense_init(keys[2], 2048, 10)}


def cnn(p, x, _):
    """Channels last."""

    def block(p, x):
        y = lax.conv_general_dilated(x, p["w"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        y = nn.relu(y + p["b"])
        return lax.reduce_window(y, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    return dense(p["out"], block(p["c2"], block(p["c1"], x)).reshape(x.shape[0], -1))


def audio_init(key):
    keys = random.split(key, 3)
    table = random.uniform(keys[0], (256, 64), minval=-1, maxval=1)
    return {"table": table, "lstm": lstm_init(keys[1], 64, 256), "out": dense_init(keys[2], 256, 256)}


def audio(p, x, _):
    _, h = lstm(p["lstm"], p["table"][x])
    # Time first: the targets are laid out so, too.
    return dense(p["out"], h).reshape(-1, 256)


def tiny_init(key):
    keys = random.split(key)
    return [dense_init(keys[0], 4, 16), dense_init(keys[1], 16, 1)]


def tiny(p, x, _):
    return dense(p[1], jnp.tanh(dense(p[0], x)))


def attention_init(key):
    return [dense_init(k, 128, 128) for k in random.split(key, 4)]


def attention(p, x, _):
    q, k, v = (dense(layer, x) for layer in p[:3])
    weights = nn.softmax(q @ k.transpose(0, 2, 1) / 128**0.5, axis=-1)
    return dense(p[3], weights @ v)


def mse(y, target):
    return jnp.mean((y - target) ** 2)


def cross_entropy(y, target):
    return -jnp.mean(jnp.take_along_axis(nn.log_softmax(y), target[:, None], 1))


def floats(*shape):
    return jnp.array(numbers(shape), dtype=jnp.float32).reshape(shape)


def labels(count, *shape):
    return jnp.array(classes(shape, count), dtype=jnp.int32).reshape(shape)


def workload(name):
    """Parameters, forward pass, loss, one batch and its targets."""
    key = random.key(1)
    if name in ("W1", "W1f"):
        return forecaster_init(key, 11, 100), forecaster, mse, floats(32, 60, 11), floats(32, 1)
    if name == "W2":
        return forecaster_init(key, 10, 128), forecaster, mse, floats(32, 168, 10), floats(32, 1)
    if name in ("W3", "W3f"):
        return mlp_init(key), mlp, cross_entropy, floats(64, 784), labels(10, 64)
    if name == "W4":
        x = floats(64, 3, 32, 32).transpose(0, 2, 3, 1)
        return cnn_init(key), cnn, cross_entropy, x, labels(10, 64)
    if name == "W5":
        y = labels(256, 32 * 128).reshape(32, 128).T.reshape(-1)
        return audio_init(key), audio, cross_entropy, labels(256, 32, 128), y
    if name == "W6":
        return tiny_init(key), tiny, mse, floats(8, 4), floats(8, 1)
    if name == "W7":
        return attention_init(key), attention, mse, floats(32, 64, 128), floats(32, 64, 128)
    raise SystemExit(f"no workload {name}")


def adam(params, grads, first, second, count):
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
    rate, scale = 1e-3 / (1 - 0.9**count), (1 - 0.999**count) ** -0.5
    step = lambda p, m, v: p - rate * m / (jnp.sqrt(v) * scale + 1e-8)
    return jax.tree.map(step, params, first, second), first, second


def main():
    name = ARGS.workload
    params, model, loss_of, x, y = workload(name)
    if name.endswith("f"):
        run = jax.jit(lambda params, x: model(params, x, None))

        def step():
            return run(params, x).block_until_ready()
    else:

        @partial(jax.jit, donate_argnums=0)
        def train(state, x, y):
            params, first, second, count, key = state
            key, now = random.split(key)
            loss, grads = jax.value_and_grad(lambda p: loss_of(model(p, x, now), y))(params)
            params, first, second = adam(params, grads, first, second, count)
            return (params, first, second, count + 1, key), loss

        zeros = [jax.tree.map(jnp.zeros_like, params) for _ in range(2)]
        # Not the default generator, but XLA's own, which computes less.
        state = (params, *zeros, jnp.float32(1), random.key(2, impl="rbg"))

        def step():
            nonlocal state
            state, loss = train(state, x, y)
            return loss.block_until_ready()

    measure(name, step, lambda value: float(value.mean()), ARGS.seconds)


main()
