// GNUstep asks for this header under -fblocks; Debian's GCC runtime has its content as <Block.h>.
#pragma once
#include <Block.h>
