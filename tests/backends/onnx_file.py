"""Small real ONNX files, written field by field so that no test needs the library that exports networks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, content: bytes | int | str) -> bytes:
    """One field of the protobuf wire format."""
    if isinstance(content, int):
        return _varint(number << 3) + _varint(content)
    payload = content.encode() if isinstance(content, str) else content
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _value(name: str, axes: tuple[str | int, ...]) -> bytes:
    """A float input or output of the graph."""
    dimensions = b"".join(_field(1, _field(1, a) if isinstance(a, int) else _field(2, a)) for a in axes)
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, dimensions)))


def _node(kind: str, inputs: tuple[str, ...], output: str, axis: int | None = None) -> bytes:
    attribute = b"" if axis is None else _field(5, _field(1, "axis") + _field(3, axis) + _field(20, 2))
    return b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(4, kind) + attribute


def _constant(name: str, values: NDArray[np.float32]) -> bytes:
    dimensions = b"".join(_field(1, n) for n in values.shape)
    return dimensions + _field(2, 1) + _field(8, name) + _field(9, values.astype("<f4").tobytes())


def _model(nodes: list[bytes], constants: list[bytes], inputs: list[bytes], outputs: list[bytes]) -> bytes:
    parts = [_field(1, node) for node in nodes] + [_field(2, "tiny")] + [_field(5, c) for c in constants]
    graph = b"".join([*parts, *(_field(11, v) for v in inputs), *(_field(12, v) for v in outputs)])
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13))


def softmax_model() -> bytes:
    """One Softmax over three channels, of any batch."""
    axes = ("n", 3, "x")
    return _model([_node("Softmax", ("in",), "out", 1)], [], [_value("in", axes)], [_value("out", axes)])


def muscle_model(classes: int, levels: int, pixels: int) -> bytes:
    """Interface of the muscle network: a 1x1 convolution for the classes, a mean over the image for the levels."""
    generator = np.random.default_rng(0)
    by_class = generator.normal(0.0, 1.0, (classes, 3, 1, 1)).astype(np.float32)
    by_level = generator.normal(0.0, 1.0, (levels, 3, 1, 1)).astype(np.float32)
    nodes = [
        _node("Conv", ("image", "w"), "classes"),
        _node("GlobalAveragePool", ("image",), "mean"),
        _node("Conv", ("mean", "v"), "four"),
        _node("Flatten", ("four",), "level", 1),
    ]
    outputs = [_value("classes", ("n", classes, pixels, pixels)), _value("level", ("n", levels))]
    constants = [_constant("w", by_class), _constant("v", by_level)]
    return _model(nodes, constants, [_value("image", ("n", 3, pixels, pixels))], outputs)
