#include "gpu/image.h"

#include <fcntl.h>
#include <gpurun/error.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "base/text.h"
#include "gpu/driver_files.h"
#include "gpu/elf_file.h"
#include "sys/file.h"

namespace gpurun::gpu {
namespace {

using sys::Resolve;

bool exists(sys::FdRef root, const std::string& path) {
    return static_cast<bool>(sys::try_open_at(root, path, O_PATH, Resolve::in_root));
}

#if defined(__x86_64__)
constexpr const char* musl_loader = "/lib/ld-musl-x86_64.so.1";
#elif defined(__aarch64__)
constexpr const char* musl_loader = "/lib/ld-musl-aarch64.so.1";
#else
constexpr const char* musl_loader = "/lib/ld-musl-powerpc64le.so.1";
#endif

void probe_layout(sys::FdRef root, Image& image) {
    const std::string folder = format("/usr/lib/{}", multiarch);
    if (exists(root, folder + "/libc.so.6") || exists(root, format("/lib/{}/libc.so.6", multiarch)) ||
        exists(root, "/etc/debian_version")) {
        image.layout = Image::Layout::debian;
        image.library_folder = folder;
        image.library_folder_32 = format("/usr/lib/{}", multiarch_32);
    } else if (exists(root, "/usr/lib64/libc.so.6") || exists(root, "/lib64/libc.so.6")) {
        image.layout = Image::Layout::lib64;
    } else if (exists(root, "/usr/lib/libc.so.6")) {
        image.layout = Image::Layout::lib;
        image.library_folder = "/usr/lib";
        image.library_folder_32 = "/usr/lib32";
    } else if (exists(root, musl_loader)) {
        image.layout = Image::Layout::musl;
        image.library_folder = "/usr/lib";
        image.library_folder_32 = "/usr/lib32";
    }
}

// libcuda.so.575.57.08 → 575.57.08; libcuda.so.1 is the link.
std::optional<std::string> driver_version_of(std::string_view name) {
    constexpr std::string_view prefix = "libcuda.so.";
    if (!name.starts_with(prefix)) return std::nullopt;
    name.remove_prefix(prefix.size());
    const auto parts = split(name, '.');
    const bool numbers = std::all_of(parts.begin(), parts.end(),
                                     [](std::string_view part) { return parse_number<unsigned>(part).has_value(); });
    if (parts.size() < 2 || !numbers) return std::nullopt;
    return std::string(name);
}

// "libnvidia-nvvm.so.4": a name as programs ask for it.
bool is_soname(std::string_view name) {
    const auto so = name.find(".so.");
    return name.starts_with("lib") && so != std::string_view::npos &&
           parse_number<unsigned>(name.substr(so + 4)).has_value();
}

std::vector<unsigned> version_numbers(std::string_view version) {
    std::vector<unsigned> numbers;
    for (const auto part : split(version, '.')) numbers.push_back(parse_number<unsigned>(part).value_or(0));
    return numbers;
}

// The numbers in `"Driver": [535, 550]` of the note's JSON. A hostile note can say what it likes: it only decides which
// of the container's own libraries comes first.
std::vector<unsigned> drivers_of(std::string_view note) {
    std::vector<unsigned> drivers;
    const auto key = note.find("\"Driver\"");
    const auto begin = key == std::string_view::npos ? key : note.find('[', key);
    const auto end = begin == std::string_view::npos ? begin : note.find(']', begin);
    if (end == std::string_view::npos) return drivers;
    for (auto part : split(note.substr(begin + 1, end - begin - 1), ',')) {
        part = trim(part);
        if (part.starts_with('"') && part.ends_with('"') && part.size() > 1) part = part.substr(1, part.size() - 2);
        if (const auto number = parse_number<unsigned>(part)) drivers.push_back(*number);
    }
    return drivers;
}

}  // namespace

// The directory's names come from the image: the file is opened below the directory's own descriptor and must be a
// regular one.
std::optional<Image::CudaCompat> probe_compat(sys::FdRef root, const std::string& folder_path) {
    Image::CudaCompat compat{.folder = folder_path, .version = {}, .note = {}, .libraries = {}};
    if (!root) return std::nullopt;
    const sys::Fd folder = sys::try_open_at(root, compat.folder, O_PATH | O_DIRECTORY, Resolve::in_root);
    if (!folder) return std::nullopt;
    std::string file;
    for (auto& name : sys::list_directory(folder, ".")) {
        if (auto version = driver_version_of(name)) {
            if (!file.empty()) return std::nullopt;
            file = name;
            compat.version = std::move(*version);
        }
        if (is_soname(name)) compat.libraries.push_back(std::move(name));
    }
    if (file.empty()) return std::nullopt;
    const sys::Fd library = sys::try_open_at(folder, file, O_RDONLY | O_NONBLOCK | O_NOCTTY, Resolve::no_symlinks);
    if (!library || !S_ISREG(sys::stat_fd(library).st_mode)) return std::nullopt;
    compat.note = read_elf_note(ElfSource(library), ".note.cuda.fwd_compatibility", "NVIDIA Corporation");
    std::sort(compat.libraries.begin(), compat.libraries.end());
    return compat;
}

Image probe_image(sys::FdRef root, bool compat) {
    Image image;
    if (!root) return image;
    probe_layout(root, image);
    image.has_loader_cache = exists(root, "/etc/ld.so.cache");
    struct statvfs facts {};
    image.read_only = ::fstatvfs(root.get(), &facts) == 0 && (facts.f_flag & ST_RDONLY) != 0;
    if (compat) image.compat = probe_compat(root, cuda_compat_folder);
    return image;
}

bool choose_cuda_compat(const Image::CudaCompat& compat, const std::string& version,
                        const std::vector<std::string>& models) {
    for (const auto& model : models)
        if (model.find("GeForce") != std::string::npos || model.find("TITAN") != std::string::npos) return false;
    const auto host = version_numbers(version);
    const auto own = version_numbers(compat.version);
    if (!compat.note) return own.front() > host.front();
    const auto drivers = drivers_of(*compat.note);
    return std::find(drivers.begin(), drivers.end(), host.front()) != drivers.end() && own > host;
}

bool choose_cuda_compat_by_cuda(const Image::CudaCompat& compat, std::string_view cuda_version) {
    if (!compat.note || cuda_version.empty()) return false;
    const std::string_view note = *compat.note;
    const auto key = note.find("\"CUDA Version\"");
    const auto begin = note.find_first_of("0123456789", key);
    if (key == std::string_view::npos || begin == std::string_view::npos) return false;
    return version_numbers(note.substr(begin, note.find_first_not_of("0123456789.", begin) - begin)) >
           version_numbers(cuda_version);
}

}  // namespace gpurun::gpu
