#include <linux/bpf.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "cgroup/device_rules.h"

namespace gpurun::cgroup {
namespace {

// What the registers hold while the program runs. The context, struct bpf_cgroup_dev_ctx, comes in r1.
enum Register : std::uint8_t {
    block_key,  // 0 but for the device's number when it is a block device, see add_key().
    context,
    scratch,
    hits,  // Of the rules in one group: negative when one of them is about the device.
    char_key,
    type,
    wanted,
    allowed,
    major,  // type << 12 | major.
    minor,
    result = 0
};

class Program {
 public:
    void load_word(Register to, std::int16_t offset) { add(BPF_LDX | BPF_W | BPF_MEM, to, context, offset, 0); }
    void set(Register to, std::int32_t value) { add(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value); }
    void copy(Register to, Register from) { add(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
    void combine(std::uint8_t operation, Register to, Register from) {
        add(static_cast<std::uint8_t>(BPF_ALU64 | operation | BPF_X), to, from, 0, 0);
    }
    void combine(std::uint8_t operation, Register to, std::int32_t value) {
        add(static_cast<std::uint8_t>(BPF_ALU64 | operation | BPF_K), to, 0, 0, value);
    }
    void leave() { add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }
    std::vector<std::uint64_t> take() { return std::move(code_); }

 private:
    void add(std::uint8_t code, std::uint8_t to, std::uint8_t from, std::int16_t offset, std::int32_t value) {
        bpf_insn instruction{};
        instruction.code = code;
        instruction.dst_reg = to & 15;
        instruction.src_reg = from & 15;
        instruction.off = offset;
        instruction.imm = value;
        std::uint64_t word;
        static_assert(sizeof word == sizeof instruction);
        std::memcpy(&word, &instruction, sizeof word);
        code_.push_back(word);
    }

    std::vector<std::uint64_t> code_;
};

// 'b' is BPF_DEVCG_DEV_BLOCK (1), 'c' is BPF_DEVCG_DEV_CHAR (2).
std::int32_t kind(char letter) { return letter == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR; }

// \a key = major << 20 | minor, the 32 bits of a device number, for a device of the type \a letter; something above
// them for others.
void add_key(Program& program, Register key, char letter) {
    program.copy(key, type);
    program.combine(BPF_XOR, key, kind(letter));
    program.combine(BPF_LSH, key, 40);
    program.copy(scratch, major);
    program.combine(BPF_AND, scratch, 0xfff);
    program.combine(BPF_LSH, scratch, 20);
    program.combine(BPF_OR, key, scratch);
    program.combine(BPF_OR, key, minor);
}

// One comparison does for a device whose number is positive as the 32-bit operand that the instruction sign-extends.
bool has_key(const DeviceMatch& rule) {
    return rule.type != 'a' && rule.major >= 0 && rule.major < 2048 && rule.minor >= 0;
}

// scratch = 0 when the device is one of \a rule's, else something positive.
void compare(Program& program, const DeviceMatch& rule) {
    if (has_key(rule)) {
        program.copy(scratch, rule.type == 'b' ? block_key : char_key);
        return program.combine(BPF_XOR, scratch, static_cast<std::int32_t>(rule.major << 20 | rule.minor));
    }
    if (rule.type != 'a' && rule.major != -1) {
        program.copy(scratch, major);
        program.combine(BPF_XOR, scratch, kind(rule.type) << 12 | static_cast<std::int32_t>(rule.major));
    } else if (rule.type != 'a') {
        program.copy(scratch, type);
        program.combine(BPF_XOR, scratch, kind(rule.type));
    } else if (rule.major != -1) {
        program.copy(scratch, major);
        program.combine(BPF_AND, scratch, 0xfff);
        program.combine(BPF_XOR, scratch, static_cast<std::int32_t>(rule.major));
    } else {
        program.set(scratch, 0);
    }
    if (rule.minor == -1) return;
    program.copy(context, minor);
    program.combine(BPF_XOR, context, static_cast<std::int32_t>(rule.minor));
    program.combine(BPF_OR, scratch, context);
}

// Adds or takes \a rule's access where a rule of the group that ends here was hit.
void settle(Program& program, const DeviceMatch& rule) {
    program.combine(BPF_ARSH, hits, 63);
    program.combine(BPF_AND, hits, static_cast<std::int32_t>(rule.access));
    if (rule.allow) return program.combine(BPF_OR, allowed, hits);
    program.combine(BPF_XOR, hits, -1);
    program.combine(BPF_AND, allowed, hits);
}

void add_prologue(Program& program, const std::vector<DeviceMatch>& rules) {
    program.load_word(wanted, offsetof(bpf_cgroup_dev_ctx, access_type));
    program.load_word(major, offsetof(bpf_cgroup_dev_ctx, major));
    program.load_word(minor, offsetof(bpf_cgroup_dev_ctx, minor));
    program.copy(type, wanted);
    program.combine(BPF_AND, type, 0xffff);
    program.combine(BPF_RSH, wanted, 16);
    program.copy(scratch, type);
    program.combine(BPF_LSH, scratch, 12);
    program.combine(BPF_OR, major, scratch);
    for (const auto& [key, letter] : {std::pair{char_key, 'c'}, std::pair{block_key, 'b'}})
        if (std::any_of(rules.begin(), rules.end(), [&, type_letter = letter](const DeviceMatch& rule) {
                return has_key(rule) && rule.type == type_letter;
            }))
            add_key(program, key, letter);
    program.set(allowed, 0);
}

}  // namespace

std::vector<std::uint64_t> device_program(const std::vector<DeviceMatch>& rules) {
    Program program;
    add_prologue(program, rules);
    for (auto rule = rules.begin(); rule != rules.end();) {
        if (rule->is_everything()) {
            program.set(allowed, rule->allow ? std::int32_t{access_all} : 0);
            ++rule;
            continue;
        }
        program.set(hits, 0);
        const DeviceMatch& first = *rule;
        for (; rule != rules.end() && rule->allow == first.allow && rule->access == first.access; ++rule) {
            compare(program, *rule);
            // Only 0 - 1 is negative.
            program.combine(BPF_SUB, scratch, 1);
            program.combine(BPF_OR, hits, scratch);
        }
        settle(program, first);
    }
    // 1 when nothing that is wanted is missing from what is allowed.
    program.combine(BPF_XOR, allowed, -1);
    program.copy(result, wanted);
    program.combine(BPF_AND, result, allowed);
    program.combine(BPF_SUB, result, 1);
    program.combine(BPF_RSH, result, 63);
    program.leave();
    return program.take();
}

}  // namespace gpurun::cgroup
