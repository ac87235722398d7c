// Symbols of glibc that archives built against it (libstdc++, libseccomp, libyajl, libyaml) refer to and musl does not
// have.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {
char __libc_single_threaded = 1;

// libgcc asks for a faster frame look-up; -1 sends it to dl_iterate_phdr.
int _dl_find_object(void*, void*);
int _dl_find_object(void*, void*) { return -1; }

int __fprintf_chk(FILE* file, int flag, const char* format, ...);
int __fprintf_chk(FILE* file, int, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int written = vfprintf(file, format, arguments);
    va_end(arguments);
    return written;
}

int __sprintf_chk(char* to, int flag, size_t size, const char* format, ...);
int __sprintf_chk(char* to, int, size_t size, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int written = vsnprintf(to, size, format, arguments);
    va_end(arguments);
    return written;
}

void* __memcpy_chk(void* to, const void* from, size_t count, size_t size);
void* __memcpy_chk(void* to, const void* from, size_t count, size_t size) {
    if (count > size) abort();
    return memcpy(to, from, count);
}
}
