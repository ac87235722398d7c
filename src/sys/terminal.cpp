#include "sys/terminal.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <gpurun/error.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include <cerrno>

#include "base/text.h"
#include "sys/file.h"

namespace gpurun::sys {

PseudoTerminal open_terminal(FdRef pts) {
    if (filesystem_magic(pts) != DEVPTS_SUPER_MAGIC) throw Error("open terminal: /dev/pts is not a devpts mount");
    PseudoTerminal terminal;
    terminal.master = open_at(pts, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW, Resolve::no_symlinks);
    const auto facts = stat_fd(terminal.master);
    if (!S_ISCHR(facts.st_mode) || facts.st_rdev != makedev(5, 2))
        throw Error("open terminal: /dev/pts/ptmx is not device 5:2");
    int unlocked = 0;
    if (::ioctl(terminal.master.get(), TIOCSPTLCK, &unlocked) != 0) throw Error(errno, "unlock terminal");
    unsigned number = 0;
    if (::ioctl(terminal.master.get(), TIOCGPTN, &number) != 0) throw Error(errno, "terminal number");
    terminal.name = format("/dev/pts/{}", number);
    terminal.slave = Fd(::ioctl(terminal.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!terminal.slave) throw Error(errno, "open the peer of terminal " + terminal.name);
    // runc's contract: newlines reach the client as they were written.
    termios settings{};
    if (::tcgetattr(terminal.slave.get(), &settings) == 0) {
        settings.c_oflag &= ~static_cast<tcflag_t>(ONLCR);
        ::tcsetattr(terminal.slave.get(), TCSANOW, &settings);
    }
    return terminal;
}

void set_terminal_size(FdRef terminal, std::uint16_t rows, std::uint16_t columns) {
    winsize size{};
    size.ws_row = rows;
    size.ws_col = columns;
    if (::ioctl(terminal.get(), TIOCSWINSZ, &size) != 0) throw Error(errno, "set terminal size");
}

void copy_terminal_size(FdRef from, FdRef to) noexcept {
    winsize size{};
    if (::ioctl(from.get(), TIOCGWINSZ, &size) == 0) ::ioctl(to.get(), TIOCSWINSZ, &size);
}

void take_terminal(FdRef slave) {
    if (::ioctl(slave.get(), TIOCSCTTY, 0) != 0) throw Error(errno, "set controlling terminal");
    for (int fd = 0; fd < 3; ++fd)
        if (::dup2(slave.get(), fd) < 0) throw Error(errno, "dup2 terminal");
}

}  // namespace gpurun::sys
