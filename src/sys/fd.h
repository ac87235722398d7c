#pragma once

#include <gpurun/fd.h>  // Public, since headers of the library speak of descriptors.
