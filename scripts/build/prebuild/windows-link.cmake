# How zig links the addon; read after CMake's own rules for Windows, which give options that zig doesn't know.
# Node-API is looked up at the first call of each function (binding/delay_load_mingw.cpp). zig's linker can't make such
# imports: GNU's dlltool does, and the helper that they call is among zig's sources.
find_program(DLLTOOL x86_64-w64-mingw32-dlltool REQUIRED)
execute_process(
  COMMAND node -p "require('node-api-headers').def_paths.node_api_def"
  WORKING_DIRECTORY ${CMAKE_CURRENT_LIST_DIR} OUTPUT_VARIABLE NODE_API OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT NODE_API)
  message(FATAL_ERROR "node-api-headers is not installed: run npm ci")
endif()
set(IMPORTS ${CMAKE_BINARY_DIR}/libnode.a)
execute_process(
  COMMAND ${DLLTOOL} --dllname node.exe --input-def ${NODE_API} --machine i386:x86-64 --output-delaylib ${IMPORTS}
  RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${DLLTOOL} made no import library of ${NODE_API}")
endif()
get_filename_component(ZIG_FOLDER ${METAL_SGD_ZIG} DIRECTORY)
set(MINGW_SOURCES ${ZIG_FOLDER}/lib/libc/mingw/misc)
set(CMAKE_CXX_CREATE_SHARED_MODULE
  "<CMAKE_CXX_COMPILER> -shared -s -O2 -o <TARGET> <OBJECTS> <LINK_LIBRARIES> \
${MINGW_SOURCES}/delayimp.c ${MINGW_SOURCES}/delay-f.c ${IMPORTS}")
set(CMAKE_CXX_STANDARD_LIBRARIES_INIT "")
