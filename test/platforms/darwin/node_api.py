"""Node-API over Python values: undefined is None, and a class of its own where Python has no such type."""

import struct
from collections import namedtuple
from dataclasses import dataclass

OK, INVALID_ARGUMENT, OBJECT_EXPECTED = 0, 1, 2
ENVIRONMENT = 1

TYPED_ARRAYS = ["int8", "uint8", "uint8clamped", "int16", "uint16", "int32", "uint32", "float32", "float64"]
# Of napi_valuetype; what is missing here is an object.
UNDEFINED, NULL, BOOLEAN, NUMBER, STRING, SYMBOL, OBJECT, FUNCTION, EXTERNAL, BIGINT = range(10)


@dataclass(eq=False)
class TypedArray:
    kind: str
    address: int
    length: int


@dataclass(eq=False)
class ArrayBuffer:
    address: int
    size: int


@dataclass(eq=False)
class External:
    data: int
    finalizer: int
    hint: int


@dataclass(eq=False)
class Function:
    address: int
    data: int


@dataclass(frozen=True)
class BigInt:
    value: int


class Null:
    """The type of JavaScript's null."""


NULL_VALUE = Null()


class Thrown(Exception):
    """What JavaScript would see: an exception that the addon threw."""


Call = namedtuple("Call", "arguments data")


