"""Node-API's promises and thread-safe functions, and what they need: the part of Node that asynchronous steps use."""

from dataclasses import dataclass, field

from node_api import ENVIRONMENT, OK


@dataclass(eq=False)
class Promise:
    is_resolved: bool = False


@dataclass(eq=False)
class ThreadsafeFunction:
    callback: int
    context: int
    keeps_loop: bool = True
    calls: list = field(default_factory=list)


class EventLoop:
    def __init__(self, machine, api):
        self.machine, self.api = machine, api
        self.promises, self.threadsafe = [None], [None]  # a handle is an index, and never 0
        self.references = {}
        self.cleanup_hooks = []

    def functions(self):
        return {f"_{name}": getattr(self, name) for name in dir(self) if name.startswith("napi_")}

    # --- for tests

    def is_kept(self):
        return any(function.keeps_loop for function in self.threadsafe[1:])

    def run(self):
        """Makes the calls that other threads have asked for."""
        for function in self.threadsafe[1:]:
            while function.calls:
                self.machine.call(function.callback, ENVIRONMENT, 0, function.context, function.calls.pop(0))
        del self.api.values[1:]

    # --- answers

    def napi_create_promise(self, _env, deferred, promise):
        made = Promise()
        self.machine.write_word(deferred, len(self.promises))
        self.promises.append(made)
        self.machine.write_word(promise, self.api.handle(made))
        return OK

    def napi_resolve_deferred(self, _env, deferred, value):
        assert self.api.values[value] is None and not self.promises[deferred].is_resolved
        self.promises[deferred].is_resolved = True
        return OK

    def napi_create_reference(self, _env, value, count, result):
        assert count == 1
        address = self.machine.allocate(1)
        self.references[address] = self.api.values[value]
        self.machine.write_word(result, address)
        return OK

    def napi_delete_reference(self, _env, reference):
        del self.references[reference]
        self.machine.free(reference)
        return OK

    def napi_create_threadsafe_function(
        self, _env, function, _resource, _name, _queue, _threads, _data, _finalizer, context, callback, result
    ):
        assert function == 0
        self.machine.write_word(result, len(self.threadsafe))
        self.threadsafe.append(ThreadsafeFunction(callback, context))
        return OK

    def napi_call_threadsafe_function(self, function, data, _mode):
        self.threadsafe[function].calls.append(data)
        return OK

    def napi_ref_threadsafe_function(self, _env, function):
        self.threadsafe[function].keeps_loop = True
        return OK

    def napi_unref_threadsafe_function(self, _env, function):
        self.threadsafe[function].keeps_loop = False
        return OK

    def napi_add_env_cleanup_hook(self, _env, hook, argument):
        self.cleanup_hooks.append((hook, argument))
        return OK
