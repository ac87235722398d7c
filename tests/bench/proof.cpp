// The program of the benchmark's containers: it adds a byte to the file that its argument names, which proves that it
// ran. Without an argument it only ends: the floor of every measurement.
#include <fcntl.h>

#include "bare.h"

void begin(char** stack) {
    if (stack[2] == nullptr) bare::exit(0);
    const long file = bare::call(__NR_openat, AT_FDCWD, bare::address(stack[2]), O_WRONLY | O_APPEND);
    bare::exit(file < 0 || bare::call(__NR_write, file, bare::address(stack[1]), 1) != 1);
}
