/* Asks the driver's libraries in a container, through the loaders where they are there and by the drivers' own entry points where not:
 * probe vulkan|opencl|egl|video|load NAME...|owner NAME. Prints what it found; exit status 0: it works. Declares what it needs itself, so
 * that no header has to be installed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void* load(const char* name) {
    void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) printf("%s\n", dlerror());
    return library;
}

/* ---- Vulkan */
typedef void (*Function)(void);
typedef Function (*GetInstanceProcAddr)(void* instance, const char* name);
struct ApplicationInfo { int type; const void* next; const char* name; uint32_t version; const char* engine; uint32_t engine_version, api; };
struct InstanceInfo { int type; const void* next; uint32_t flags; const struct ApplicationInfo* application; uint32_t layers; const char* const* layer_names; uint32_t extensions; const char* const* extension_names; };

static int vulkan(void) {
    GetInstanceProcAddr get = NULL;
    void* loader = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    if (loader != NULL) {
        get = (GetInstanceProcAddr)dlsym(loader, "vkGetInstanceProcAddr");
        puts("by the loader");
    } else {
        void* driver = load("libGLX_nvidia.so.0");
        if (driver == NULL) driver = load("libEGL_nvidia.so.0");
        if (driver == NULL) return 1;
        int (*negotiate)(uint32_t*) = (int (*)(uint32_t*))dlsym(driver, "vk_icdNegotiateLoaderICDInterfaceVersion");
        uint32_t version = 5;
        if (negotiate != NULL) negotiate(&version);
        get = (GetInstanceProcAddr)dlsym(driver, "vk_icdGetInstanceProcAddr");
        puts("by the driver's own entry point");
    }
    if (get == NULL) return puts("no entry point"), 1;
    int (*create)(const struct InstanceInfo*, const void*, void**) = (int (*)(const struct InstanceInfo*, const void*, void**))get(NULL, "vkCreateInstance");
    const struct ApplicationInfo application = {0, NULL, "probe", 1, "probe", 1, 1u << 22};
    const struct InstanceInfo info = {1, NULL, 0, &application, 0, NULL, 0, NULL};
    void* instance = NULL;
    int result = create == NULL ? -1 : create(&info, NULL, &instance);
    if (result != 0) return printf("vkCreateInstance: %d\n", result), 1;
    int (*enumerate)(void*, uint32_t*, void**) = (int (*)(void*, uint32_t*, void**))get(instance, "vkEnumeratePhysicalDevices");
    void (*describe)(void*, void*) = (void (*)(void*, void*))get(instance, "vkGetPhysicalDeviceProperties");
    void* devices[16];
    uint32_t count = 16;
    result = enumerate(instance, &count, devices);
    printf("vulkan devices=%u result=%d\n", count, result);
    for (uint32_t i = 0; result >= 0 && i < count; ++i) {
        char properties[4096] = {0}; /* VkPhysicalDeviceProperties: five numbers, then the name. */
        describe(devices[i], properties);
        printf("%s\n", properties + 20);
    }
    return result >= 0 && count > 0 ? 0 : 1;
}

/* ---- OpenCL */
typedef int (*GetPlatforms)(uint32_t, void**, uint32_t*);
typedef int (*GetDevices)(void*, uint64_t, uint32_t, void**, uint32_t*);
typedef int (*GetInfo)(void*, uint32_t, size_t, void*, size_t*);

static int opencl(void) {
    void* platforms[16];
    uint32_t count = 0, devices = 0;
    void* found[64];
    char name[256] = "";
    void* loader = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
    GetDevices get_devices = NULL;
    GetInfo get_info = NULL;
    int result;
    if (loader != NULL) {
        puts("by the loader");
        result = ((GetPlatforms)dlsym(loader, "clGetPlatformIDs"))(16, platforms, &count);
        get_devices = (GetDevices)dlsym(loader, "clGetDeviceIDs");
        get_info = (GetInfo)dlsym(loader, "clGetDeviceInfo");
    } else {
        void* driver = load("libnvidia-opencl.so.1");
        if (driver == NULL) return 1;
        puts("by the driver's own entry point");
        void* (*address)(const char*) = (void* (*)(const char*))dlsym(driver, "clGetExtensionFunctionAddress");
        GetPlatforms get = (GetPlatforms)dlsym(driver, "clIcdGetPlatformIDsKHR");
        if (get == NULL && address != NULL) get = (GetPlatforms)address("clIcdGetPlatformIDsKHR");
        if (get == NULL) return puts("no clIcdGetPlatformIDsKHR"), 1;
        result = get(16, platforms, &count);
        if (result == 0 && count > 0) { /* An ICD's objects begin with the table of its functions. */
            void** table = *(void***)platforms[0];
            get_devices = (GetDevices)table[2];
            get_info = (GetInfo)table[3];
        }
    }
    printf("opencl platforms=%u result=%d\n", count, result);
    if (result != 0 || count == 0) return 1;
    result = get_devices(platforms[0], 4 /* GPU */, 64, found, &devices);
    if (result == 0 && devices > 0) get_info(found[0], 0x102B /* NAME */, sizeof name, name, NULL);
    printf("opencl devices=%u result=%d %s\n", devices, result, name);
    return result == 0 && devices > 0 ? 0 : 1;
}

