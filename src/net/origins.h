/* rsec_origins: how many connections each source address has, for max_connections_per_peer (LIM-1). One thread. */
#ifndef RSEC_NET_ORIGINS_H
#define RSEC_NET_ORIGINS_H

#include "wire/status.h"

#include <stddef.h>

typedef struct rsec_origins rsec_origins;

RSEC_CHECK rsec_origins *rsec_origins_new(void);
void rsec_origins_free(rsec_origins *origins);

/* Counts one more connection from `address` unless it has `max`: RSEC_OK, RSEC_TOO_LONG (not counted), RSEC_NO_MEMORY. */
RSEC_CHECK rsec_status rsec_origins_add(rsec_origins *origins, const char *address, size_t max);
/* Counts one less. An address that has none is ignored. */
void rsec_origins_drop(rsec_origins *origins, const char *address);

#endif
