// The heap of a process that lives for milliseconds. musl's gives each page back as soon as it is free and fetches it
// again: a hundred system calls and page faults per container. This one takes memory from an arena that lies in the
// image, reuses it by size, and leaves the rest to the end of the process. It has no lock: the runtime's helper threads
// allocate nothing.
#include <sys/mman.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

// Precedes what the caller gets, which is aligned to 16 bytes. A second free, or a free of what is no block, is
// noticed.
struct Header {
    std::uint32_t state;
    std::uint32_t size_class;
};
constexpr std::uint32_t in_use = 0x67707573, unused = 0x67706672;

// Blocks are counted with their header. Up to small_limit they come in steps of 16 bytes, up to large_limit in four
// steps per doubling; larger ones are mappings of their own.
constexpr std::size_t alignment = 16, small_limit = 1024, large_limit = 256u << 10, arena_size = 256u << 10;
constexpr unsigned small_classes = small_limit / alignment, classes = small_classes + 8 * 4 + 1, own_mapping = classes;

struct Free {
    Free* next;
};

alignas(alignment) char first_arena[arena_size];
// The next block's header; so that the payload is aligned, headers lie 8 bytes before a multiple of 16.
char* top = first_arena + alignment - sizeof(Header);
char* end = first_arena + arena_size;
Free* free_lists[classes];

unsigned class_of(std::size_t& block) {
    if (block <= small_limit) {
        block = (block + alignment - 1) & ~(alignment - 1);
        return static_cast<unsigned>(block / alignment);
    }
    const auto log = static_cast<unsigned>(std::bit_width(block - 1)) - 1;
    const std::size_t step = std::size_t{1} << (log - 2);
    block = (block + step - 1) & ~(step - 1);
    return small_classes + (log - 10) * 4 + static_cast<unsigned>(block >> (log - 2)) - 4;
}

std::size_t size_of(unsigned size_class) {
    if (size_class <= small_classes) return size_class * alignment;
    const unsigned step = size_class - small_classes - 1;
    return std::size_t{5 + step % 4} << (step / 4 + 8);
}

Header* header_of(void* payload) {
    auto* header = reinterpret_cast<Header*>(static_cast<char*>(payload) - sizeof(Header));
    if (header->state != in_use) abort();
    return header;
}

void* use(char* block, unsigned size_class) {
    *reinterpret_cast<Header*>(block) = {in_use, size_class};
    return block + sizeof(Header);
}

char* map(std::size_t size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
}

// The mapping's size stands before the header.
void* own(std::size_t wanted) {
    const std::size_t size = wanted + alignment;
    char* memory = size < wanted ? nullptr : map(size);
    if (memory == nullptr) {
        errno = ENOMEM;
        return nullptr;
    }
    std::memcpy(memory, &size, sizeof size);
    return use(memory + alignment - sizeof(Header), own_mapping);
}

std::size_t mapping_size(void* payload) {
    std::size_t size = 0;
    std::memcpy(&size, static_cast<char*>(payload) - alignment, sizeof size);
    return size;
}

std::size_t capacity(void* payload) {
    const unsigned size_class = header_of(payload)->size_class;
    return size_class == own_mapping ? mapping_size(payload) - alignment : size_of(size_class) - sizeof(Header);
}

bool more(std::size_t block) {
    const std::size_t size = arena_size + block;
    char* memory = map(size);
    if (memory == nullptr) return false;
    top = memory + alignment - sizeof(Header);
    end = memory + size;
    return true;
}

}  // namespace

extern "C" {

void* malloc(std::size_t wanted) {
    if (wanted > large_limit - sizeof(Header)) return own(wanted);
    std::size_t block = wanted + sizeof(Header);
    if (block < 2 * alignment) block = 2 * alignment;
    const unsigned size_class = class_of(block);
    if (Free* found = free_lists[size_class]) {
        free_lists[size_class] = found->next;
        return use(reinterpret_cast<char*>(found) - sizeof(Header), size_class);
    }
    if (static_cast<std::size_t>(end - top) < block && !more(block)) {
        errno = ENOMEM;
        return nullptr;
    }
    char* made = top;
    top += block;
    return use(made, size_class);
}

void free(void* payload) {
    if (payload == nullptr) return;
    Header* header = header_of(payload);
    const unsigned size_class = header->size_class;
    if (size_class == own_mapping) {
        munmap(static_cast<char*>(payload) - alignment, mapping_size(payload));
        return;
    }
    header->state = unused;
    char* block = reinterpret_cast<char*>(header);
    if (block + size_of(size_class) == top) {
        top = block;
        return;
    }
    auto* entry = static_cast<Free*>(payload);
    entry->next = free_lists[size_class];
    free_lists[size_class] = entry;
}

void* calloc(std::size_t count, std::size_t size) {
    std::size_t wanted = 0;
    if (__builtin_mul_overflow(count, size, &wanted)) {
        errno = ENOMEM;
        return nullptr;
    }
    void* made = malloc(wanted);
    if (made != nullptr) std::memset(made, 0, wanted);
    return made;
}

void* realloc(void* payload, std::size_t wanted) {
    if (payload == nullptr) return malloc(wanted);
    const std::size_t old = capacity(payload);
    if (wanted <= old) return payload;
    void* made = malloc(wanted);
    if (made == nullptr) return nullptr;
    std::memcpy(made, payload, old);
    free(payload);
    return made;
}

// Nothing here asks for more than malloc's alignment; what ever does must not get musl's heap.
void* aligned_alloc(std::size_t wanted_alignment, std::size_t size) {
    if (wanted_alignment <= alignment) return malloc(size);
    errno = ENOMEM;
    return nullptr;
}
}
