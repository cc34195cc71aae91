"""A Metal device of Python's: checks each call's arguments, and computes at the last moment.

That is when the host waits, or has looked often enough: what the host does too early shows.
"""

import functools
import re
import struct

import kernels
from addon import ITEM_BYTES
from objective_c import Array, Object, Runtime, String

PAGE = 16384
GROUP = 256
VECTOR_BYTES = 16
APPLE5, SHARED_STORAGE, CONCURRENT, LANGUAGE_2_3 = 1005, 0, 1, 0x20003
NOT_ENQUEUED, COMMITTED, COMPLETED = 0, 2, 4  # of MTLCommandBufferStatus
KERNEL = re.compile(r"sgd_(float32|float16|bfloat16)_(scalar|vector)_(plain|momentum)")


class Metal(Runtime):
    """A Mac with one GPU."""

    def __init__(self, machine):
        super().__init__(machine)
        self.device = Device(self)
        self.looks = 2  # at a command buffer, until it is done
        self.compute = functools.partial(kernels.step, flush_results=machine.processor.FLUSHES_RESULTS)

    def functions(self):
        names = {"_MTLCreateSystemDefaultDevice": self.device.retain, "_MTLCopyAllDevices": self.all_devices}
        return super().functions() | names

    def all_devices(self):
        return Array(self, [self.device]).address

    def classes(self):
        return super().classes() | {"MTLCompileOptions": CompileOptions}


class Device(Object):
    NAME, WORKING_SET, LARGEST_BUFFER = "Python M1", 1 << 33, 1 << 32

    def name(self):
        return String(self.runtime, self.NAME).autoreleased()

    def registryID(self):
        return 7

    def supportsFamily_(self, family):
        return family == APPLE5

    def hasUnifiedMemory(self):
        return 1

    def recommendedMaxWorkingSetSize(self):
        return self.WORKING_SET

    def maxBufferLength(self):
        return self.LARGEST_BUFFER

    def newCommandQueue(self):
        return CommandQueue(self.runtime).address

    def newLibraryWithSource_options_error_(self, source, options, _error):
        given = self.runtime.objects[options]
        assert (given.fast_math, given.language) == (False, LANGUAGE_2_3)
        return Library(self.runtime, self.runtime.objects[source].text).address

    def newComputePipelineStateWithFunction_error_(self, function, _error):
        return Pipeline(self.runtime, self.runtime.objects[function].name).address

    def newBufferWithBytesNoCopy_length_options_deallocator_(self, start, length, options, deallocator):
        assert start % PAGE == 0 and length % PAGE == 0 and length > 0
        assert (options, deallocator) == (SHARED_STORAGE, 0)
        return Buffer(self.runtime, start, length, owned=False).address

    def newBufferWithLength_options_(self, length, options):
        assert length > 0 and options == SHARED_STORAGE
        return Buffer(self.runtime, self.machine.allocate(length, PAGE), length, owned=True).address


class CompileOptions(Object):
    fast_math, language = True, 0

    def setFastMathEnabled_(self, enabled):
        self.fast_math = bool(enabled & 1)

    def setLanguageVersion_(self, version):
        self.language = version


class Library(Object):
    def __init__(self, runtime, source):
        super().__init__(runtime)
        self.source = source

    def newFunctionWithName_(self, name):
        return Function(self.runtime, self.runtime.objects[name].text).address


class Function(Object):
    def __init__(self, runtime, name):
        super().__init__(runtime)
        self.name = name


class Pipeline(Object):
    def __init__(self, runtime, name):
        super().__init__(runtime)
        self.dtype, self.shape, self.kind = KERNEL.fullmatch(name).groups()

    def maxTotalThreadsPerThreadgroup(self):
        return GROUP


class Buffer(Object):
    def __init__(self, runtime, start, size, owned):
        super().__init__(runtime)
        self.start, self.size, self.owned = start, size, owned

    def dealloc(self):
        if self.owned:
            self.machine.free(self.start)

    def contents(self):
        return self.start

    def length(self):
        return self.size


class CommandQueue(Object):
    def commandBuffer(self):
        return CommandBuffer(self.runtime).autoreleased()


class CommandBuffer(Object):
    def __init__(self, runtime):
        super().__init__(runtime)
        self.work, self.encoder, self.state, self.looks = [], None, NOT_ENQUEUED, 0

    def computeCommandEncoderWithDispatchType_(self, kind):
        assert kind == CONCURRENT and self.encoder is None
        self.encoder = ComputeCommandEncoder(self.runtime, self)
        return self.encoder.autoreleased()

    def commit(self):
        assert self.encoder.ended and self.state == NOT_ENQUEUED
        self.state = COMMITTED

    def waitUntilCompleted(self):
        assert self.state != NOT_ENQUEUED, "waited for what was not committed"
        self.complete()

    def status(self):
        self.looks += 1
        if self.state == COMMITTED and self.looks == self.runtime.looks:
            self.complete()
        return self.state

    def complete(self):
        if self.state == COMPLETED:
            return
        for dispatch in self.work:
            dispatch()
        self.state = COMPLETED

    def GPUStartTime(self):
        self.machine.processor.return_double(10.0)

    def GPUEndTime(self):
        self.machine.processor.return_double(10.25)


class ComputeCommandEncoder(Object):
    def __init__(self, runtime, commands):
        super().__init__(runtime)
        self.commands, self.ended, self.pipeline, self.buffers, self.params = commands, False, None, {}, None

    def setComputePipelineState_(self, pipeline):
        self.pipeline, self.buffers = self.runtime.objects[pipeline], {}

    def setBuffer_offset_atIndex_(self, buffer, offset, index):
        self.buffers[index] = (self.runtime.objects[buffer], offset)

    def setBytes_length_atIndex_(self, data, length, index):
        assert (length, index) == (24, 3)
        self.params = struct.unpack("<4f2I", self.machine.read(data, length))

    def dispatchThreads_threadsPerThreadgroup_(self):
        grid, group = self.machine.processor.sizes(self.machine)
        pipeline, params = self.pipeline, self.params
        item, count = ITEM_BYTES[pipeline.dtype], params[5]
        per_thread = VECTOR_BYTES // item if pipeline.shape == "vector" else 1
        assert grid == (-(-count // per_thread), 1, 1) and group == (GROUP, 1, 1), (grid, group)
        momentum = pipeline.kind == "momentum"
        assert sorted(self.buffers) == ([0, 1, 2] if momentum else [0, 1])
        places = []
        for buffer, offset in (self.buffers[index] for index in sorted(self.buffers)):
            assert offset % (item if per_thread == 1 else VECTOR_BYTES) == 0
            assert offset + count * item <= buffer.size
            places.append(buffer.start + offset)
        self.commands.work.append(lambda: self.compute(pipeline.dtype, params, places, count * item))

    def compute(self, dtype, params, places, size):
        read = [self.machine.read(place, size) for place in places]
        w, v = self.runtime.compute(dtype, params, read[0], read[1], read[2] if len(read) > 2 else None)
        self.machine.write(places[0], w)
        if v is not None:
            self.machine.write(places[2], v)

    def endEncoding(self):
        self.ended = True
