#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <vector>

/// Classic BPF for seccomp, written from its last instruction to its first: jumps only go forward, so every target is
/// there when the jump to it is made, and its distance is known.
namespace gpurun::security {

/// An instruction, counted from the end of the program.
using Label = std::size_t;

class Assembler {
 public:
    /// `return value`; an earlier one is used when it is in reach of a conditional jump.
    Label ret(std::uint32_t value);
    /// `if (accumulator CODE k) goto yes; else goto no;` CODE: BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JSET. Targets may be any
    /// distance away.
    Label branch(std::uint16_t code, std::uint32_t k, Label yes, Label no);
    /// `accumulator = data[offset]`, then on to the instruction at \a next.
    Label load(std::uint32_t offset, Label next);
    /// `accumulator &= mask`, then on to \a next.
    Label mask(std::uint32_t mask, Label next);

    std::size_t size() const noexcept { return reversed_.size(); }
    /// The program in the order of execution; it begins with the instruction made last.
    std::vector<sock_filter> finish() &&;

 private:
    struct Return {
        std::uint32_t value;
        Label label;
    };

    Label push(std::uint16_t code, std::uint32_t k, std::uint8_t jt = 0, std::uint8_t jf = 0);
    Label in_reach(Label target);
    void fall_through_to(Label target);
    std::size_t distance(Label target) const noexcept { return reversed_.size() - target - 1; }

    std::vector<sock_filter> reversed_;
    std::vector<Return> returns_;
};

}  // namespace gpurun::security
