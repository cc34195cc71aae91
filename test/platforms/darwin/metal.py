"""Metal, as far as the addon uses it."""


class NoMetal:
    """A Mac without a GPU."""

    def __init__(self, machine):
        self.machine = machine

    def functions(self):
        names = ["_MTLCreateSystemDefaultDevice", "_MTLCopyAllDevices", "_objc_autoreleasePoolPush"]
        names += ["_objc_autoreleasePoolPop", "_objc_msgSend", "_objc_release", "_objc_retain"]
        return {name: self.nothing for name in names}

    def nothing(self):
        return 0
