/* rsec_fdmap: which descriptors the I/O thread holds, so that a child process after fork can close its copies. Written by
 * the I/O thread with atomics; read in the child, where no other thread is left and no lock may be taken.
 */
#ifndef RSEC_NET_FDMAP_H
#define RSEC_NET_FDMAP_H

#include "wire/status.h"

#include <stdatomic.h>
#include <stddef.h>

typedef struct {
    atomic_ulong *words;
    size_t num; /* descriptors it has room for */
} rsec_fdmap;

/* Room for descriptors 0 .. num - 1. */
RSEC_CHECK rsec_status rsec_fdmap_init(rsec_fdmap *map, size_t num);
void rsec_fdmap_clear(rsec_fdmap *map);

/* Notes that `fd` is held, or no more. A descriptor beyond the room is not noted. */
void rsec_fdmap_put(rsec_fdmap *map, int fd);
void rsec_fdmap_drop(rsec_fdmap *map, int fd);

/* Closes all that are noted and forgets them. Async-signal-safe. */
void rsec_fdmap_close_all(rsec_fdmap *map);

#endif
