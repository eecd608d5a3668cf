# The TLS library, as the target "tls"; tls_other names the sources that are of
# the other one.

if(SNIPORT_TLS STREQUAL "openssl")
	pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET openssl>=3.0)
	add_library(tls INTERFACE)
	target_link_libraries(tls INTERFACE PkgConfig::OPENSSL)
	set(tls_other awslc)
	return()
endif()
if(NOT SNIPORT_TLS STREQUAL "aws-lc")
	message(FATAL_ERROR "SNIPORT_TLS is \"${SNIPORT_TLS}\"; "
		"it takes \"openssl\" or \"aws-lc\"")
endif()
set(tls_other openssl)
# Tests have clients of OpenSSL, whatever the program is made with. An AWS-LC
# that is installed goes by that name, too, but not by that version.
set(PKG_CONFIG_USE_CMAKE_PREFIX_PATH OFF)
pkg_check_modules(OPENSSL IMPORTED_TARGET openssl>=3.0)
unset(PKG_CONFIG_USE_CMAKE_PREFIX_PATH)
if(NOT OPENSSL_FOUND)
	message(WARNING "There is no OpenSSL for the clients of tests and "
		"benchmarks: they are not built")
endif()

# One that is installed comes first, if it says where it is by AWSLC_ROOT or by
# CMAKE_PREFIX_PATH, or is where CMake looks by itself.
set(AWSLC_ROOT "" CACHE PATH "where AWS-LC is installed")
set(AWSLC_SOURCE "" CACHE PATH "a source tree of AWS-LC to be built")
macro(find_awslc)
	find_package(crypto CONFIG QUIET ${ARGN})
	find_package(ssl CONFIG QUIET ${ARGN})
endmacro()
if(AWSLC_ROOT)
	find_awslc(PATHS ${AWSLC_ROOT} NO_DEFAULT_PATH)
	if(NOT TARGET AWS::ssl OR NOT TARGET AWS::crypto)
		message(FATAL_ERROR "AWSLC_ROOT: ${AWSLC_ROOT} has no AWS-LC "
			"(lib/ssl/cmake/ssl-config.cmake)")
	endif()
elseif(NOT AWSLC_SOURCE)
	find_awslc()
endif()
if(NOT TARGET AWS::ssl OR NOT TARGET AWS::crypto)
	message(STATUS "Building AWS-LC, if it is not cached; "
		"that takes some minutes")
	execute_process(COMMAND sh ${CMAKE_SOURCE_DIR}/etc/aws-lc/build
			${AWSLC_SOURCE}
		OUTPUT_VARIABLE built OUTPUT_STRIP_TRAILING_WHITESPACE
		RESULT_VARIABLE status)
	if(NOT status EQUAL 0)
		message(FATAL_ERROR "AWS-LC is neither found nor built; "
			"see above, and CONTRIBUTING")
	endif()
	find_awslc(PATHS ${built} NO_DEFAULT_PATH)
endif()
message(STATUS "AWS-LC: ${ssl_DIR}")

# What sniport -V says of it.
execute_process(COMMAND sh ${CMAKE_SOURCE_DIR}/etc/aws-lc/review --known
	OUTPUT_VARIABLE known OUTPUT_STRIP_TRAILING_WHITESPACE
	COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE " " ";" known "${known}")
list(POP_FRONT known pinned reviewed)
list(JOIN known ", " known)
set_source_files_properties(common/tls/library_awslc.c PROPERTIES
	COMPILE_DEFINITIONS
	"PINNED=\"${pinned}\";REVIEWED=\"${reviewed}\";ADVISORIES=\"${known}\"")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
	etc/aws-lc/pinned etc/aws-lc/advisories)
add_library(tls INTERFACE)
target_link_libraries(tls INTERFACE AWS::ssl AWS::crypto)
