#pragma once
#include_next <ctype.h>
enum { _ISupper = 1 << 8, _ISlower = 1 << 9, _ISalpha = 1 << 10, _ISdigit = 1 << 11, _ISxdigit = 1 << 12, _ISspace = 1 << 13, _ISprint = 1 << 14, _ISgraph = 1 << 15, _ISblank = 1, _IScntrl = 2, _ISpunct = 4, _ISalnum = 8 };
