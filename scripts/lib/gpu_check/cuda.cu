// The CUDA program of scripts/gpu-check: `sum` computes on every device, `hold MIB` keeps memory, `peer` copies between two devices. Its
// code is PTX of an older architecture, so the driver has to compile it: that takes libnvidia-ptxjitcompiler too.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

__global__ void square(unsigned long long* sum, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(sum, 1ull * i * i);
}

static bool fine(cudaError_t error) {
    if (error != cudaSuccess) std::printf("cuda: %s\n", cudaGetErrorString(error));
    return error == cudaSuccess;
}

static int sum(int count) {
    constexpr unsigned long long right = 333332833333500000ull;
    for (int device = 0; device < count; ++device) {
        unsigned long long *place = nullptr, result = 0;
        if (!fine(cudaSetDevice(device)) || !fine(cudaMalloc(&place, sizeof *place)) || !fine(cudaMemset(place, 0, sizeof *place))) return 1;
        square<<<4000, 256>>>(place, 1000000);
        if (!fine(cudaMemcpy(&result, place, sizeof result, cudaMemcpyDeviceToHost))) return 1;
        if (result != right) return std::printf("device %d: wrong sum %llu\n", device, result), 2;
    }
    std::printf("devices=%d sum=%llu\n", count, right);
    return 0;
}

static int hold(std::size_t mebibytes) {
    void* memory = nullptr;
    if (!fine(cudaMalloc(&memory, mebibytes << 20))) return 1;
    std::printf("holding %zu MiB\n", mebibytes);
    std::fflush(stdout);
    for (;;) ::sleep(60);
}

static int peer() {
    int on_first[256], back[256] = {}, can = 0;
    for (int i = 0; i < 256; ++i) on_first[i] = i * i;
    int *first = nullptr, *second = nullptr;
    if (!fine(cudaDeviceCanAccessPeer(&can, 0, 1)) || !fine(cudaSetDevice(0)) || !fine(cudaMalloc(&first, sizeof on_first)) ||
        !fine(cudaMemcpy(first, on_first, sizeof on_first, cudaMemcpyHostToDevice)) || (can && !fine(cudaDeviceEnablePeerAccess(1, 0))) ||
        !fine(cudaSetDevice(1)) || !fine(cudaMalloc(&second, sizeof on_first)) || !fine(cudaMemcpyPeer(second, 1, first, 0, sizeof on_first)) ||
        !fine(cudaMemcpy(back, second, sizeof back, cudaMemcpyDeviceToHost)))
        return 1;
    std::printf("peer access=%d copy=%s\n", can, std::memcmp(on_first, back, sizeof back) == 0 ? "right" : "wrong");
    return std::memcmp(on_first, back, sizeof back) == 0 ? 0 : 2;
}

int main(int argc, char** argv) {
    int count = 0;
    if (!fine(cudaGetDeviceCount(&count))) return 1;
    if (argc == 3 && std::strcmp(argv[1], "hold") == 0) return hold(std::strtoul(argv[2], nullptr, 10));
    if (argc == 2 && std::strcmp(argv[1], "peer") == 0) return peer();
    return sum(count);
}
