# SPDX-License-Identifier: Apache-2.0
# The flags every target shares, the third parties, what is precompiled, and four functions: a room (library), a program, a test,
# a fuzz target.

add_library(hansa_flags INTERFACE)
target_compile_features(hansa_flags INTERFACE cxx_std_23)
target_include_directories(hansa_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(hansa_flags INTERFACE
  "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>"  # or ccache keeps nothing that was made with precompiled headers
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast
  -ffunction-sections -fdata-sections  # a program is linked with what it calls, whatever else was compiled beside it
  -Wno-missing-designated-field-initializers  # a designated initializer names what differs from the member's own default
  $<$<BOOL:${HANSA_WARNINGS_AS_ERRORS}>:-Werror>)
target_link_options(hansa_flags INTERFACE LINKER:--gc-sections)

find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(libssh REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(date REQUIRED)  # time zones: libstdc++ has them from 14 on
find_package(mimalloc REQUIRED)
set(ZLIB_USE_STATIC_LIBS ON)  # `hansa` loads no library for what few of its calls need
find_package(ZLIB REQUIRED)

# Boost headers as SYSTEM; Asio is compiled once in hansa_async, Beast once in hansa_http.
add_library(hansa_boost INTERFACE)
target_include_directories(hansa_boost SYSTEM INTERFACE ${Boost_INCLUDE_DIRS})
target_compile_definitions(hansa_boost INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_DISABLE_BOOST_COROUTINE)
target_link_libraries(hansa_boost INTERFACE Threads::Threads)

# Files of one target are compiled as one: what they all read is read, and what they all instantiate is made, once, which halves a clean
# build. A name that is hidden in a file must therefore be the only one of its kind in the target. The dev preset compiles each file by
# itself, and so does ./dev lint. SEPARATE files or tests keep names of their own, or macros.
option(HANSA_UNITY "Compile the files of a target as one" ON)
set(CMAKE_UNITY_BUILD ${HANSA_UNITY})
set(CMAKE_UNITY_BUILD_BATCH_SIZE 0)  # no limit

# Headers of others that nearly every file reads, compiled once for all that share flags: reading them again was more than half of a
# build. A file still includes what it uses: ./dev lint builds on nothing precompiled.
option(HANSA_PRECOMPILE "Precompile the headers of the standard library and of third parties" ON)
set(hansa_common_headers <algorithm> <array> <charconv> <chrono> <cstdint> <cstring> <expected> <filesystem> <functional> <map>
  <memory> <optional> <set> <span> <string> <string_view> <unordered_map> <utility> <variant> <vector> <nlohmann/json.hpp>)
set(hansa_asio_headers <boost/asio/as_tuple.hpp> <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp> <boost/asio/io_context.hpp>
  <boost/asio/post.hpp> <boost/asio/steady_timer.hpp> <boost/asio/this_coro.hpp> <boost/asio/use_awaitable.hpp>)

# The counters that steer a fuzzer (what -fsanitize=fuzzer-no-link adds) are compiled into what fuzz targets feed, and only there: with
# them a file takes a third longer to compile, and its tests to run.
if(HANSA_FUZZ)
  set(hansa_fuzz_counters -fsanitize-coverage=inline-8bit-counters,indirect-calls,trace-cmp,pc-table)
endif()

# hansa_precompiled(NAME HEADERS ... USES ... [OPTIONS ...]): headers for targets of these flags
function(hansa_precompiled name)
  cmake_parse_arguments(P "" "" "HEADERS;USES;OPTIONS" ${ARGN})
  set(source ${CMAKE_BINARY_DIR}/precompiled/${name}.cpp)
  if(NOT EXISTS ${source})
    file(WRITE ${source} "")
  endif()
  add_library(hansa_${name} OBJECT ${source})
  target_link_libraries(hansa_${name} PRIVATE hansa_flags ${P_USES})
  target_compile_options(hansa_${name} PRIVATE ${P_OPTIONS})
  target_precompile_headers(hansa_${name} PRIVATE ${P_HEADERS})
endfunction()
set(hansa_test_options -O0 -fno-sanitize=undefined)
if(HANSA_PRECOMPILE)
  hansa_precompiled(common HEADERS ${hansa_common_headers})
  hansa_precompiled(common_asio HEADERS ${hansa_common_headers} ${hansa_asio_headers} USES hansa_boost)
  hansa_precompiled(test HEADERS ${hansa_common_headers} <catch2/catch.hpp> <rapidcheck.h> OPTIONS ${hansa_test_options})
  hansa_precompiled(test_asio HEADERS ${hansa_common_headers} ${hansa_asio_headers} <catch2/catch.hpp> <rapidcheck.h>
    USES hansa_boost OPTIONS ${hansa_test_options})
endif()

# hansa_precompile(TARGET common|test): gives it what it may read, with Asio if one that it links has it
function(hansa_precompile target headers)
  set(suffix "")
  get_target_property(kind ${target} TYPE)
  if(kind STREQUAL INTERFACE_LIBRARY)
    get_target_property(links ${target} INTERFACE_LINK_LIBRARIES)
  else()
    get_target_property(links ${target} LINK_LIBRARIES)
  endif()
  foreach(link ${links})
    if(TARGET ${link})
      get_target_property(asio ${link} HANSA_ASIO)
      if(asio)
        set(suffix _asio)
        set_target_properties(${target} PROPERTIES HANSA_ASIO ON)
      endif()
    endif()
  endforeach()
  if(HANSA_PRECOMPILE AND NOT kind STREQUAL INTERFACE_LIBRARY)
    target_precompile_headers(${target} REUSE_FROM hansa_${headers}${suffix})
  endif()
endfunction()
set_target_properties(hansa_boost PROPERTIES HANSA_ASIO ON)

# hansa_room(NAME SOURCES a.cpp ... [SEPARATE those of them that are compiled alone] [USES other rooms and libraries, public]
# [PRIVATE libraries] [FUZZED])
# A folder without sources is an interface library. FUZZED: a fuzz target feeds it.
function(hansa_room name)
  cmake_parse_arguments(R "FUZZED" "" "SOURCES;SEPARATE;USES;PRIVATE" ${ARGN})
  if(R_SOURCES)
    set_source_files_properties(${R_SEPARATE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    add_library(hansa_${name} STATIC ${R_SOURCES})
    target_link_libraries(hansa_${name} PUBLIC hansa_flags ${R_USES} PRIVATE ${R_PRIVATE})
    if(R_FUZZED)
      target_compile_options(hansa_${name} PRIVATE ${hansa_fuzz_counters})
    endif()
  else()
    add_library(hansa_${name} INTERFACE)
    target_link_libraries(hansa_${name} INTERFACE hansa_flags ${R_USES})
  endif()
  hansa_precompile(hansa_${name} common)
endfunction()

# hansa_program(NAME SOURCES ... USES ...): an executable in bin/
function(hansa_program name)
  cmake_parse_arguments(P "" "" "SOURCES;USES" ${ARGN})
  add_executable(${name} ${P_SOURCES})
  target_link_libraries(${name} PRIVATE hansa_flags ${P_USES})
  hansa_precompile(${name} common)
endfunction()

# Of tests in the release preset: a tenth of what they cost to compile was for a debugger, which the dev preset is for.
set(hansa_no_debugger $<$<CONFIG:RelWithDebInfo>:-g0>)

# hansa_test_code(TARGET): test code runs once and is compiled everywhere: not optimizing it (what it tests is) saves a fifth of a build,
# not looking for undefined behaviour in it (in what it tests we do) a fifth of a sanitized one's
function(hansa_test_code target)
  target_compile_options(${target} PRIVATE ${hansa_test_options} ${hansa_no_debugger})
  hansa_precompile(${target} test)
endfunction()

# hansa_test(NAME LABELS unit SOURCES ... USES ... [TIMEOUT seconds] [OPTIMIZED] [SEPARATE] [COSTLY_CASES] [APART tag]): one Catch2
# executable, one CTest test. OPTIMIZED: its own code runs long. COSTLY_CASES: so does each random case of its properties, or what is tagged
# [costly]: a sanitizer's preset has fewer of the former and none of the latter. APART: what has this tag is a CTest test of its own,
# NAME_<tag>, beside the others.
function(hansa_test name)
  cmake_parse_arguments(T "OPTIMIZED;SEPARATE;COSTLY_CASES" "TIMEOUT;APART" "LABELS;SOURCES;USES" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  set_property(GLOBAL APPEND PROPERTY HANSA_TESTS ${name})
  target_link_libraries(${name} PRIVATE hansa_flags ${T_USES} hansa_test_main)
  if(T_OPTIMIZED)
    target_compile_options(${name} PRIVATE ${hansa_no_debugger})
    hansa_precompile(${name} common)
  else()
    hansa_test_code(${name})
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(T_SEPARATE)
    set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
  endif()
  if(T_COSTLY_CASES AND HANSA_COSTLY_CASES LESS 100)
    set(left_out "~[costly]")
    math(EXPR seeds "4 * ${HANSA_COSTLY_CASES}")  # of the engine's histories
    set(environment "RC_PARAMS=max_success=${HANSA_COSTLY_CASES};HANSA_SEEDS=${seeds}")
    set(cost COST 100)  # begun first, so that nothing waits for the longest at the end
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  set(tests ${name})
  if(T_APART)
    list(APPEND tests ${name}_${T_APART})
    add_test(NAME ${name} COMMAND ${name} "~[${T_APART}]${left_out}")
    add_test(NAME ${name}_${T_APART} COMMAND ${name} "[${T_APART}]${left_out}")
  else()
    add_test(NAME ${name} COMMAND ${name} ${left_out})
  endif()
  set_tests_properties(${tests} PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${T_TIMEOUT} ENVIRONMENT "${environment}" ${cost})
endfunction()

# hansa_fuzz(NAME_fuzz SOURCES ... USES ...): a libFuzzer program, built where its instrumentation is (the asan preset), and a CTest test
# that runs it for three seconds from one seed, so that a run of the tests can be repeated (`./dev fuzz` explores). What it finds goes to
# build/, the corpus in the tree is read and never grown by itself.
function(hansa_fuzz name)
  if(NOT HANSA_FUZZ)
    return()
  endif()
  cmake_parse_arguments(F "" "" "SOURCES;USES" ${ARGN})
  add_executable(${name} ${F_SOURCES})
  target_compile_options(${name} PRIVATE ${hansa_fuzz_counters})
  target_link_libraries(${name} PRIVATE hansa_flags ${F_USES})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  target_compile_definitions(${name} PRIVATE HANSA_VERSION="${PROJECT_VERSION}")
  hansa_precompile(${name} common)
  set(found ${CMAKE_BINARY_DIR}/found/${name})
  file(MAKE_DIRECTORY ${found})
  string(REGEX REPLACE "_fuzz$" "" corpus ${name})
  add_test(NAME ${name} COMMAND ${name} -seed=1 -max_total_time=3 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
    -artifact_prefix=${found}/ ${found} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${corpus})
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 120)
endfunction()
