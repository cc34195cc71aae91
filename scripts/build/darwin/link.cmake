# How lld links the addon; read after CMake's own rules for Darwin, which would call the compiler.
# Node-API comes from the program that loads the addon: each of its names is allowed to be missing, and no other.
execute_process(
  COMMAND node -p "const { js_native_api_symbols, node_api_symbols } = require('node-api-headers').symbols.v8;
    [...js_native_api_symbols, ...node_api_symbols].map((name) => '-U _' + name).join(' ')"
  WORKING_DIRECTORY ${CMAKE_CURRENT_LIST_DIR} OUTPUT_VARIABLE NODE_API OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT NODE_API)
  message(FATAL_ERROR "node-api-headers is not installed: run npm ci")
endif()
find_program(LLD NAMES ld64.lld-19 ld64.lld REQUIRED)
set(STUBS ${CMAKE_CURRENT_LIST_DIR}/stubs)
foreach(language CXX OBJCXX)
  set(CMAKE_${language}_CREATE_SHARED_MODULE
    "${LLD} -arch ${METAL_SGD_DARWIN_ARCH} -platform_version macos 13.0 13.0 -bundle -no_fixup_chains -dead_strip -x \
-adhoc_codesign -fatal_warnings ${NODE_API} \
-exported_symbol _napi_register_module_v1 -exported_symbol _node_api_module_get_api_version_v1 \
-F${STUBS} -L${STUBS} -o <TARGET> <OBJECTS> <LINK_LIBRARIES> -framework CoreFoundation -lobjc -lc++ -lSystem")
endforeach()
