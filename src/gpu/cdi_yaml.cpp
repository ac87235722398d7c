// CDI files as YAML: the form that people read and that NVIDIA's generator writes.
#include <algorithm>

#include "base/text.h"
#include "gpu/cdi_file.h"

namespace gpurun::gpu::cdi {
namespace {

// Anything that could be taken for a number, a word of YAML or punctuation is quoted; what is left needs no more rules.
bool is_plain(std::string_view text) {
    static constexpr std::string_view words[] = {
        "true", "True", "TRUE", "false", "False", "FALSE", "null", "Null", "NULL", "yes", "Yes", "YES", "no",
        "No",   "NO",   "on",   "On",    "ON",    "off",   "Off",  "OFF",  "y",    "Y",   "n",   "N"};
    if (text.empty() || std::find(std::begin(words), std::end(words), text) != std::end(words)) return false;
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    if (!is_letter(text.front()) && text.front() != '/' && text.front() != '_' && !text.starts_with("../"))
        return false;
    // A colon only in the middle of a word; "::" stands in every link argument of NVIDIA's hooks.
    return text.back() != ':' && std::all_of(text.begin(), text.end(), [&](char c) {
               return is_letter(c) || (c >= '0' && c <= '9') ||
                      std::string_view("/._-+=:@").find(c) != std::string_view::npos;
           });
}

std::string quoted(std::string_view text) {
    if (is_plain(text)) return std::string(text);
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            result.append({'\\', c});
        else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            result += format("\\x{:02x}", static_cast<unsigned>(c));
        else
            result += c;
    }
    return result + "\"";
}

/// Lines at a depth; a list's elements begin with a dash on their first line.
class Lines {
 public:
    void property(std::string_view name, std::string_view value) { line(format("{}: {}", name, value)); }
    void text(std::string_view name, std::string_view value) {
        if (!value.empty()) property(name, quoted(value));
    }
    template <typename Number>
    void number(std::string_view name, const std::optional<Number>& value) {
        if (value) property(name, std::to_string(*value));
    }
    void flag(std::string_view name, bool value) {
        if (value) property(name, "true");
    }
    /// A list's element that needs no quotes.
    void plain(std::string_view content) { line(content); }
    void begin(std::string_view name) {
        line(format("{}:", name));
        depth_ += 4;
    }
    void end() { depth_ -= 4; }

    void map(std::string_view name, const std::map<std::string, std::string>& values) {
        if (values.empty()) return;
        begin(name);
        for (const auto& [key, value] : values) line(format("{}: {}", quoted(key), quoted(value)));
        end();
    }
    template <typename Element, typename Write>
    void list(std::string_view name, const std::vector<Element>& elements, Write write) {
        if (elements.empty()) return;
        begin(name);
        for (const auto& element : elements) {
            is_first_ = true;
            depth_ += 2;
            write(element);
            depth_ -= 2;
        }
        end();
    }
    void list(std::string_view name, const std::vector<std::string>& values) {
        list(name, values, [this](const std::string& value) { line(quoted(value)); });
    }

    std::string take() { return std::move(text_); }

 private:
    void line(std::string_view content) {
        text_.append(is_first_ ? depth_ - 2 : depth_, ' ').append(is_first_ ? "- " : "").append(content).append("\n");
        is_first_ = false;
    }

    std::string text_;
    std::size_t depth_ = 0;
    bool is_first_ = false;
};

void write_node(Lines& lines, const DeviceNode& node) {
    lines.text("path", node.path);
    lines.text("hostPath", node.host_path);
    lines.text("type", node.type);
    lines.number("major", node.major);
    lines.number("minor", node.minor);
    lines.number("fileMode", node.file_mode);
    lines.text("permissions", node.permissions);
    lines.number("uid", node.uid);
    lines.number("gid", node.gid);
}

void write_hook(Lines& lines, const Hook& hook) {
    lines.text("hookName", hook.hook_name);
    lines.text("path", hook.path);
    lines.list("args", hook.args);
    lines.list("env", hook.env);
    lines.number("timeout", hook.timeout);
}

void write_rdt(Lines& lines, const IntelRdt& rdt) {
    lines.begin("intelRdt");
    lines.text("closID", rdt.clos_id);
    lines.text("l3CacheSchema", rdt.l3_cache_schema);
    lines.text("memBwSchema", rdt.mem_bw_schema);
    lines.list("schemata", rdt.schemata);
    lines.flag("enableMonitoring", rdt.enable_monitoring);
    lines.flag("enableCMT", rdt.enable_cmt);
    lines.flag("enableMBM", rdt.enable_mbm);
    lines.end();
}

void write_edits(Lines& lines, const ContainerEdits& edits) {
    if (edits.empty()) return;
    lines.begin("containerEdits");
    lines.list("env", edits.env);
    lines.list("deviceNodes", edits.device_nodes, [&](const DeviceNode& node) { write_node(lines, node); });
    lines.list("netDevices", edits.net_devices, [&](const NetDevice& device) {
        lines.text("hostInterfaceName", device.host_interface_name);
        lines.text("name", device.name);
    });
    lines.list("hooks", edits.hooks, [&](const Hook& hook) { write_hook(lines, hook); });
    lines.list("mounts", edits.mounts, [&](const Mount& mount) {
        lines.text("hostPath", mount.host_path);
        lines.text("containerPath", mount.container_path);
        lines.text("type", mount.type);
        lines.list("options", mount.options);
    });
    if (edits.intel_rdt) write_rdt(lines, *edits.intel_rdt);
    std::vector<std::string> groups;
    for (const auto group : edits.additional_gids) groups.push_back(std::to_string(group));
    lines.list("additionalGids", groups, [&](const std::string& group) { lines.plain(group); });
    lines.end();
}

}  // namespace

std::string write_yaml(const File& file) {
    Lines lines;
    lines.property("cdiVersion", file.cdi_version);
    lines.text("kind", file.kind);
    lines.map("annotations", file.annotations);
    lines.list("devices", file.devices, [&](const Device& device) {
        lines.text("name", device.name);
        lines.map("annotations", device.annotations);
        write_edits(lines, device.container_edits);
    });
    write_edits(lines, file.container_edits);
    return "---\n" + lines.take();
}

}  // namespace gpurun::gpu::cdi
