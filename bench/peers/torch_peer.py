"""PyTorch on the CPU: `single`, `foreach` or `fused`."""

import sys

import torch
from serve import Server, first_values

FLAVOUR = sys.argv[1]
DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


class Runner:
    def __init__(self, request):
        dtype, rule = DTYPES[request["dtype"]], request["rule"]
        parameters, gradients = first_values(request["shapes"])
        self.parameters = [torch.from_numpy(one).to(dtype) for one in parameters]
        for parameter, gradient in zip(self.parameters, gradients):
            parameter.grad = torch.from_numpy(gradient).to(dtype)
        self.threads = request["threads"]
        self.max_norm = rule.get("maxNorm")
        self.optimizer = torch.optim.SGD(
            self.parameters,
            lr=rule["learningRate"],
            momentum=rule["momentum"],
            dampening=rule["dampening"],
            weight_decay=rule["weightDecay"],
            nesterov=rule["nesterov"],
            **({FLAVOUR: True} if FLAVOUR != "single" else {"foreach": False}),
        )
        if rule["momentum"] > 0:  # by itself it would take the first gradient undampened
            for parameter in self.parameters:
                self.optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    def step(self):
        torch.set_num_threads(self.threads)
        if self.max_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.max_norm)
        self.optimizer.step()

    def ready(self):
        pass  # every operation is done when its call returns

    def leaves(self):
        return [parameter.to(torch.float64).numpy() for parameter in self.parameters]


Server(torch.__version__, Runner).serve()
