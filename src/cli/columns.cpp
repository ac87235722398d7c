#include "cli/columns.h"

#include <gpurun/error.h>

#include <algorithm>

#include "base/text.h"

namespace gpurun::cli {

std::string columns(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (widths.size() <= i) widths.push_back(0);
            widths[i] = std::max(widths[i], row[i].size());
        }
    std::string text;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i)
            text +=
                i + 1 == row.size() ? row[i] + "\n" : format("{:<{}}", row[i], std::max<std::size_t>(widths[i], 9) + 3);
    }
    return text;
}

std::string output_format(const Arguments& arguments) {
    const std::string wanted = arguments.has("format") ? arguments.value("format") : "table";
    if (wanted != "table" && wanted != "json")
        throw Error(format("invalid format option \"{}\": want table or json", wanted));
    return wanted;
}

}  // namespace gpurun::cli
