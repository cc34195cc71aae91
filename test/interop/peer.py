"""The other side of the interop tests: real MLX and the reference safetensors. Takes a request as JSON, answers as JSON."""

import base64
import ctypes
import json
import sys

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
import safetensors
from mlx.utils import tree_flatten, tree_unflatten

mx.set_default_device(mx.cpu)


def bits(array):
    """The elements' bytes; numpy knows no bfloat16."""
    if array.dtype in (mx.bfloat16, mx.float16):
        array = array.view(mx.uint16)
    return base64.b64encode(np.array(array).tobytes()).decode()


def flat(tree):
    return {name: bits(array) for name, array in tree_flatten(tree)}


def array(tensor):
    """A float32 array as test/fixtures/tree.json has it."""
    data = np.frombuffer(base64.b64decode(tensor["data"]), np.float32)
    return mx.array(data.reshape(tensor["shape"]))


def gradients(step):
    return tree_unflatten([(name, array(tensor)) for name, tensor in step["gradients"].items()])


def reference(path):
    """What the reference implementation reads, bytes as they are."""
    with open(path, "rb") as file:
        tensors = safetensors.deserialize(file.read())
    entries = {n: [t["dtype"], t["shape"], base64.b64encode(t["data"]).decode()] for n, t in tensors}
    with safetensors.safe_open(path, "np") as file:
        return {"tensors": entries, "metadata": file.metadata()}


def accepts(paths):
    """Which files the reference implementation takes, but for dtypes that a later one may have."""
    answers = []
    for path in paths:
        try:
            with open(path, "rb") as file:
                safetensors.deserialize(file.read())
            answers.append(True)
        except safetensors.SafetensorError as error:
            answers.append("unknown variant" in str(error))
    return answers


def load(path):
    """What MLX reads, by name; or its error."""
    try:
        return {"tensors": {name: bits(array) for name, array in mx.load(path).items()}}
    except RuntimeError as error:
        return {"error": str(error)}


def train(tree, steps, state=None, parameters=None):
    """Steps of MLX's SGD from a state, or from the beginning: parameters and state after them."""
    options = tree["options"]
    optimizer = optim.SGD(
        tree["learningRate"], options["momentum"], options["weightDecay"], options["dampening"], options["nesterov"]
    )
    if state is None:
        parameters = tree_unflatten([(name, array(tensor)) for name, tensor in tree["parameters"].items()])
        optimizer.init(parameters)
    else:
        optimizer.state = state
    for step in steps:
        optimizer.learning_rate = step["learningRate"]
        updated = dict(tree_flatten(optimizer.apply_gradients(gradients(step), parameters)))
        parameters = tree_unflatten([(n, updated.get(n, w)) for n, w in tree_flatten(parameters)])
    return parameters, optimizer.state


def resume(path, tree, start):
    """Takes up a checkpoint of ours, without a rename, and goes on."""
    state = tree_unflatten(list(mx.load(path).items()))
    parameters = state.pop("parameters")
    parameters, state = train(tree, tree["steps"][start:], state, parameters)
    return {"parameters": flat(parameters), "state": flat(state), "step": state["step"].item()}


def save(folder, tree, count):
    """What a user of MLX saves after some steps."""
    parameters, state = train(tree, tree["steps"][:count])
    mx.save_safetensors(f"{folder}/state.safetensors", dict(tree_flatten(state)))
    mx.save_safetensors(f"{folder}/parameters.safetensors", dict(tree_flatten(parameters)), {"by": "mlx"})
    return {}


def weights(path):
    """Loads a file of ours into a module, strictly, as users do."""
    model = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    model.load_weights(path)
    return flat(model.parameters())


def structure(path):
    """The tree that MLX sees: types of branches, and what stands at the top."""
    tree = tree_unflatten(list(mx.load(path).items()))
    return {"top": sorted(tree), "step": tree["step"].item(), "layers": type(tree["layers"]).__name__}


def spec(dtype):
    """A tensor of the reference implementation. It takes only the length that fits."""
    for length in (4, 8, 16, 32, 64):
        buffer = ctypes.create_string_buffer(length)
        tensor = safetensors.TensorSpec(dtype=dtype, shape=[8], data_ptr=ctypes.addressof(buffer), data_len=length)
        try:
            safetensors.serialize({"other": tensor})
            return tensor, buffer
        except safetensors.SafetensorError:
            continue
    raise ValueError(dtype)


def supported():
    """The dtypes that the reference implementation writes, in its own words."""
    try:
        safetensors.TensorSpec(dtype="", shape=[], data_ptr=0, data_len=0)
    except safetensors.SafetensorError as error:
        return str(error).split("Supported dtypes: ")[1].split(", ")


def dtypes(folder):
    """A file for each dtype that the reference implementation writes, and for each that MLX does: paths by dtype."""
    paths = {}
    for dtype in supported():
        paths[f"the reference's {dtype}"] = path = f"{folder}/{dtype}.safetensors"
        other, other_buffer = spec(dtype)
        known, known_buffer = spec("float32")
        safetensors.serialize_file({"known": known, "other": other}, path)
        del other_buffer, known_buffer
    for name, dtype in vars(mx).items():
        if isinstance(dtype, mx.Dtype) and dtype != mx.float64:  # "received invalid dtype"
            paths[f"MLX's {name}"] = path = f"{folder}/mlx-{name}.safetensors"
            mx.save_safetensors(path, {"known": mx.zeros(8), "other": mx.zeros(8, dtype)})
    return paths


def frozen(folder, tree, count):
    """What a user of MLX saves whose model has frozen arrays: MLX keeps no velocity for them."""
    names = [name for name in tree["parameters"] if not name.startswith("layers.0")]
    trained = {**tree, "parameters": {name: tree["parameters"][name] for name in names}}
    steps = [{**s, "gradients": {n: g for n, g in s["gradients"].items() if n in names}} for s in tree["steps"]]
    parameters, state = train(trained, steps[:count])
    mx.save_safetensors(f"{folder}/state.safetensors", dict(tree_flatten(state)))
    return flat(parameters)


request = json.load(sys.stdin)
print(json.dumps(globals()[request["call"]](*request["arguments"])))
