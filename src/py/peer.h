/* Peer: who is on the other end of a connection, as handlers see it (`packet.peer`; TLS-10). One per connection, made with
 * its first request; valid after the connection has ended.
 */
#ifndef RSEC_PY_PEER_H
#define RSEC_PY_PEER_H

#include "py/state.h" /* Python.h comes before every system header */

#include "net/peer.h"

/* A Peer over `peer` (a reference is taken); `address` is its address as a str. New reference. */
PyObject *rsec_py_peer_new(rsec_py_state *state, rsec_peer *peer, PyObject *address);

#endif
