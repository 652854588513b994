# SPDX-License-Identifier: Apache-2.0
# The flags every target shares, the third parties, and three functions: a room (library), a program, a test.

add_library(hansa_flags INTERFACE)
target_compile_features(hansa_flags INTERFACE cxx_std_23)
target_include_directories(hansa_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(hansa_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast
  -Wno-missing-designated-field-initializers  # a designated initializer names what differs from the member's own default
  $<$<BOOL:${HANSA_WARNINGS_AS_ERRORS}>:-Werror>)

find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(mimalloc REQUIRED)

# Boost headers as SYSTEM; Asio is compiled once in hansa_async, Beast once in hansa_http.
add_library(hansa_boost INTERFACE)
target_include_directories(hansa_boost SYSTEM INTERFACE ${Boost_INCLUDE_DIRS})
target_compile_definitions(hansa_boost INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_DISABLE_BOOST_COROUTINE)
target_link_libraries(hansa_boost INTERFACE Threads::Threads)

# hansa_room(NAME SOURCES a.cpp ... [USES other rooms and libraries, public] [PRIVATE libraries])
# A folder without sources is an interface library.
function(hansa_room name)
  cmake_parse_arguments(R "" "" "SOURCES;USES;PRIVATE" ${ARGN})
  if(R_SOURCES)
    add_library(hansa_${name} STATIC ${R_SOURCES})
    target_link_libraries(hansa_${name} PUBLIC hansa_flags ${R_USES} PRIVATE ${R_PRIVATE})
  else()
    add_library(hansa_${name} INTERFACE)
    target_link_libraries(hansa_${name} INTERFACE hansa_flags ${R_USES})
  endif()
endfunction()

# hansa_program(NAME SOURCES ... USES ...): an executable in bin/
function(hansa_program name)
  cmake_parse_arguments(P "" "" "SOURCES;USES" ${ARGN})
  add_executable(${name} ${P_SOURCES})
  target_link_libraries(${name} PRIVATE hansa_flags ${P_USES})
endfunction()

# hansa_test(NAME LABELS unit SOURCES ... USES ... [TIMEOUT seconds] [OPTIMIZED] [SOAK]): one Catch2 executable, one CTest test. Test code
# runs once and is compiled everywhere: not optimizing it (what it tests is) saves a fifth of a clean build. OPTIMIZED: it runs long.
# SOAK: in ./dev soak only.
function(hansa_test name)
  cmake_parse_arguments(T "OPTIMIZED;SOAK" "TIMEOUT" "LABELS;SOURCES;USES" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE hansa_flags ${T_USES} hansa_test_main)
  if(NOT T_OPTIMIZED)
    target_compile_options(${name} PRIVATE -O0)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(T_SOAK)
    set(when CONFIGURATIONS Soak)
  endif()
  add_test(NAME ${name} COMMAND ${name} ${when})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${T_TIMEOUT})
endfunction()

# hansa_fuzz(NAME SOURCES ... USES ...): a libFuzzer program, built only in the fuzz preset.
function(hansa_fuzz name)
  if(NOT HANSA_FUZZ)
    return()
  endif()
  cmake_parse_arguments(F "" "" "SOURCES;USES" ${ARGN})
  add_executable(${name} ${F_SOURCES})
  target_link_libraries(${name} PRIVATE hansa_flags ${F_USES})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
endfunction()
