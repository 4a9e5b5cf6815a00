/* What the loop thread knows about a connection's peer: its host, secret, and the Peer that packets show. */
#ifndef RSEC_PY_HOST_H
#define RSEC_PY_HOST_H

#include "py/engine.h" /* Python.h comes before every system header */

/* rsec_peer's `user`. Freed when the connection has ended, or with the engine. */
typedef struct rsec_py_host {
    struct rsec_py_host *prev, *next;
    rsec_peer *peer;       /* counted reference */
    PyObject *address;     /* str */
    PyObject *peer_object; /* the Peer that packets show; NULL before the first request */
    PyObject *host;        /* the RemoteHost found */
    PyObject *secret;      /* bytes */
    uint64_t batch;        /* when it was last looked up */
} rsec_py_host;

/* The host of `peer`, made when there is none yet; borrowed. NULL with an exception. */
rsec_py_host *rsec_py_host_of(rsec_py_engine *self, rsec_peer *peer);
void rsec_py_host_free(rsec_py_engine *self, rsec_py_host *host);

/* Looks it up in the server's `hosts`. 1: its secret is in host->secret, *is_changed says whether it is another one; 0: not a
 * client of ours; -1: the engine was closed meanwhile, and `host` is gone. Never leaves an exception. */
int rsec_py_host_look_up(rsec_py_engine *self, rsec_py_host *host, bool *is_changed);

/* The secret that `req` was verified with, as bytes: the host's own object when it still is the same. `host` may be NULL.
 * New reference. */
PyObject *rsec_py_host_secret(const rsec_request *req, const rsec_py_host *host);

/* The Peer that packets of a connection show. `host` may be NULL. New reference. */
PyObject *rsec_py_host_peer(rsec_py_engine *self, rsec_py_host *host, rsec_peer *peer, PyObject *address);

#endif
