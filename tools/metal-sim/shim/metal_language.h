// Metal's keywords for clang: address spaces vanish when a kernel runs, and separate pointers when
// METAL_SIM_CHECK_ADDRESS_SPACES only checks the text. Included right before kernel text.
#ifdef METAL_SIM_CHECK_ADDRESS_SPACES
#define device __attribute__((address_space(1)))
#else
#define device
#endif
// Structs are copied out of `constant` implicitly in Metal, which clang's address spaces forbid, so
// only constness is checked there.
#define constant const
#define thread
// Never inlined into the code that runs it, which is not traced.
#define kernel __attribute__((noinline))

#ifdef METAL_SIM_NEAR_ZERO
#define float metal::GpuFloat
#endif
#define float2(...) metal::vector_of<float2>(__VA_ARGS__)
#define float4(...) metal::vector_of<float4>(__VA_ARGS__)
#define half2(...) metal::vector_of<half2>(__VA_ARGS__)
#define half4(...) metal::vector_of<half4>(__VA_ARGS__)
#define int2(...) metal::vector_of<int2>(__VA_ARGS__)
#define int4(...) metal::vector_of<int4>(__VA_ARGS__)
#define uint2(...) metal::vector_of<uint2>(__VA_ARGS__)
#define uint4(...) metal::vector_of<uint4>(__VA_ARGS__)
#define ushort2(...) metal::vector_of<ushort2>(__VA_ARGS__)
#define ushort4(...) metal::vector_of<ushort4>(__VA_ARGS__)
