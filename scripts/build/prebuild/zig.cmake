# What the toolchain files have in common: zig compiles, for METAL_SGD_ZIG_TARGET, with the headers that it ships. Both
# settings come from scripts/build/prebuild/cross-build.mjs.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES METAL_SGD_ZIG METAL_SGD_ZIG_TARGET)
foreach(language CXX OBJCXX)
  set(CMAKE_${language}_COMPILER ${METAL_SGD_ZIG} c++ -target ${METAL_SGD_ZIG_TARGET})
  # Told, since CMake's own trials would link, which takes zig minutes, and on a Mac's behalf says nothing about lld.
  set(CMAKE_${language}_COMPILER_ID_RUN TRUE)
  set(CMAKE_${language}_COMPILER_ID Clang)
  set(CMAKE_${language}_COMPILER_VERSION 22.1.8)
  set(CMAKE_${language}_COMPILER_FRONTEND_VARIANT GNU)
  set(CMAKE_${language}_STANDARD_COMPUTED_DEFAULT 17)
  set(CMAKE_${language}_COMPILER_WORKS TRUE)
  set(CMAKE_${language}_ABI_COMPILED TRUE)
  set(CMAKE_${language}_SIZEOF_DATA_PTR 8)
endforeach()
set(CMAKE_HAVE_PTHREAD_H TRUE)
set(CMAKE_HAVE_LIBC_PTHREAD TRUE)

# No path of the builder may end up in the file. Not in CMAKE_CXX_FLAGS, which cmake-js sets to its own.
get_filename_component(ROOT ${CMAKE_CURRENT_LIST_DIR}/../../.. ABSOLUTE)
get_filename_component(ZIG_FOLDER ${METAL_SGD_ZIG} DIRECTORY)
add_compile_options(-g0 -ffile-prefix-map=${ROOT}=. -ffile-prefix-map=${ZIG_FOLDER}=zig)
