#pragma once

#include <systemd/sd-bus.h>

#include <memory>
#include <string>
#include <string_view>

#include "helper/variant.h"

/// sd-bus with ownership.
namespace gpurun::helper {

struct CloseBus {
    void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
};
struct UnrefMessage {
    void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
struct UnrefSlot {
    void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
};
using Bus = std::unique_ptr<sd_bus, CloseBus>;
using Message = std::unique_ptr<sd_bus_message, UnrefMessage>;
using Slot = std::unique_ptr<sd_bus_slot, UnrefSlot>;

struct BusError {
    sd_bus_error value{};  // SD_BUS_ERROR_NULL, which is a C99 literal.
    ~BusError() { sd_bus_error_free(&value); }
    bool is(const char* name) const { return sd_bus_error_has_name(&value, name) != 0; }
    bool says(std::string_view part) const {
        return value.message != nullptr && std::string_view(value.message).find(part) != std::string_view::npos;
    }
};

/// Throws Error when \a result, of \a what, is a negative errno.
void check(int result, const char* what);

/// The system's bus, or the one of the user who runs this. Throws Error that says what may be missing.
Bus connect(bool user);

/// Appends (name, variant) to the array of properties that is open in \a message. Throws Error.
void append_property(sd_bus_message* message, const std::string& name, const Variant& value);

}  // namespace gpurun::helper
