#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "json/events.h"
#include "json/json.h"
#include "json/type.h"

namespace gpurun::json {

/// Takes a parser's events and fills the object by its type's table. Event functions return false when the text cannot
/// be used; the parser then stops and asks for problem() and path(). Unknown properties are skipped by counting, so no
/// depth overflows the stack.
class Reader final : public Events {
 public:
    /// \a omitted: members of these types are skipped.
    Reader(const Type& type, void* object, Unknown unknown, std::span<const Type* const> omitted = {}) noexcept
        : root_type_(&type), root_(object), unknown_(unknown), omitted_(omitted) {}

    bool null() noexcept override;
    bool boolean(bool value) noexcept override;
    bool number(std::string_view literal) noexcept override;
    bool string(std::string_view text) noexcept override;
    /// Null, boolean, number or string as the target's type has it.
    bool plain(std::string_view text) noexcept override;
    bool open_object() noexcept override;
    bool key(std::string_view name) noexcept override;
    bool close_object() noexcept override;
    bool open_array() noexcept override;
    bool close_array() noexcept override;

    /// Where reading stands: `linux.sysctl[net.ipv4.ip_forward]`, `mounts[2].source`; empty for the whole.
    std::string path() const;
    const std::string& problem() const noexcept { return problem_; }
    /// True when the problem is an absent property, so that the place of path() tells more than the end of the object.
    bool is_missing() const noexcept { return is_missing_; }

 private:
    struct Frame {
        const Type* type;
        void* object;
        const Field* field;    // Objects: nullptr for an unknown property.
        void* element;         // Maps: the value of key.
        std::string_view key;  // Maps.
        std::size_t index;     // Arrays: the next element; objects: the next field that is expected.
        std::uint64_t seen;    // Objects: one bit for each field.
    };
    struct Target {
        const Type* type = nullptr;  // nullptr: skip the value.
        void* to = nullptr;
    };

    Target target() noexcept;
    bool open(Kind kind) noexcept;
    bool assign(Target target, std::string_view literal) noexcept;
    bool assign_string(Target target, std::string_view text) noexcept;
    bool refuse(const Type& type, std::string_view found);
    bool fail(std::string problem);

    static constexpr std::size_t max_depth = 32;      // Of tables; the spec needs 6.
    static constexpr std::size_t max_skipped = 1000;  // Of properties that nobody reads.

    const Type* root_type_;
    void* root_;
    Unknown unknown_;
    std::span<const Type* const> omitted_;
    std::array<Frame, max_depth> frames_;
    std::size_t depth_ = 0;
    std::size_t skipped_ = 0;
    bool is_missing_ = false;
    std::string problem_;
};

}  // namespace gpurun::json
