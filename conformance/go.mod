// The OCI runtime validation suite, pinned; nothing here is built into gpurun.
module gpurun.test/conformance

go 1.19

require github.com/opencontainers/runtime-tools v0.9.1-0.20220125021840-0105384f68e1
