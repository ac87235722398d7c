// The one translation unit with fmt's bodies: Debian ships no static fmt, and one copy keeps the others quick to
// compile. Without a locale's thousands separator std::locale is not linked in: 300 KB and its start-up cost.
#define FMT_STATIC_THOUSANDS_SEPARATOR ','
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <fmt/format-inl.h>
#pragma GCC diagnostic pop

FMT_BEGIN_NAMESPACE
namespace detail {
template auto thousands_sep_impl<char>(locale_ref) -> thousands_sep_result<char>;
template auto decimal_point_impl(locale_ref) -> char;
template void buffer<char>::append(const char*, const char*);
template void vformat_to(buffer<char>&, string_view, basic_format_args<FMT_BUFFER_CONTEXT(char)>, locale_ref);
}  // namespace detail
FMT_END_NAMESPACE
