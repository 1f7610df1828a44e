"""What a test run inherits from whoever started it, put right once, before any test and in every worker."""

import os
import re
import signal

# A shell ignores SIGINT and SIGQUIT for what it runs in the background, some supervisors ignore SIGCHLD: programs that
# tests start would inherit that, and would never end, or their exit codes would be lost. SIGHUP stays as it is, for
# who runs the tests under nohup means it.
_RESTORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD)
# What terminals, git hooks and the settings of somebody's own installation leave in the environment.
# FLUXBRIDGE_* that only tests read say how they are meant to run. Without its bytecode the program takes seconds to
# start, hundreds of times.
_FOREIGN = re.compile(
    r"GIT_.*|(NO|FORCE|CLI|PY)_?COLORS?|COLUMNS|LINES|TERM|_?TYPER_.*|PYTHONDONTWRITEBYTECODE"
    r"|FLUXBRIDGE_(?!REQUIRE_ALL$|FAULT_|FUZZ_|TEST_).*"
)


def put_right() -> None:
    """Give this process, and so all that it starts, the signals of a fresh one and no foreign settings."""
    for number in _RESTORED:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    for name in filter(_FOREIGN.fullmatch, list(os.environ)):
        del os.environ[name]
