#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace gpurun::cli {

/// A table as runc prints them: columns as wide as their widest cell, three blanks apart.
std::string columns(const std::vector<std::vector<std::string>>& rows);

/// What --format asks for: "table" where it is not given, or "json". Throws Error for other words.
std::string output_format(const Arguments& arguments);

}  // namespace gpurun::cli
