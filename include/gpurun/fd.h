#pragma once

#include <unistd.h>

#include <utility>

namespace gpurun::sys {

/// A borrowed file descriptor: 4 bytes, trivially copied, never closes. AT_FDCWD is allowed where a directory is meant.
class FdRef {
 public:
    constexpr explicit FdRef(int value = -1) noexcept : value_(value) {}
    constexpr int get() const noexcept { return value_; }
    constexpr explicit operator bool() const noexcept { return value_ >= 0; }

 private:
    int value_;
};

/// An owned file descriptor, closed by the destructor.
class Fd {
 public:
    Fd() noexcept = default;
    /// Takes ownership of \a value; negative: owns nothing.
    explicit Fd(int value) noexcept : value_(value) {}
    Fd(Fd&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) reset(std::exchange(other.value_, -1));
        return *this;
    }
    ~Fd() { reset(); }

    int get() const noexcept { return value_; }
    explicit operator bool() const noexcept { return value_ >= 0; }
    operator FdRef() const noexcept { return FdRef(value_); }
    FdRef ref() const noexcept { return FdRef(value_); }

    void reset(int value = -1) noexcept {
        if (value_ >= 0) ::close(value_);
        value_ = value;
    }
    /// Gives up ownership: for descriptors that are to outlive this process's exec.
    [[nodiscard]] int release() noexcept { return std::exchange(value_, -1); }

 private:
    int value_ = -1;
};

}  // namespace gpurun::sys
