#pragma once

#include <asm/unistd.h>

/// For programs without a C library, since what one does before main takes up to 0.9 ms in a virtual machine: the
/// entry, which calls begin(), and system calls, which return what the kernel does. A program includes it once.
extern "C" [[noreturn]] void begin(char** stack);  ///< \a stack: argc, argv[0], argv[1], …, 0, then the environment, 0.

namespace bare {

#if defined(__x86_64__)
asm(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
inline long call(long number, long first = 0, long second = 0, long third = 0, long fourth = 0, long fifth = 0) {
    register long r10 asm("r10") = fourth;
    register long r8 asm("r8") = fifth;
    asm volatile("syscall"
                 : "+a"(number)
                 : "D"(first), "S"(second), "d"(third), "r"(r10), "r"(r8)
                 : "rcx", "r11", "memory");
    return number;
}
#elif defined(__aarch64__)
asm(".globl _start\n_start: mov x0, sp\n bl begin\n");
inline long call(long number, long first = 0, long second = 0, long third = 0, long fourth = 0, long fifth = 0) {
    register long x8 asm("x8") = number;
    register long x0 asm("x0") = first;
    register long x1 asm("x1") = second;
    register long x2 asm("x2") = third;
    register long x3 asm("x3") = fourth;
    register long x4 asm("x4") = fifth;
    asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}
#else
#error "the entry and the system calls of this architecture belong here"
#endif

inline long address(const void* pointer) { return reinterpret_cast<long>(pointer); }

[[noreturn]] inline void exit(long status) {
    for (;;) call(__NR_exit_group, status);
}

}  // namespace bare
