"""What is kept of a tensor: few numbers that every entry and its place have a share in."""


def number(x):
    return f"{x:.10g}"


def digest(values, numbers, weights=None):
    """What is kept of a tensor."""
    values = values.detach().flatten()
    weights = numbers.tensor(values.shape) if weights is None else weights
    samples = [values[numbers.below(len(values))] for _ in range(3)] if len(values) else []
    return " ".join(number(float(x)) for x in (values @ weights, values.norm(), *samples))