class NodeApi:
    def __init__(self, machine):
        self.machine = machine
        self.values = [None]  # a handle is an index
        self.calls = []
        self.instance_data = 0
        self.external_memory = 0
        self.finalizers = []

    def functions(self):
        return {f"_{name}": getattr(self, name) for name in dir(self) if name.startswith("napi_")}

    # --- for tests

    def handle(self, value):
        self.values.append(value)
        return len(self.values) - 1

    def call(self, function, *arguments):
        """Calls a function of the addon as JavaScript does."""
        self.calls.append(Call([self.handle(value) for value in arguments], function.data))
        try:
            return self.values[self.machine.call(function.address, ENVIRONMENT, len(self.calls))]
        finally:
            self.calls.pop()
            if not self.calls:
                del self.values[1:]

    def finalize(self, external):
        """What the collector does to an external that nothing refers to."""
        self.machine.call(external.finalizer, ENVIRONMENT, external.data, external.hint)

    # --- answers

    def _give(self, place, value):
        self.machine.write_word(place, self.handle(value))
        return OK

    def napi_create_function(self, _env, _name, _length, callback, data, result):
        return self._give(result, Function(callback, data))

    def napi_create_object(self, _env, result):
        return self._give(result, {})

    def napi_create_array_with_length(self, _env, length, result):
        return self._give(result, [None] * length)

    def napi_create_double(self, _env, result):
        return self._give(result, self.machine.processor.double_argument())

    def napi_create_string_utf8(self, _env, text, length, result):
        whole = length == 0xFFFFFFFFFFFFFFFF
        return self._give(result, self.machine.text(text) if whole else self.machine.read(text, length).decode())

    def napi_create_arraybuffer(self, _env, size, data, result):
        made = ArrayBuffer(self.machine.allocate(size), size)
        if data:
            self.machine.write_word(data, made.address)
        return self._give(result, made)

    def napi_create_typedarray(self, _env, kind, length, buffer, offset, result):
        return self._give(result, TypedArray(TYPED_ARRAYS[kind], self.values[buffer].address + offset, length))

    def napi_get_boolean(self, _env, value, result):
        return self._give(result, bool(value & 1))

    def napi_get_undefined(self, _env, result):
        return self._give(result, None)

    def napi_create_external(self, _env, data, finalizer, hint, result):
        return self._give(result, External(data, finalizer, hint))

    # --- questions

    def napi_typeof(self, _env, value, result):
        found = self.values[value]
        kinds = {type(None): UNDEFINED, Null: NULL, bool: BOOLEAN, int: NUMBER, float: NUMBER, str: STRING}
        kinds |= {Function: FUNCTION, External: EXTERNAL, BigInt: BIGINT}
        self.machine.write_int32(result, kinds.get(type(found), OBJECT))
        return OK

    def napi_get_value_uint32(self, _env, value, result):
        self.machine.write(result, struct.pack("<I", int(self.values[value])))
        return OK

    def napi_get_value_int32(self, _env, value, result):
        self.machine.write_int32(result, int(self.values[value]))
        return OK

    def napi_get_value_int64(self, _env, value, result):
        self.machine.write(result, struct.pack("<q", int(self.values[value])))
        return OK

    def napi_get_value_bool(self, _env, value, result):
        self.machine.write(result, bytes([self.values[value]]))
        return OK

    def napi_get_value_bigint_uint64(self, _env, value, result, lossless):
        self.machine.write_word(result, self.values[value].value)
        self.machine.write(lossless, b"\1")
        return OK

    def napi_get_value_external(self, _env, value, result):
        self.machine.write_word(result, self.values[value].data)
        return OK

    def napi_get_value_string_utf8(self, _env, value, buffer, size, result):
        data = self.values[value].encode()
        if buffer:
            data = data[: size - 1]
            self.machine.write(buffer, data + b"\0")
        if result:
            self.machine.write_word(result, len(data))
        return OK

    def napi_get_array_length(self, _env, value, result):
        self.machine.write(result, struct.pack("<I", len(self.values[value])))
        return OK

    def napi_get_typedarray_info(self, _env, value, kind, length, data, _buffer, _offset):
        found = self.values[value]
        if not isinstance(found, TypedArray):
            return INVALID_ARGUMENT
        if kind:
            self.machine.write_int32(kind, TYPED_ARRAYS.index(found.kind))
        for place, number in ((length, found.length), (data, found.address)):
            if place:
                self.machine.write_word(place, number)
        return OK

    def napi_get_arraybuffer_info(self, _env, value, data, size):
        found = self.values[value]
        for place, number in ((data, found.address), (size, found.size)):
            if place:
                self.machine.write_word(place, number)
        return OK

    # --- properties

    def napi_get_element(self, _env, value, index, result):
        return self._give(result, self.values[value][index])

    def napi_set_element(self, _env, value, index, element):
        self.values[value][index] = self.values[element]
        return OK

    def napi_get_named_property(self, _env, value, name, result):
        return self._give(result, self.values[value].get(self.machine.text(name)))

    def napi_set_named_property(self, _env, value, name, item):
        self.values[value][self.machine.text(name)] = self.values[item]
        return OK

    def napi_get_property(self, _env, value, key, result):
        return self._give(result, self.values[value].get(self.values[key]))

    # --- the call and the environment

    def napi_get_cb_info(self, _env, info, count, arguments, this, data):
        call = self.calls[info - 1]
        if count:
            room = self.machine.word(count)
            for i in range(room):
                value = call.arguments[i] if i < len(call.arguments) else self.handle(None)
                self.machine.write_word(arguments + 8 * i, value)
            self.machine.write_word(count, len(call.arguments))
        for place, found in ((this, self.handle({})), (data, call.data)):
            if place:
                self.machine.write_word(place, found)
        return OK

    def napi_set_instance_data(self, _env, data, _finalizer, _hint):
        self.instance_data = data
        return OK

    def napi_get_instance_data(self, _env, result):
        self.machine.write_word(result, self.instance_data)
        return OK

    def napi_add_finalizer(self, _env, _value, data, callback, hint, _result):
        self.finalizers.append((callback, data, hint))
        return OK

    def napi_adjust_external_memory(self, _env, change, result):
        self.external_memory += struct.unpack("<q", struct.pack("<Q", change))[0]
        self.machine.write_word(result, self.external_memory)
        return OK

    def napi_open_handle_scope(self, _env, result):
        self.machine.write_word(result, 1)
        return OK

    def napi_close_handle_scope(self, _env, _scope):
        return OK

    def napi_is_exception_pending(self, _env, result):
        self.machine.write(result, b"\0")
        return OK

    def napi_throw(self, _env, error):
        raise Thrown(self.values[error])
