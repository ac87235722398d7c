#pragma once

#include <string_view>

#include "gpu/capability.h"

/// What the parts of an NVIDIA driver are called and what each is for. Libraries of a newer driver that are not listed
/// here count as compute and graphics, so that none is lost.
namespace gpurun::gpu {

struct LibraryKind {
    std::string_view stem;    ///< "libcuda": the file is STEM.so.DRIVERVERSION.
    std::string_view soname;  ///< "1" for STEM.so.1; empty: the file's own name.
    CapabilitySet needed_by;
};

inline constexpr CapabilitySet for_unknown_library{Capability::compute, Capability::graphics};

inline constexpr LibraryKind library_kinds[] = {
    {"libcuda", "1", {Capability::compute}},
    {"libnvidia-ml", "1", {Capability::utility}},
    {"libnvidia-cfg", "1", {Capability::utility}},
    {"libnvidia-nscq", "2", {Capability::utility}},
    {"libnvidia-sandboxutils", "1", {Capability::utility}},
    {"libcudadebugger", "1", {Capability::compute}},
    {"libnvidia-opencl", "1", {Capability::compute}},
    {"libnvidia-gpucomp", "", {Capability::compute, Capability::graphics}},
    {"libnvidia-ptxjitcompiler", "1", {Capability::compute}},
    {"libnvidia-fatbinaryloader", "", {Capability::compute}},
    {"libnvidia-allocator", "1", {Capability::compute, Capability::graphics}},
    {"libnvidia-compiler", "", {Capability::compute}},
    {"libnvidia-pkcs11", "", {Capability::compute}},
    {"libnvidia-pkcs11-openssl3", "", {Capability::compute}},
    {"libnvidia-nvvm", "4", {Capability::compute}},
    {"libnvidia-tileiras", "", {Capability::compute}},
    {"libvdpau_nvidia", "1", {Capability::video}},
    {"libnvidia-encode", "1", {Capability::video}},
    {"libnvidia-opticalflow", "1", {Capability::video}},
    {"libnvcuvid", "1", {Capability::video}},
    {"libnvidia-eglcore", "", {Capability::graphics}},
    {"libnvidia-glcore", "", {Capability::graphics}},
    {"libnvidia-glsi", "", {Capability::graphics}},
    {"libnvidia-tls", "", {Capability::graphics}},
    {"libnvidia-rtcore", "", {Capability::graphics}},
    {"libnvidia-glvkspirv", "", {Capability::graphics}},
    {"libnvidia-fbc", "1", {Capability::graphics}},
    {"libnvidia-ifr", "1", {Capability::graphics}},
    {"libnvoptix", "1", {Capability::graphics}},
    {"libGLX_nvidia", "0", {Capability::graphics}},
    {"libEGL_nvidia", "0", {Capability::graphics}},
    {"libGLESv2_nvidia", "2", {Capability::graphics}},
    {"libGLESv1_CM_nvidia", "1", {Capability::graphics}},
    {"libnvidia-cbl", "", {Capability::graphics}},
    {"libnvidia-vulkan-producer", "", {Capability::graphics}},
    {"libnvidia-ngx", "1", {Capability::ngx}},
};

/// Libraries of the driver with a version of their own: STEM.so.1 is a link to the file.
struct OwnVersionKind {
    std::string_view soname;
    CapabilitySet needed_by;
};

inline constexpr OwnVersionKind own_version_kinds[] = {
    {"libnvidia-nvvm70.so.4", {Capability::compute}},       {"libnvidia-egl-gbm.so.1", {Capability::graphics}},
    {"libnvidia-egl-wayland.so.1", {Capability::graphics}}, {"libnvidia-egl-wayland2.so.1", {Capability::graphics}},
    {"libnvidia-egl-xcb.so.1", {Capability::graphics}},     {"libnvidia-egl-xlib.so.1", {Capability::graphics}},
    {"libnvidia-api.so.1", {Capability::graphics}},
};

struct ProgramKind {
    std::string_view name;
    CapabilitySet needed_by;
};

inline constexpr ProgramKind program_kinds[] = {
    {"nvidia-smi", {Capability::utility}},
    {"nvidia-debugdump", {Capability::utility}},
    {"nvidia-persistenced", {Capability::utility}},
    {"nv-fabricmanager", {Capability::utility}},
    {"nvidia-cuda-mps-control", {Capability::compute}},
    {"nvidia-cuda-mps-server", {Capability::compute}},
};

/// A file of the host that is bound where the host has it, or supplied with \a content where it hasn't.
struct ConfigKind {
    std::string_view host_path;  ///< Below /etc or a data directory when it begins with "etc/" or "share/".
    std::string_view container_path;
    std::string_view library;  ///< Only with this library; empty: always.
    std::string_view content;  ///< Empty: not supplied when missing.
    CapabilitySet needed_by;
};

inline constexpr ConfigKind config_kinds[] = {
    {"etc/OpenCL/vendors/nvidia.icd",
     "/etc/OpenCL/vendors/nvidia.icd",
     "libnvidia-opencl",
     "libnvidia-opencl.so.1\n",
     {Capability::compute}},
    {"share/glvnd/egl_vendor.d/10_nvidia.json",
     "/usr/share/glvnd/egl_vendor.d/10_nvidia.json",
     "libEGL_nvidia",
     "{\"file_format_version\": \"1.0.0\", \"ICD\": {\"library_path\": \"libEGL_nvidia.so.0\"}}\n",
     {Capability::graphics}},
    {"share/vulkan/icd.d/nvidia_icd.json",
     "/etc/vulkan/icd.d/nvidia_icd.json",
     "libGLX_nvidia",
     "{\"file_format_version\": \"1.0.1\", \"ICD\": {\"library_path\": \"libGLX_nvidia.so.0\", \"api_version\": "
     "\"1.3.0\"}}\n",
     {Capability::graphics}},
    {"share/vulkan/implicit_layer.d/nvidia_layers.json",
     "/etc/vulkan/implicit_layer.d/nvidia_layers.json",
     "libGLX_nvidia",
     "",
     {Capability::graphics}},
    {"share/egl/egl_external_platform.d/15_nvidia_gbm.json",
     "/usr/share/egl/egl_external_platform.d/15_nvidia_gbm.json",
     "libnvidia-egl-gbm",
     "{\"file_format_version\": \"1.0.0\", \"ICD\": {\"library_path\": \"libnvidia-egl-gbm.so.1\"}}\n",
     {Capability::graphics}},
    {"share/egl/egl_external_platform.d/10_nvidia_wayland.json",
     "/usr/share/egl/egl_external_platform.d/10_nvidia_wayland.json",
     "libnvidia-egl-wayland",
     "{\"file_format_version\": \"1.0.0\", \"ICD\": {\"library_path\": \"libnvidia-egl-wayland.so.1\"}}\n",
     {Capability::graphics}},
    {"share/egl/egl_external_platform.d/20_nvidia_xcb.json",
     "/usr/share/egl/egl_external_platform.d/20_nvidia_xcb.json",
     "libnvidia-egl-xcb",
     "",
     {Capability::graphics}},
    {"share/egl/egl_external_platform.d/20_nvidia_xlib.json",
     "/usr/share/egl/egl_external_platform.d/20_nvidia_xlib.json",
     "libnvidia-egl-xlib",
     "",
     {Capability::graphics}},
    {"share/nvidia/nvoptix.bin", "/usr/share/nvidia/nvoptix.bin", "libnvoptix", "", {Capability::graphics}},
    {"share/X11/xorg.conf.d/nvidia-drm-outputclass.conf",
     "/usr/share/X11/xorg.conf.d/nvidia-drm-outputclass.conf",
     "",
     "",
     {Capability::display}},
};

}  // namespace gpurun::gpu
