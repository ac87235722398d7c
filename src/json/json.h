#pragma once

#include <gpurun/error.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "json/type.h"

/// Reading and writing by the tables of json/type.h. What holds for every text: unknown properties are skipped unless
/// asked otherwise, null is as good as absent (but an error as an array's element), the last of two equal keys wins,
/// numbers must fit the member's type exactly, and a string may hold neither invalid UTF-8 nor NUL, which would cut it
/// short in a system call.
namespace gpurun::json {

/// A place in a text, from 1; columns count bytes.
struct Position {
    std::size_t line = 1;
    std::size_t column = 1;
};

/// What to do with a property that the type does not have.
enum class Unknown { skip, refuse };

void read_into(const Type& type, void* object, std::string_view name, std::string_view text, Unknown unknown,
               std::span<const Type* const> omitted = {});
void read_yaml_into(const Type& type, void* object, std::string_view name, std::string_view text, Unknown unknown);
std::string write_value(const Type& type, const void* value, std::string_view indent);

/// The value in \a text. Throws Error("NAME:LINE:COLUMN: PATH: expected boolean, got string \"true\"").
template <typename T>
T read(std::string_view name, std::string_view text, Unknown unknown = Unknown::skip) {
    T value{};
    read_into(TypeOf<T>::value, &value, name, text, unknown);
    return value;
}

/// The same but for members of the types \a omitted, which stay empty: for texts that have been read whole before.
template <typename T>
T read_without(std::span<const Type* const> omitted, std::string_view name, std::string_view text) {
    T value{};
    read_into(TypeOf<T>::value, &value, name, text, Unknown::skip, omitted);
    return value;
}

/// The same from one YAML document. A plain scalar is what the member's type makes of it; anchors, aliases and tags are
/// refused.
template <typename T>
T read_yaml(std::string_view name, std::string_view text, Unknown unknown = Unknown::skip) {
    T value{};
    read_yaml_into(TypeOf<T>::value, &value, name, text, unknown);
    return value;
}

/// The JSON text of a value, slashes not escaped, bytes that are not UTF-8 replaced by U+FFFD. Without \a indent ("\t",
/// "  ") on one line.
template <typename T>
std::string write(const T& value, std::string_view indent = {}) {
    return write_value(TypeOf<T>::value, &value, indent);
}

/// Where the value that \a path names stands in \a text, for errors found after reading: `mounts[2].source`,
/// `linux.sysctl[net.ipv4.ip_forward]`. When there is no such value, where the nearest value around it begins.
Position locate(std::string_view text, std::string_view path);
/// The same in a YAML text.
Position locate_yaml(std::string_view text, std::string_view path);

}  // namespace gpurun::json
