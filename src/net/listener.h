/* rsec_listener: a listening socket, and the limits on what it lets in (LIM-1). I/O thread only. */
#ifndef RSEC_NET_LISTENER_H
#define RSEC_NET_LISTENER_H

#include "net/io.h"

typedef struct rsec_listener {
    int tag; /* RSEC_TAG_LISTENER */
    int fd;
} rsec_listener;

/* Takes over the listening sockets `fds` (closed on failure too) and watches them. 0 or an errno value. */
RSEC_CHECK int rsec_listener_start(rsec_io *io, const int *fds, size_t num);
/* Stops watching and closes them. */
void rsec_listener_stop(rsec_io *io);
/* Accepts what is there, a bounded number at a time. */
void rsec_listener_accept(rsec_io *io, rsec_listener *listener);
/* Tries again after a pause for want of descriptors. */
void rsec_listener_resume(rsec_io *io);

/* A connection from `address` has ended; undoes the count that accepting it made. */
void rsec_listener_forget(rsec_io *io, const char *address);

#endif
