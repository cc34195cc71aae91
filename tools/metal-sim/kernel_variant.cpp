// Compiles one kernel text once, as C++: METAL_SIM_TEXT is the text, METAL_SIM_TABLE the generated
// table of its kernels, METAL_SIM_NAMESPACE keeps libraries and variants apart.
#include "kernel_library.h"
#include "metal_stdlib"

namespace METAL_SIM_NAMESPACE {

#include "metal_language.h"
// After the keywords, which the text is written in.
#include METAL_SIM_TEXT
#undef device
#undef constant
#undef thread
#undef kernel

#include METAL_SIM_TABLE

}  // namespace METAL_SIM_NAMESPACE
