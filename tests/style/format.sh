#!/bin/sh
# Holds the sources to .clang-format; `clang-format -i FILE` mends.
cd "$(dirname "$0")/../.." && find src include tests \( -name '*.cpp' -o -name '*.h' \) -print0 | xargs -0 clang-format --dry-run -Werror
