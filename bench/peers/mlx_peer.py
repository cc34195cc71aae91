"""MLX, on its default device: `default`, or `compiled` with state donated to the compiled step."""

import sys

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
from importlib.metadata import version
from serve import Server, first_values

FLAVOUR = sys.argv[1]
DTYPES = {"float32": mx.float32, "float16": mx.float16, "bfloat16": mx.bfloat16}

MOST_COMPILED = 10_000  # leaves; beyond, compiling takes minutes

mx.set_cache_limit(1 << 40)


class Runner:
    def __init__(self, request):
        dtype, rule = DTYPES[request["dtype"]], request["rule"]
        parameters, gradients = first_values(request["shapes"])
        names = [f"w{i}" for i in range(len(parameters))]
        self.model = {name: mx.array(one).astype(dtype) for name, one in zip(names, parameters)}
        self.gradients = {name: mx.array(one).astype(dtype) for name, one in zip(names, gradients)}
        mx.eval(self.model, self.gradients)
        self.optimizer = optim.SGD(
            learning_rate=rule["learningRate"],
            momentum=rule["momentum"],
            weight_decay=rule["weightDecay"],
            dampening=rule["dampening"],
            nesterov=rule["nesterov"],
        )
        self.max_norm = rule.get("maxNorm")
        self.optimizer.init(self.model)
        self.state = [self.model, self.optimizer.state]
        self.update = self.apply
        if FLAVOUR == "compiled":
            self.update = mx.compile(self.apply, inputs=self.state, outputs=self.state)

    def apply(self, gradients):
        if self.max_norm is not None:
            gradients, _ = optim.clip_grad_norm(gradients, self.max_norm)
        self.model.update(self.optimizer.apply_gradients(gradients, self.model))

    def step(self):
        self.update(self.gradients)
        mx.eval(self.state)

    def ready(self):
        mx.synchronize()

    def leaves(self):
        return [np.array(one.astype(mx.float32)) for one in self.model.values()]


def make(request):
    if request["dtype"] not in DTYPES:
        return f"it has no {request['dtype']} on every device"
    if FLAVOUR == "compiled" and len(request["shapes"]) > MOST_COMPILED:
        return f"it compiles {MOST_COMPILED} leaves at most in a reasonable time"
    return Runner(request)


Server(version("mlx"), make).serve()
