#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <random>
#include <vector>

// The static binary's heap under other names: this program keeps its C library's.
#define malloc arena_malloc
#define free arena_free
#define calloc arena_calloc
#define realloc arena_realloc
#define aligned_alloc arena_aligned_alloc
#include "../../toolchain/musl/allocator.cpp"
#undef malloc
#undef free
#undef calloc
#undef realloc
#undef aligned_alloc

BOOST_AUTO_TEST_SUITE(musl_allocator)

namespace {

struct Block {
    unsigned char* data;
    std::size_t size;
    unsigned char content;
};

bool is_intact(const Block& block) {
    for (std::size_t i = 0; i < block.size; ++i)
        if (block.data[i] != block.content) return false;
    return true;
}

Block make(std::size_t size, unsigned char content) {
    Block block{static_cast<unsigned char*>(arena_malloc(size)), size, content};
    BOOST_REQUIRE(block.data != nullptr);
    BOOST_TEST(reinterpret_cast<std::uintptr_t>(block.data) % 16 == 0u);
    std::memset(block.data, content, size);
    return block;
}

int signal_of(void (*misuse)()) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::signal(SIGABRT, SIG_DFL);
        misuse();
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

}  // namespace

BOOST_AUTO_TEST_CASE(blocks_of_every_size_keep_their_content_among_others) {
    std::mt19937 random(7);
    std::vector<Block> blocks;
    for (int turn = 0; turn < 20000; ++turn) {
        const auto kind = random() % 8;
        if (blocks.size() < 20 || kind < 3) {
            const std::size_t largest = random() % 50 == 0 ? 600000 : 3000;
            blocks.push_back(make(random() % largest, static_cast<unsigned char>(random())));
            continue;
        }
        const auto at = random() % blocks.size();
        BOOST_REQUIRE(is_intact(blocks[at]));
        if (kind == 3) {
            const std::size_t size = blocks[at].size + random() % 5000;
            auto* grown = static_cast<unsigned char*>(arena_realloc(blocks[at].data, size));
            blocks[at].data = grown;
            BOOST_REQUIRE(is_intact(blocks[at]));
            blocks[at].size = size;
            std::memset(grown, blocks[at].content, size);
        } else {
            arena_free(blocks[at].data);
            blocks[at] = blocks.back();
            blocks.pop_back();
        }
    }
    for (const auto& block : blocks) {
        BOOST_REQUIRE(is_intact(block));
        arena_free(block.data);
    }
}

BOOST_AUTO_TEST_CASE(a_block_is_as_large_as_asked_at_each_border_of_its_classes) {
    for (std::size_t size = 0; size < 300000; size += size < 5000 ? 1 : 997) {
        void* made = arena_malloc(size);
        BOOST_REQUIRE(capacity(made) >= size);
        BOOST_REQUIRE(size < 1024 || capacity(made) < size + size / 3);
        arena_free(made);
    }
}

BOOST_AUTO_TEST_CASE(what_is_freed_is_used_again) {
    for (const std::size_t size : {40u, 2000u, 70000u}) {
        void* one = arena_malloc(size);
        void* other = arena_malloc(size);
        arena_free(one);
        BOOST_TEST(arena_malloc(size) == one);
        arena_free(one);
        arena_free(other);
    }
}

BOOST_AUTO_TEST_CASE(calloc_clears_used_memory_and_refuses_overflow) {
    auto* used = static_cast<unsigned char*>(arena_malloc(100));
    std::memset(used, 255, 100);
    void* keeps_it_below_the_top = arena_malloc(100);
    arena_free(used);
    auto* cleared = static_cast<unsigned char*>(arena_calloc(10, 10));
    BOOST_TEST(cleared == used);
    for (int i = 0; i < 100; ++i) BOOST_TEST(cleared[i] == 0);
    arena_free(keeps_it_below_the_top);
    BOOST_TEST(arena_calloc(std::size_t{1} << 40, std::size_t{1} << 40) == nullptr);
    BOOST_TEST(arena_malloc(SIZE_MAX - 4) == nullptr);
}

BOOST_AUTO_TEST_CASE(a_second_free_ends_the_program) {
    BOOST_TEST(signal_of([] {
                   void* block = arena_malloc(50);
                   void* next = arena_malloc(50);
                   arena_free(block);
                   arena_free(block);
                   arena_free(next);
               }) == SIGABRT);
    BOOST_TEST(signal_of([] {
                   static char none[64];
                   arena_free(none + 16);
               }) == SIGABRT);
}

BOOST_AUTO_TEST_SUITE_END()
