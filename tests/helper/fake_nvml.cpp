// A libnvidia-ml.so.1 for tests: two GPUs, the second with a MIG instance, a third that has fallen off the bus.
// Initialisation fails when the process could do more than it should.
#include <cstdio>
#include <cstring>

namespace {

struct Pci {
    char legacy_bus_id[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
};
struct Memory {
    unsigned long long total, free, used;
};
struct Process {
    unsigned pid;
    unsigned long long used;
    unsigned gpu_instance, compute_instance;
};

int devices[4];  // 0 and 1: GPUs; 2: the MIG instance.

int* at(int index) { return &devices[index]; }
int copy(const char* from, char* to, unsigned size) {
    std::snprintf(to, size, "%s", from);
    return 0;
}

bool is_confined() {
    std::FILE* file = std::fopen("/proc/self/status", "r");
    char line[256];
    bool no_capabilities = false, no_new_privileges = false;
    while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr) {
        if (std::strcmp(line, "CapEff:\t0000000000000000\n") == 0) no_capabilities = true;
        if (std::strcmp(line, "NoNewPrivs:\t1\n") == 0) no_new_privileges = true;
    }
    if (file != nullptr) std::fclose(file);
    return no_capabilities && no_new_privileges;
}

}  // namespace

extern "C" {
#pragma GCC visibility push(default)
const char* nvmlErrorString(int result) { return result == 15 ? "GPU is lost" : "Unknown Error"; }
int nvmlInit_v2() { return is_confined() ? 0 : 999; }
int nvmlSystemGetDriverVersion(char* text, unsigned size) { return copy("580.159.04", text, size); }
int nvmlSystemGetCudaDriverVersion_v2(int* version) { return *version = 13010, 0; }
int nvmlDeviceGetCount_v2(unsigned* count) { return *count = 3, 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, int** device) {
    return index < 2 ? (*device = at(static_cast<int>(index)), 0) : 15;
}
int nvmlDeviceGetPciInfo_v3(int* device, Pci* info) {
    info->domain = 0;
    info->bus = device == at(0) ? 0x3b : 0x81;
    info->device = 0;
    return 0;
}
int nvmlDeviceGetUUID(int* device, char* text, unsigned size) {
    return copy(device == at(0) ? "GPU-0" : device == at(1) ? "GPU-1" : "MIG-2", text, size);
}
int nvmlDeviceGetMinorNumber(int* device, unsigned* minor) { return *minor = static_cast<unsigned>(device - at(0)), 0; }
int nvmlDeviceGetName(int*, char* text, unsigned size) { return copy("NVIDIA H200", text, size); }
int nvmlDeviceGetCudaComputeCapability(int*, int* major, int* minor) { return *major = 9, *minor = 0, 0; }
int nvmlDeviceGetMaxMigDeviceCount(int* device, unsigned* count) { return *count = device == at(1) ? 7 : 0, 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(int*, unsigned index, int** device) {
    return index == 3 ? (*device = at(2), 0) : 6;
}
int nvmlDeviceGetGpuInstanceId(int*, unsigned* id) { return *id = 5, 0; }
int nvmlDeviceGetComputeInstanceId(int*, unsigned* id) { return *id = 1, 0; }
int nvmlDeviceGetMemoryInfo(int*, Memory* memory) { return *memory = {1000, 400, 600}, 0; }
int nvmlDeviceGetComputeRunningProcesses_v3(int* device, unsigned* count, Process* processes) {
    *count = device == at(0) ? 1 : 0;
    if (*count == 1) processes[0] = {42, 512, ~0u, ~0u};
    return 0;
}
#pragma GCC visibility pop
}
