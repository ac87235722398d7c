#include "cli/completion.h"

#include <gpurun/error.h>

#include "base/table.h"
#include "base/text.h"

namespace gpurun::cli {
namespace {

using Commands = std::span<const Command* const>;
using Options = std::span<const Option>;

/// What stands where the first positional is expected.
struct Positional {
    bool container = false;
    std::string words;  ///< "docker containerd"
};

Positional positional_of(const Command& command) {
    Positional positional;
    for (const Command* child : command.children)
        positional.words += format("{}{}", positional.words.empty() ? "" : " ", child->name);
    if (!command.children.empty()) return positional;
    for (const auto word : words(command.usage)) {
        if (word == "CONTAINER" || word == "[CONTAINER]") positional.container = true;
        if (word.find('|') == std::string_view::npos) continue;
        std::vector<std::string> parts;
        const auto inner = word.starts_with('[') ? word.substr(1, word.size() - 2) : word;
        for (const auto part : split(inner, '|')) parts.emplace_back(part);
        positional.words = join(parts, " ");
    }
    return positional;
}

/// A command with the words that lead to it: {"gpu", "cdi", "list"}.
struct Verb {
    const Command* command;
    std::vector<std::string> path;
    std::vector<std::string> not_words;  ///< Siblings on the way that verbs follow: with one of them it is another.
};

void collect(std::vector<Verb>& verbs, Commands commands, const Verb& above) {
    for (const Command* command : commands) {
        Verb verb{command, above.path, above.not_words};
        verb.path.emplace_back(command->name);
        for (const Command* sibling : commands)
            if (sibling != command && !sibling->children.empty()) verb.not_words.emplace_back(sibling->name);
        verbs.push_back(verb);
        collect(verbs, command->children, verb);
    }
}

std::vector<Verb> all_verbs(Commands commands) {
    std::vector<Verb> verbs;
    collect(verbs, commands, {});
    return verbs;
}

// "gpu|'gpu cdi'": the words that verbs follow, as shells' patterns.
std::string words_with_verbs(Commands commands) {
    std::vector<std::string> patterns;
    for (const auto& verb : all_verbs(commands))
        if (!verb.command->children.empty()) patterns.push_back(format("'{}'", join(verb.path, " ")));
    return join(patterns, "|");
}

// \a text between single quotes, with each character of \a escaped behind a backslash; the quote itself as \a quote.
std::string quoted(std::string_view text, std::string_view escaped, std::string_view quote) {
    std::string result = "'";
    for (const char c : text) {
        if (escaped.find(c) != std::string_view::npos) result += '\\';
        if (c == '\'')
            result += quote;
        else
            result += c;
    }
    return result + "'";
}

std::string option_words(Options options) {
    std::string text;
    for (const auto& option : options) text += format("{}--{}", text.empty() ? "" : " ", option.name);
    return text;
}

std::string value_options(Options options) {
    std::string text;
    for (const auto& option : options) {
        if (!option.takes_value) continue;
        text += format("{}--{}", text.empty() ? "" : "|", option.name);
        if (option.letter != 0) text += format("|-{}", option.letter);
    }
    return text;
}

constexpr std::string_view bash_head =
    R"(# bash completion of gpurun, written by `gpurun completion bash`
_gpurun() {
    local current=${COMP_WORDS[COMP_CWORD]} command='' words='' files='' i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
)";
constexpr std::string_view bash_tail = R"(    esac
    if [[ $current != -* && $words == *@containers* ]]; then words=$(gpurun list --quiet 2>/dev/null); fi
    mapfile -t COMPREPLY < <(compgen -W "${words//@containers/}" -- "$current")
    if [[ -n $files || ( ${#COMPREPLY[@]} = 0 && $current != -* ) ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -F _gpurun gpurun
)";

std::string bash(Commands commands, Options global) {
    std::string names;
    for (const Command* command : commands) names += format("{} ", command->name);
    std::string text(bash_head);
    text += format("            {}) ((i++)) ;;\n            -*) ;;\n", value_options(global));
    text += "            *)\n                command+=${command:+ }${COMP_WORDS[i]}\n";
    text += format("                case $command in {}) ;; *) break ;; esac\n", words_with_verbs(commands));
    text += "                ;;\n        esac\n    done\n    case $command in\n";
    text += format("        '') words='{}{}' ;;\n", names, option_words(global));
    for (const auto& [command, path, not_words] : all_verbs(commands)) {
        const auto positional = positional_of(*command);
        text += format("        '{}') words='{}{} {} --help'", join(path, " "),
                       positional.container ? "@containers " : "", positional.words, option_words(command->options));
        if (const auto values = value_options(command->options); !values.empty())
            text += format("; case ${{COMP_WORDS[COMP_CWORD - 1]}} in {}) files=yes ;; esac", values);
        text += " ;;\n";
    }
    return text + std::string(bash_tail);
}

std::string zsh_options(Options options) {
    std::string text;
    for (const auto& option : options) {
        const std::string help = format("--{}{}[{}]{}", option.name, option.takes_value ? "=" : "", option.help,
                                        option.takes_value ? ":value:_files" : "");
        // The brackets of the description stay, colons in it would end it.
        text += ' ';
        std::string safe;
        const auto open = help.find('[');
        for (std::size_t at = 0; at < help.size(); ++at) {
            if (help[at] == ':' && at > open && at < help.rfind(']')) safe += '\\';
            safe += help[at];
        }
        text += quoted(safe, "", "'\\''");
    }
    return text;
}

std::string zsh(Commands commands, Options global) {
    std::string text =
        "#compdef gpurun\n# zsh completion of gpurun, written by `gpurun completion zsh`\n_gpurun_containers() {\n"
        "    local -a containers=(${(f)\"$(gpurun list --quiet 2>/dev/null)\"})\n    compadd -a containers\n}\n"
        "_gpurun() {\n    local state\n    local -a commands=(\n";
    for (const Command* command : commands)
        text += format("        {}\n", quoted(format("{}:{}", command->name, command->summary), "", "'\\''"));
    text += format("    )\n    _arguments -C{} '1:command:->command' '*::argument:->argument'\n", zsh_options(global));
    text +=
        "    case $state in\n    command) _describe command commands ;;\n    argument)\n        local verb=$words[1]\n";
    text += format("        while [[ $verb = ({}) && CURRENT -gt 2 ]]; do\n", words_with_verbs(commands));
    text += "            shift words; ((CURRENT--)); verb+=\" $words[1]\"\n        done\n        case $verb in\n";
    for (const auto& [command, path, not_words] : all_verbs(commands)) {
        const auto positional = positional_of(*command);
        std::string rest = "'*:file:_files'";
        if (!positional.words.empty()) rest = format("'1:choice:({})'", positional.words);
        if (positional.container) rest = "'1:container:_gpurun_containers' " + rest;
        text += format("        '{}') _arguments{} {} ;;\n", join(path, " "), zsh_options(command->options), rest);
    }
    return text + "        esac ;;\n    esac\n}\n_gpurun \"$@\"\n";
}

std::string fish_options(Options options, const std::string& condition) {
    std::string text;
    for (const auto& option : options)
        text += format("complete -c gpurun -n '{}' -l {}{}{} -d {}\n", condition, option.name,
                       option.letter != 0 ? format(" -s {}", option.letter) : "", option.takes_value ? " -r" : "",
                       quoted(option.help, "\\", "\\'"));
    return text;
}

std::string fish_condition(const Verb& verb) {
    std::string text;
    for (const auto& word : verb.path)
        text += format("{}__fish_seen_subcommand_from {}", text.empty() ? "" : "; and ", word);
    if (!verb.not_words.empty()) text += format("; and not __fish_seen_subcommand_from {}", join(verb.not_words, " "));
    return text;
}

std::string fish(Commands commands, Options global) {
    std::string text = "# fish completion of gpurun, written by `gpurun completion fish`\ncomplete -c gpurun -f\n";
    text += fish_options(global, "__fish_use_subcommand");
    for (const Command* command : commands)
        text += format("complete -c gpurun -n __fish_use_subcommand -a {} -d {}\n", command->name,
                       quoted(command->summary, "\\", "\\'"));
    for (const auto& verb : all_verbs(commands)) {
        const Command* command = verb.command;
        const auto positional = positional_of(*command);
        std::string chosen = fish_condition(verb);
        if (!command->children.empty()) chosen += format("; and not __fish_seen_subcommand_from {}", positional.words);
        if (positional.container)
            text += format("complete -c gpurun -n '{}' -a '(gpurun list --quiet 2>/dev/null)'\n", chosen);
        if (!positional.words.empty()) text += format("complete -c gpurun -n '{}' -a '{}'\n", chosen, positional.words);
        text += fish_options(command->options, chosen);
    }
    return text;
}

constexpr Name<std::string (*)(Commands, Options)> shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

}  // namespace

std::string completion(std::string_view shell, Commands commands, Options global_options) {
    const auto write = value_of(shells, shell);
    if (!write) throw Error(format("unknown shell \"{}\": want bash, zsh or fish", shell));
    return (*write)(commands, global_options);
}

}  // namespace gpurun::cli
