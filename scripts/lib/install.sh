#!/bin/sh
# Installs what the Metal simulator needs on Debian and Ubuntu; does nothing if it is there already.
# Elsewhere it says what to install and fails: the simulator is never skipped in silence. Arguments
# are more packages to install.
set -eu

# clang compiles Objective-C++ and the kernels; gobjc brings GCC's Objective-C runtime, which
# GNUstep's Foundation is built on; the blocks runtime serves -fblocks; lld links for macOS.
packages="clang-19 lld-19 gobjc gnustep-make libgnustep-base-dev libblocksruntime-dev $*"

explain() {
  echo "metal-sgd: $1" >&2
  echo "The Metal simulator needs clang 19, lld 19, GNUstep base with GCC's libobjc, and libBlocksRuntime," >&2
  echo "by the names of Debian 12 and Ubuntu 24.04:" >&2
  echo "  apt-get install --no-install-recommends $packages" >&2
  exit 1
}

command -v dpkg-query >/dev/null 2>&1 || explain 'this is neither Debian nor Ubuntu.'

missing=''
for package in $packages; do
  case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)" in
    'install ok installed') ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
  as_root=''
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
  as_root='sudo -n'
else
  explain "missing:$missing (and no right to install them)"
fi

echo "metal-sgd: installing$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install_missing() {
  # shellcheck disable=SC2086 # both are lists of words
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
}
if ! install_missing >"$log" 2>&1; then
  $as_root apt-get update -qq >>"$log" 2>&1 || true
  if ! install_missing >>"$log" 2>&1; then
    tail -n 20 "$log" >&2
    explain "apt-get could not install:$missing"
  fi
fi
