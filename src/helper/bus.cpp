#include "helper/bus.h"

#include <gpurun/error.h>

#include <cstdint>

#include "base/text.h"

namespace gpurun::helper {
namespace {

void append(sd_bus_message* message, const Variant& value);

template <typename Number>
void append_number(sd_bus_message* message, const Variant& value) {
    const bool hexadecimal = value.text.starts_with("0x");
    const auto number =
        parse_number<Number>(std::string_view(value.text).substr(hexadecimal ? 2 : 0), hexadecimal ? 16 : 10);
    if (!number) throw Error(format("\"{}\" is not a number of type {}", value.text, value.type));
    check(sd_bus_message_append_basic(message, value.type[0], &*number), "append");
}

void append_basic(sd_bus_message* message, const Variant& value) {
    switch (value.type[0]) {
        case 'b': {
            const int flag = value.text == "true";
            return check(sd_bus_message_append_basic(message, 'b', &flag), "append");
        }
        case 'y': return append_number<std::uint8_t>(message, value);
        case 'n': return append_number<std::int16_t>(message, value);
        case 'q': return append_number<std::uint16_t>(message, value);
        case 'i': return append_number<std::int32_t>(message, value);
        case 'u': return append_number<std::uint32_t>(message, value);
        case 'x': return append_number<std::int64_t>(message, value);
        case 't': return append_number<std::uint64_t>(message, value);
        default: check(sd_bus_message_append_basic(message, value.type[0], value.text.c_str()), "append");
    }
}

void append(sd_bus_message* message, const Variant& value) {
    const bool array = value.type[0] == 'a', tuple = value.type[0] == '(';
    if (!array && !tuple) return append_basic(message, value);
    const std::string contents = array ? value.type.substr(1) : value.type.substr(1, value.type.size() - 2);
    check(sd_bus_message_open_container(message, array ? 'a' : 'r', contents.c_str()), "append");
    for (const auto& item : value.items) append(message, item);
    check(sd_bus_message_close_container(message), "append");
}

}  // namespace

void check(int result, const char* what) {
    if (result < 0) throw Error(-result, format("D-Bus: {}", what));
}

// A user's bus is at XDG_RUNTIME_DIR even where no session told its address, as for conmon's children.
Bus connect(bool user) {
    sd_bus* bus = nullptr;
    const int result = user ? sd_bus_open_user(&bus) : sd_bus_open_system(&bus);
    if (result >= 0) return Bus(bus);
    throw Error(
        -result,
        user
            ? "connect to the user's bus ($DBUS_SESSION_BUS_ADDRESS or $XDG_RUNTIME_DIR/bus); is the user logged in or "
              "lingering (loginctl enable-linger)?"
            : "connect to the system bus; is systemd running, with dbus?");
}

void append_property(sd_bus_message* message, const std::string& name, const Variant& value) {
    check(sd_bus_message_open_container(message, 'r', "sv"), "append");
    check(sd_bus_message_append_basic(message, 's', name.c_str()), "append");
    check(sd_bus_message_open_container(message, 'v', value.type.c_str()), "append");
    append(message, value);
    check(sd_bus_message_close_container(message), "append");
    check(sd_bus_message_close_container(message), "append");
}

}  // namespace gpurun::helper
