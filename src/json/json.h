#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/table.h"

/// Typed values from and to JSON by tables; see json/type.h for how a table is written. No other module names yajl.
///
///     template <> struct gpurun::json::Fields<spec::Root> {
///         static constexpr Field value[] = {required<&spec::Root::path>("path"), field<&spec::Root::readonly>("readonly")};
///     };
///     auto root = json::read<spec::Root>("config.json", text);