/* ---- EGL, by GLVND's loader, which finds the driver by its vendor file */
static int egl(void) {
    void* loader = load("libEGL.so.1");
    if (loader == NULL) return 3;
    Function (*get)(const char*) = (Function(*)(const char*))dlsym(loader, "eglGetProcAddress");
    unsigned (*query)(int, void**, int*) = (unsigned (*)(int, void**, int*))get("eglQueryDevicesEXT");
    const char* (*describe)(void*, int) = (const char* (*)(void*, int))get("eglQueryDeviceStringEXT");
    void* (*display)(unsigned, void*, const intptr_t*) = (void* (*)(unsigned, void*, const intptr_t*))get("eglGetPlatformDisplayEXT");
    unsigned (*initialize)(void*, int*, int*) = (unsigned (*)(void*, int*, int*))dlsym(loader, "eglInitialize");
    void* devices[16];
    int count = 0, usable = 0;
    if (query == NULL || !query(16, devices, &count)) return puts("eglQueryDevicesEXT failed"), 1;
    for (int i = 0; i < count; ++i) {
        const char* extensions = describe != NULL ? describe(devices[i], 0x3055) : "";
        void* each = display(0x313F /* EGL_PLATFORM_DEVICE_EXT */, devices[i], NULL);
        int major = 0, minor = 0;
        if (each != NULL && initialize(each, &major, &minor)) ++usable;
        printf("egl %d.%d %.60s\n", major, minor, extensions != NULL ? extensions : "");
    }
    printf("egl devices=%d usable=%d\n", count, usable);
    return usable > 0 ? 0 : 1;
}

/* ---- video */
static int video(void) {
    void* encode = load("libnvidia-encode.so.1");
    void* decode = load("libnvcuvid.so.1");
    if (encode == NULL || decode == NULL) return 1;
    uint32_t version = 0;
    int (*ask)(uint32_t*) = (int (*)(uint32_t*))dlsym(encode, "NvEncodeAPIGetMaxSupportedVersion");
    int result = ask == NULL ? -1 : ask(&version);
    printf("nvenc %u.%u result=%d, cuvidGetDecoderCaps %s\n", version >> 4, version & 15, result, dlsym(decode, "cuvidGetDecoderCaps") ? "there" : "missing");
    return result == 0 && dlsym(decode, "cuvidGetDecoderCaps") != NULL ? 0 : 1;
}

static int load_all(int count, char** names) {
    int failures = 0;
    for (int i = 0; i < count; ++i)
        if (load(names[i]) == NULL) ++failures;
    printf("loaded %d of %d\n", count - failures, count);
    return failures != 0;
}

/* Where the loader takes a library from. */
static int owner(const char* name) {
    void* library = load(name);
    struct { unsigned long address; char* path; } const* map = NULL;
    if (library == NULL || dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) return 1;
    puts(map->path);
    return 0;
}

int main(int count, char** words) {
    if (count == 2 && strcmp(words[1], "vulkan") == 0) return vulkan();
    if (count == 2 && strcmp(words[1], "opencl") == 0) return opencl();
    if (count == 2 && strcmp(words[1], "egl") == 0) return egl();
    if (count == 2 && strcmp(words[1], "video") == 0) return video();
    if (count == 3 && strcmp(words[1], "owner") == 0) return owner(words[2]);
    if (count > 2 && strcmp(words[1], "load") == 0) return load_all(count - 2, words + 2);
    return 2;
}
