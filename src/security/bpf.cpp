#include "security/bpf.h"

#include <algorithm>

namespace gpurun::security {
namespace {

// A conditional jump reaches 255 instructions. Making one target reachable may put one more instruction in front of the
// other.
constexpr std::size_t reach = 250;

}  // namespace

Label Assembler::push(std::uint16_t code, std::uint32_t k, std::uint8_t jt, std::uint8_t jf) {
    reversed_.push_back({.code = code, .jt = jt, .jf = jf, .k = k});
    return reversed_.size() - 1;
}

Label Assembler::ret(std::uint32_t value) {
    const auto known =
        std::find_if(returns_.begin(), returns_.end(), [&](const Return& made) { return made.value == value; });
    if (known != returns_.end() && distance(known->label) <= reach) return known->label;
    const Label label = push(BPF_RET | BPF_K, value);
    if (known != returns_.end())
        known->label = label;
    else
        returns_.push_back({value, label});
    return label;
}

Label Assembler::in_reach(Label target) {
    if (distance(target) <= reach) return target;
    const sock_filter& there = reversed_[target];
    if (there.code == (BPF_RET | BPF_K)) return ret(there.k);
    return push(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(distance(target)));
}

Label Assembler::branch(std::uint16_t code, std::uint32_t k, Label yes, Label no) {
    yes = in_reach(yes);
    no = in_reach(no);
    if (yes == no) return yes;
    return push(static_cast<std::uint16_t>(BPF_JMP | BPF_K | code), k, static_cast<std::uint8_t>(distance(yes)),
                static_cast<std::uint8_t>(distance(no)));
}

void Assembler::fall_through_to(Label target) {
    if (distance(target) == 0) return;
    const sock_filter& there = reversed_[target];
    if (there.code == (BPF_RET | BPF_K))
        push(there.code, there.k);
    else
        push(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(distance(target)));
}

Label Assembler::load(std::uint32_t offset, Label next) {
    fall_through_to(next);
    return push(BPF_LD | BPF_W | BPF_ABS, offset);
}

Label Assembler::mask(std::uint32_t mask, Label next) {
    fall_through_to(next);
    return push(BPF_ALU | BPF_AND | BPF_K, mask);
}

std::vector<sock_filter> Assembler::finish() && {
    std::reverse(reversed_.begin(), reversed_.end());
    return std::move(reversed_);
}

}  // namespace gpurun::security
