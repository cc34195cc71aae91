"""A Metal device of Python's: checks each call's arguments, and computes at the last moment.

That is when the host waits, or has looked often enough: what the host does too early shows.
"""

import dispatches
from encoder import ComputeCommandEncoder
from kernels import Arithmetic
from objective_c import Array, Object, Runtime, String

PAGE = 16384
APPLE5, SHARED_STORAGE, CONCURRENT, LANGUAGE_2_3 = 1005, 0, 1, 0x20003
NOT_ENQUEUED, COMMITTED, COMPLETED = 0, 2, 4  # of MTLCommandBufferStatus


class Metal(Runtime):
    """A Mac with one GPU."""

    def __init__(self, machine):
        super().__init__(machine)
        self.device = Device(self)
        self.looks = 2  # at a command buffer, until it is done
        self.arithmetic = Arithmetic(flush_results=machine.processor.FLUSHES_RESULTS)

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
        text = self.runtime.objects[name].text
        assert dispatches.PLAIN_NAME.fullmatch(text) or f"kernel void {text}(" in self.source
        return Function(self.runtime, text).address


class Function(Object):
    def __init__(self, runtime, name):
        super().__init__(runtime)
        self.name = name


class Pipeline(Object):
    def __init__(self, runtime, name):
        super().__init__(runtime)
        self.kernel = name

    def maxTotalThreadsPerThreadgroup(self):
        return dispatches.GROUP


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
