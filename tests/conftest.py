"""For all the tests: what they need of the process that runs them, whoever started it."""

import resource
import signal

# 500 peers and the server's end of each are more descriptors than the 1024 that a shell usually grants.
DESCRIPTORS = 4096

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if soft != resource.RLIM_INFINITY and soft < DESCRIPTORS:
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

# A shell starts what is to run in the background with SIGINT ignored. The programs that the tests start would inherit
# that, and no Ctrl-C of a test would reach them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
