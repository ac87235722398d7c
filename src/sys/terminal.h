#pragma once

#include <cstdint>
#include <string>

#include "sys/fd.h"

/// Pseudo terminals, by descriptor only: the peer comes from the master (TIOCGPTPEER), never from a path that a
/// container could swap (CVE-2025-52565).
namespace gpurun::sys {

struct PseudoTerminal {
    Fd master;
    Fd slave;
    std::string name;  ///< "/dev/pts/0", as seen beside the devpts it came from.
};

/// A new pair from the devpts mounted at \a pts (an O_PATH directory descriptor). Verifies that it is devpts and the
/// multiplexer 5:2. ONLCR is cleared.
PseudoTerminal open_terminal(FdRef pts);

/// Sets rows and columns, in character cells.
void set_terminal_size(FdRef terminal, std::uint16_t rows, std::uint16_t columns);
/// Copies the size of \a from to \a to; nothing happens when \a from is no terminal.
void copy_terminal_size(FdRef from, FdRef to) noexcept;

/// Makes \a slave the controlling terminal of this process's new session and its descriptors 0, 1 and 2.
void take_terminal(FdRef slave);

}  // namespace gpurun::sys
