"""A compute command encoder whose dispatches run at once: between barriers none may touch what another one writes."""

import dispatches
from objective_c import Object

BUFFERS = 1  # MTLBarrierScopeBuffers


class ComputeCommandEncoder(Object):
    def __init__(self, runtime, commands):
        super().__init__(runtime)
        self.commands, self.ended = commands, False
        self.pipeline, self.buffers, self.data = None, {}, {}
        self.beside = []  # dispatches since the last barrier

    def setComputePipelineState_(self, pipeline):
        self.pipeline, self.buffers, self.data = self.runtime.objects[pipeline], {}, {}

    def setBuffer_offset_atIndex_(self, buffer, offset, index):
        self.data.pop(index, None)
        self.buffers[index] = (self.runtime.objects[buffer], offset)

    def setBytes_length_atIndex_(self, data, length, index):
        self.buffers.pop(index, None)
        self.data[index] = self.machine.read(data, length)

    def dispatchThreads_threadsPerThreadgroup_(self):
        grid, group = self.machine.processor.sizes(self.machine)
        made = dispatches.dispatch(self.runtime, self.pipeline.kernel, self.buffers, self.data)
        assert grid == (made.threads, 1, 1) and group == (dispatches.GROUP, 1, 1), (grid, group)
        for other in self.beside:
            meets = overlap(made.writes, other.reads + other.writes) or overlap(made.reads, other.writes)
            assert not meets, f"no barrier between {other.kernel} and {made.kernel}"
        self.beside.append(made)
        self.commands.work.append(made.run)

    def memoryBarrierWithScope_(self, scope):
        assert scope == BUFFERS
        self.beside = []

    def endEncoding(self):
        self.ended = True


def overlap(some, others):
    return any(a < b + size_b and b < a + size_a for a, size_a in some for b, size_b in others)
