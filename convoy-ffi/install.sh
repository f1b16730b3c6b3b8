#!/bin/sh
# usage: convoy-ffi/install.sh PREFIX [PROFILE]
#
# Installs what C and C++ programs need below PREFIX, which must be an absolute path: the library (with the number of
# its interface in its soname), the headers, a pkg-config file and a CMake package (find_package(convoy), target
# convoy::convoy), and in share/doc/convoy what a convoy file and events hold, with examples. PROFILE is `release`, the default, or `dev`. Linux; needs cargo and cc.
set -eu

[ $# -ge 1 ] && [ $# -le 2 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
prefix=$1
profile=${2:-release}
case $prefix in /*) ;; *) echo "PREFIX must be an absolute path: $prefix" >&2; exit 2 ;; esac

cd "$(dirname "$0")/.."
case $profile in dev) folder=debug ;; *) folder=$profile ;; esac
built=${CARGO_TARGET_DIR:-target}/$folder
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
abi=$(sed -n 's/^#define CONVOY_ABI_VERSION \([0-9]*\)$/\1/p' include/convoy.h)
library=libconvoy.so.$abi
system='-lgcc_s -lpthread -lm -ldl -lc'

cargo build --locked -p convoy-ffi --profile "$profile"
install -d "$prefix/lib/pkgconfig" "$prefix/lib/cmake/convoy" "$prefix/include"
exported=$(mktemp)
trap 'rm -f "$exported"' EXIT
echo '{ global: convoy_*; local: *; };' >"$exported"
# Linked anew from the archive: Cargo gives a library no soname. `nodelete` as in build.rs.
# shellcheck disable=SC2086
cc -shared -o "$prefix/lib/$library" -Wl,-soname,"$library" -Wl,--version-script="$exported" -Wl,--gc-sections \
    -Wl,-z,defs -Wl,-z,nodelete -Wl,--whole-archive "$built/libconvoy.a" -Wl,--no-whole-archive $system
ln -sf "$library" "$prefix/lib/libconvoy.so"
install -m 644 include/convoy.h include/convoy.hpp "$prefix/include"
install -d "$prefix/share/doc/convoy/examples"
install -m 644 convoy-core/REFERENCE.md convoy-core/EVENTS.md "$prefix/share/doc/convoy"
install -m 644 examples/embed-c/*.[ch] examples/embed-cpp/*.[ch]pp "$prefix/share/doc/convoy/examples"

cat >"$prefix/lib/pkgconfig/convoy.pc" <<END
prefix=\${pcfiledir}/../..
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: convoy
Description: Engine that runs many coding agents on one git repository at once
Version: $version
Libs: -L\${libdir} -lconvoy
Cflags: -I\${includedir}
END

cat >"$prefix/lib/cmake/convoy/convoy-config.cmake" <<'END'
get_filename_component(_convoy_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET convoy::convoy)
  add_library(convoy::convoy SHARED IMPORTED)
  set_target_properties(convoy::convoy PROPERTIES
    IMPORTED_LOCATION "${_convoy_prefix}/lib/LIBRARY"
    IMPORTED_SONAME "LIBRARY"
    INTERFACE_INCLUDE_DIRECTORIES "${_convoy_prefix}/include")
endif()
unset(_convoy_prefix)
END
sed -i "s/LIBRARY/$library/" "$prefix/lib/cmake/convoy/convoy-config.cmake"

cat >"$prefix/lib/cmake/convoy/convoy-config-version.cmake" <<END
set(PACKAGE_VERSION $version)
if(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
END
echo "installed convoy $version, interface $abi, below $prefix"
