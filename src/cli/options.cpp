#include "cli/options.h"

#include <getopt.h>
#include <gpurun/error.h>

#include "base/table.h"
#include "base/text.h"

namespace gpurun::cli {
namespace {

constexpr int first_long = 1000;
constexpr int help_value = 999;

}  // namespace

bool Arguments::has(std::string_view name) const { return optional(name).has_value(); }

std::string Arguments::value(std::string_view name) const { return optional(name).value_or(""); }

std::optional<std::string> Arguments::optional(std::string_view name) const {
    for (auto given = given_.rbegin(); given != given_.rend(); ++given)
        if (given->name == name) return given->value;
    return std::nullopt;
}

std::vector<std::string> Arguments::values(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& given : given_)
        if (given.name == name) values.push_back(given.value);
    return values;
}

std::optional<long long> Arguments::optional_number(std::string_view name) const {
    const auto text = optional(name);
    if (!text) return std::nullopt;
    const auto number = parse_number<long long>(*text);
    if (!number) throw Error(format("invalid value \"{}\" for flag --{}: want a number", *text, name));
    return number;
}

int Arguments::number(std::string_view name, int otherwise) const {
    const auto number = optional_number(name);
    if (number && (*number < -2147483648LL || *number > 2147483647LL))
        throw Error(format("invalid value {} for flag --{}: out of range", *number, name));
    return static_cast<int>(number.value_or(otherwise));
}

// "--detach", "--detach=true"; "--detach=false" takes it back.
void Arguments::set(const Option& option, const std::string& value) {
    constexpr Name<bool> booleans[] = {{"", true},       {"true", true}, {"1", true}, {"t", true},
                                       {"false", false}, {"0", false},   {"f", false}};
    const auto wanted = value_of(booleans, value);
    if (!wanted) throw Error(format("invalid value \"{}\" for flag --{}: want true or false", value, option.name));
    std::erase_if(given_, [&](const Given& given) { return given.name == option.name; });
    if (*wanted) given_.push_back({option.name, ""});
}

Arguments parse(int argc, char** argv, std::span<const Option> options, Order order) {
    std::vector<::option> longs;
    // ':' tells a missing value from an unknown option.
    std::string letters = order == Order::options_first ? "+:h" : ":h";
    int index = first_long;
    for (const auto& option : options) {
        longs.push_back({option.name, option.takes_value ? required_argument : optional_argument, nullptr, index++});
        if (option.letter == 0) continue;
        letters += option.letter;
        if (option.takes_value) letters += ':';
    }
    longs.push_back({"help", no_argument, nullptr, help_value});
    longs.push_back({nullptr, 0, nullptr, 0});

    Arguments arguments;
    ::opterr = 0;
    ::optind = 1;
    for (;;) {
        const int at = ::optind;
        const int found = ::getopt_long_only(argc, argv, letters.c_str(), longs.data(), nullptr);
        if (found < 0) break;
        const std::string shown = at < argc ? argv[at] : "";
        if (found == 'h' || found == help_value) {
            arguments.help = true;
            continue;
        }
        if (found == ':') throw Error("flag needs an argument: " + shown);
        if (found == '?') throw Error("flag provided but not defined: " + shown);
        const Option* option = nullptr;
        for (const auto& candidate : options)
            if (found == first_long + (&candidate - options.data()) || (found < 256 && candidate.letter == found))
                option = &candidate;
        if (option == nullptr) continue;
        const std::string value = ::optarg != nullptr ? ::optarg : "";
        if (option->takes_value)
            arguments.given_.push_back({option->name, value});
        else
            arguments.set(*option, value);
    }
    for (int i = ::optind; i < argc; ++i) arguments.positionals.emplace_back(argv[i]);
    return arguments;
}

std::string describe(std::span<const Option> options) {
    std::string text;
    for (const auto& option : options) {
        const std::string letter = option.letter != 0 ? format("-{}, ", option.letter) : "    ";
        text += format("  {}{:<26} {}\n", letter, format("--{}{}", option.name, option.takes_value ? " VALUE" : ""),
                       option.help);
    }
    return text;
}

}  // namespace gpurun::cli
