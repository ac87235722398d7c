// Runs at build time and prints the table of system calls that syscalls.cpp includes: libseccomp's knowledge of every
// name, for the architectures that a kernel of the build's architecture can run. Looking names up in libseccomp at run
// time costs more than the rest of the compilation, and its tables for all other architectures more than the rest of
// the program.

#include <seccomp.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace {

struct Architecture {
    std::uint32_t token;
    const char* name;
    bool wide;  // 64-bit arguments are compared as a whole; libseccomp looks at the low half for x32 and n32.
};

// Families in the order in which the filter asks for them. Docs: seccomp_arch_add(3).
const std::vector<std::vector<Architecture>> families = {
    {{SCMP_ARCH_X86_64, "SCMP_ARCH_X86_64", true},
     {SCMP_ARCH_X86, "SCMP_ARCH_X86", false},
     {SCMP_ARCH_X32, "SCMP_ARCH_X32", false}},
    {{SCMP_ARCH_AARCH64, "SCMP_ARCH_AARCH64", true}, {SCMP_ARCH_ARM, "SCMP_ARCH_ARM", false}},
    {{SCMP_ARCH_RISCV64, "SCMP_ARCH_RISCV64", true}},
    {{SCMP_ARCH_PPC64LE, "SCMP_ARCH_PPC64LE", true}},
    {{SCMP_ARCH_PPC64, "SCMP_ARCH_PPC64", true}, {SCMP_ARCH_PPC, "SCMP_ARCH_PPC", false}},
    {{SCMP_ARCH_S390X, "SCMP_ARCH_S390X", true}, {SCMP_ARCH_S390, "SCMP_ARCH_S390", false}},
    {{SCMP_ARCH_MIPS64, "SCMP_ARCH_MIPS64", true},
     {SCMP_ARCH_MIPS, "SCMP_ARCH_MIPS", false},
     {SCMP_ARCH_MIPS64N32, "SCMP_ARCH_MIPS64N32", false}},
    {{SCMP_ARCH_MIPSEL64, "SCMP_ARCH_MIPSEL64", true},
     {SCMP_ARCH_MIPSEL, "SCMP_ARCH_MIPSEL", false},
     {SCMP_ARCH_MIPSEL64N32, "SCMP_ARCH_MIPSEL64N32", false}},
};

// Newer than the libseccomp 2.5.4 of Debian 12. From 424 on a call has one number on all architectures.
const std::map<std::string, int> recent = {
    {"cachestat", 451},         {"fchmodat2", 452},         {"map_shadow_stack", 453}, {"futex_wake", 454},
    {"futex_wait", 455},        {"futex_requeue", 456},     {"statmount", 457},        {"listmount", 458},
    {"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},        {"listxattrat", 465},      {"removexattrat", 466},
    {"open_tree_attr", 467},    {"file_getattr", 468},      {"file_setattr", 469},
};

constexpr int x32_bit = 0x40000000;
constexpr int last_number = 8191;  // MIPS counts from 4000, 5000 and 6000.
constexpr int arm_private = 0xf0000, last_arm_private = 0xf0010;

struct Row {
    std::vector<int> numbers;  // -1: none
    std::vector<int> parts;    // 1xx: part xx of socketcall(2), 2xx: of ipc(2); 0: none
};

using Table = std::map<std::string, Row>;

void add_numbers(Table& table, const std::vector<Architecture>& family, std::size_t index, int first, int last) {
    for (int number = first; number <= last; ++number) {
        char* const name = seccomp_syscall_resolve_num_arch(family[index].token, number);
        if (name == nullptr) continue;
        Row& row = table[name];
        row.numbers.resize(family.size(), -1);
        row.parts.resize(family.size(), 0);
        row.numbers[index] = number;
        std::free(name);
    }
}

// Names that are parts of a multiplexer. Some, such as i386's send, have a number only on other families.
void add_parts(Table& table, const std::vector<Architecture>& family, std::size_t index,
               const std::set<std::string>& names) {
    for (const auto& name : names) {
        const int number = seccomp_syscall_resolve_name_arch(family[index].token, name.c_str());
        if (number > -101 || number < -299) continue;
        Row& row = table[name];
        row.numbers.resize(family.size(), -1);
        row.parts.resize(family.size(), 0);
        row.parts[index] = -number;
    }
}

std::set<std::string> names_of_all_families() {
    std::set<std::string> names;
    for (const auto& family : families) {
        Table table;
        for (std::size_t index = 0; index < family.size(); ++index) add_numbers(table, family, index, 0, last_number);
        for (const auto& row : table) names.insert(row.first);
    }
    return names;
}

void add_recent(Table& table, const std::vector<Architecture>& family) {
    for (const auto& [name, number] : recent) {
        if (table.contains(name)) continue;
        Row row{std::vector<int>(family.size()), std::vector<int>(family.size())};
        for (std::size_t index = 0; index < family.size(); ++index) {
            // MIPS adds its base.
            const int base = seccomp_syscall_resolve_name_arch(family[index].token, "io_uring_setup") - 425;
            row.numbers[index] = base + number;
        }
        table[name] = row;
    }
}

std::string list_of(const std::vector<int>& values) {
    std::string text = "{";
    for (const int value : values) text.append(text.size() > 1 ? "," : "").append(std::to_string(value));
    return text + "}";
}

void print(const std::vector<Architecture>& family) {
    Table table;
    for (std::size_t index = 0; index < family.size(); ++index) {
        const bool x32 = family[index].token == SCMP_ARCH_X32;
        add_numbers(table, family, index, x32 ? x32_bit : 0, (x32 ? x32_bit : 0) + last_number);
        if (family[index].token == SCMP_ARCH_ARM) add_numbers(table, family, index, arm_private, last_arm_private);
    }
    const auto names = names_of_all_families();
    for (std::size_t index = 0; index < family.size(); ++index) add_parts(table, family, index, names);
    add_recent(table, family);

    std::printf("constexpr std::size_t architecture_count = %zu;\n", family.size());
    std::printf("constexpr Architecture architecture_table[] = {\n");
    for (const auto& architecture : family) {
        const bool x32 = architecture.token == SCMP_ARCH_X32;
        std::printf("    {.name = \"%s\", .audit = %#xu, .base = %#xu, .wide = %s, .socketcall = %d, .ipc = %d},\n",
                    architecture.name, x32 ? SCMP_ARCH_X86_64 : architecture.token,
                    static_cast<unsigned>(x32 ? x32_bit : 0), architecture.wide ? "true" : "false",
                    seccomp_syscall_resolve_name_arch(architecture.token, "socketcall"),
                    seccomp_syscall_resolve_name_arch(architecture.token, "ipc"));
    }
    std::printf("};\nconstexpr Row<architecture_count> syscall_table[] = {\n");
    for (const auto& [name, row] : table)
        std::printf("    {\"%s\", %s, %s},\n", name.c_str(), list_of(row.numbers).c_str(), list_of(row.parts).c_str());
    std::printf("};\n");
}

}  // namespace

int main() {
    for (const auto& family : families) {
        if (family.front().token != seccomp_arch_native()) continue;
        print(family);
        return 0;
    }
    std::fprintf(stderr, "generate-syscalls: libseccomp's native architecture %#x has no row here\n",
                 seccomp_arch_native());
    return 1;
}
