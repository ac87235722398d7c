#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace gpurun {

/// Runs a function when the scope is left, unless dismissed.
template <typename Function>
class ScopeExit {
 public:
    explicit ScopeExit(Function function) : function_(std::move(function)) {}
    ~ScopeExit() {
        if (armed_) function_();
    }
    ScopeExit(const ScopeExit&) = delete;
    ScopeExit& operator=(const ScopeExit&) = delete;
    void dismiss() noexcept { armed_ = false; }

 private:
    Function function_;
    bool armed_ = true;
};

/// What has to be undone when an operation fails, newest first. A deed pushes its undo in the line after it; success
/// dismisses all. Undo functions must not throw.
class Undo {
 public:
    Undo() = default;
    Undo(const Undo&) = delete;
    Undo& operator=(const Undo&) = delete;
    ~Undo() { run(); }

    void push(std::function<void()> function) { functions_.push_back(std::move(function)); }
    void dismiss() noexcept { functions_.clear(); }
    void run() noexcept {
        while (!functions_.empty()) {
            functions_.back()();
            functions_.pop_back();
        }
    }

 private:
    std::vector<std::function<void()>> functions_;
};

}  // namespace gpurun
