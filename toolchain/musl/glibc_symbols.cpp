// Symbols of glibc that archives built against it (libstdc++, libseccomp, libyajl, libyaml) refer to and musl does not
// have.
#include <link.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

// libstdc++'s prints the exception's demangled name: 50 KB of demangler for a line that nobody reads, since main
// catches everything.
namespace __gnu_cxx {
void __verbose_terminate_handler();
void __verbose_terminate_handler() { abort(); }
}  // namespace __gnu_cxx

extern "C" {
char __libc_single_threaded = 1;

// libgcc of GCC 12 and later finds exception frames by this call alone; glibc 2.35 defines it. There is one object:
// this binary.
struct dl_find_object {
    unsigned long long flags;
    void* map_start;
    void* map_end;
    void* link_map;
    void* eh_frame;  // The PT_GNU_EH_FRAME segment.
};
extern const ElfW(Ehdr) __ehdr_start;

int _dl_find_object(void* address, dl_find_object* result);
int _dl_find_object(void*, dl_find_object* result) {
    const char* image = reinterpret_cast<const char*>(&__ehdr_start);
    const auto* segment = reinterpret_cast<const ElfW(Phdr)*>(image + __ehdr_start.e_phoff);
    for (int i = 0; i < __ehdr_start.e_phnum; ++i, ++segment) {
        if (segment->p_type != PT_GNU_EH_FRAME) continue;
        *result = {};
        result->map_start = const_cast<char*>(image);
        result->map_end = reinterpret_cast<void*>(~0ul);
        result->eh_frame = reinterpret_cast<void*>(segment->p_vaddr);
        return 0;
    }
    return -1;
}

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
