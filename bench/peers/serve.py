"""The protocol of a peer in Python (PROTOCOL.md)."""

import json
import signal
import sys
import time

import numpy as np

HASH_FACTOR = 2654435761


def first_values(shapes):
    """Parameters and gradients in float32, as `fill` in bench/values.ts."""
    parameters, gradients, first = [], [], 0
    for shape in shapes:
        count = int(np.prod(shape, dtype=np.int64))
        numbers = np.arange(first, first + count, dtype=np.uint64)
        hashes = (numbers * HASH_FACTOR & 0xFFFFFFFF).astype(np.int64)
        parameters.append((((hashes >> 24) - 128) / 256).astype(np.float32).reshape(shape))
        gradients.append(((2 * ((hashes >> 16) & 127) - 127) / 8192).astype(np.float32).reshape(shape))
        first += count
    return parameters, gradients


def some_values(leaves):
    """Of every so manieth element, 64 at most, as `someValues` in bench/values.ts; leaves are numpy arrays."""
    total = sum(leaf.size for leaf in leaves)
    every = -(-total // 64)
    values, number = [], 0
    for leaf in leaves:
        first = -number % every
        values += [float(value) for value in leaf.reshape(-1)[first::every]]
        number += leaf.size
    return values


class Server:
    """`make(request)` gives what has `step()`, `ready()` and `leaves()`, or a string that says why not."""

    def __init__(self, version, make):
        self.version = version
        self.make = make
        self.opened = {}

    def hello(self, request):
        return {"version": self.version}

    def open(self, request):
        runner = self.make(request)
        if isinstance(runner, str):
            return {"no": runner}
        self.opened[request["slot"]] = runner
        return {}

    def time(self, request):
        runner = self.opened[request["slot"]]
        start = time.perf_counter_ns()
        for _ in range(request["steps"]):
            runner.step()
        runner.ready()
        return {"nanoseconds": time.perf_counter_ns() - start}

    def values(self, request):
        return {"values": some_values(self.opened[request["slot"]].leaves())}

    def close(self, request):
        self.opened.pop(request["slot"], None)
        return {}

    def serve(self):
        """Until the input ends."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the asking process's
        answers = {"hello": self.hello, "open": self.open, "time": self.time, "values": self.values, "close": self.close}
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = answers[request["do"]](request)
            except Exception as error:  # whatever it is, it is told
                answer = {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
            print(json.dumps(answer), flush=True)
