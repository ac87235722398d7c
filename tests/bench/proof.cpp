// The program of the benchmark's containers: it adds a byte to the file that its argument names, which proves that it
// ran. Without an argument it only ends: the floor of every measurement. No C library, since what busybox's does before
// main takes up to 0.9 ms in a virtual machine, whatever the runtime.
#include <asm/unistd.h>
#include <fcntl.h>

namespace {

#if defined(__x86_64__)
asm(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call prove\n");
long call(long number, long first, long second, long third) {
    asm volatile("syscall" : "+a"(number) : "D"(first), "S"(second), "d"(third) : "rcx", "r11", "memory");
    return number;
}
#elif defined(__aarch64__)
asm(".globl _start\n_start: mov x0, sp\n bl prove\n");
long call(long number, long first, long second, long third) {
    register long x8 asm("x8") = number;
    register long x0 asm("x0") = first;
    register long x1 asm("x1") = second;
    register long x2 asm("x2") = third;
    asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}
#else
#error "the entry and the system calls of this architecture belong here"
#endif

}  // namespace

// \a stack: argc, argv[0], argv[1]…
extern "C" [[noreturn]] void prove(const long* stack) {
    long status = 0;
    if (stack[0] > 1) {
        const long file = call(__NR_openat, AT_FDCWD, stack[2], O_WRONLY | O_APPEND);
        status = file < 0 || call(__NR_write, file, stack[1], 1) != 1;
    }
    for (;;) call(__NR_exit_group, status, 0, 0);
}
