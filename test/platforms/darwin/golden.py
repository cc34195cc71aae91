"""The values of test/fixtures, and comparison to the bit."""

import base64
import json
import struct
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
FILES = ["sgd-float32", "sgd-float64", "sgd-float16", "sgd-bfloat16", "special-float32"]

# How to read one element as an unsigned number, and the largest magnitude of it that is no NaN.
FORMS = {
    "float32": ("I", 0x7FFFFFFF, 0x7F800000),
    "float64": ("Q", 0x7FFFFFFFFFFFFFFF, 0x7FF0000000000000),
    "float16": ("H", 0x7FFF, 0x7C00),
    "bfloat16": ("H", 0x7FFF, 0x7F80),
}


def decoded(text):
    return None if text is None else base64.b64decode(text)


def golden_cases():
    """Every case of one leaf; arrays are bytes."""
    for name in FILES:
        for case in json.loads((FIXTURES / f"{name}.json").read_text()):
            case["meets_subnormals"] = name.startswith("special")
            case["parameter"] = decoded(case["parameter"])
            case["steps"] = [
                (rate, decoded(gradient), decoded(expected["parameter"]), decoded(expected["v"]))
                for rate, gradient, expected in zip(case["learningRate"], case["gradients"], case["expected"])
            ]
            yield case


def repeated(data, item_bytes, begin, count):
    """`count` elements from `begin` on of an endless repetition: elements don't see each other."""
    if data is None:
        return None
    begin = begin * item_bytes % len(data)
    times = (begin + count * item_bytes) // len(data) + 1
    return (data * times)[begin : begin + count * item_bytes]


def difference(dtype, actual, expected):
    """The first element whose bits differ, in words; None if none does. Any NaN equals any NaN."""
    if actual == expected:
        return None
    if len(actual) != len(expected):
        return f"{len(actual)} bytes instead of {len(expected)}"
    form, magnitude, infinity = FORMS[dtype]
    count = len(actual) // struct.calcsize(form)
    pairs = zip(struct.unpack(f"<{count}{form}", actual), struct.unpack(f"<{count}{form}", expected))
    for i, (got, wanted) in enumerate(pairs):
        both_nan = got & magnitude > infinity and wanted & magnitude > infinity
        if got != wanted and not both_nan:
            return f"element {i} of {count}: bits {got:#x} instead of {wanted:#x}"
    return None
