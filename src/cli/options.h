#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Command lines by tables, read with getopt_long: `--name value`, `--name=value`, `-name` (engines do that) and
/// repeated flags.
namespace gpurun::cli {

struct Option {
    const char* name;
    char letter;  ///< 0: none.
    bool takes_value;
    const char* help;
};

/// Positionals after the options, for commands that end with a program and its arguments.
enum class Order { any, options_first };

class Arguments {
 public:
    bool has(std::string_view name) const;
    /// The last value given; "" when none was.
    std::string value(std::string_view name) const;
    std::optional<std::string> optional(std::string_view name) const;
    std::vector<std::string> values(std::string_view name) const;
    /// Throws Error naming the option when the value is not a number of that type.
    int number(std::string_view name, int otherwise) const;
    std::optional<long long> optional_number(std::string_view name) const;

    std::vector<std::string> positionals;
    bool help = false;

 private:
    friend Arguments parse(int argc, char** argv, std::span<const Option> options, Order order);
    struct Given {
        std::string_view name;
        std::string value;
    };
    void set(const Option& option, const std::string& value);

    std::vector<Given> given_;
};

/// Reads argv[1] … ; `--help` and `-h` are always known. Throws Error("flag provided but not defined: --x") and the
/// like.
Arguments parse(int argc, char** argv, std::span<const Option> options, Order order);

/// One line per option, for --help.
std::string describe(std::span<const Option> options);

}  // namespace gpurun::cli
