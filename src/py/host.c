#include "py/host.h"

#include "py/peer.h"

#include <openssl/crypto.h>
#include <stdlib.h>

rsec_py_host *rsec_py_host_of(rsec_py_engine *self, rsec_peer *peer) {
    rsec_py_host *host = peer->user;
    if (host != NULL) {
        return host;
    }
    host = calloc(1, sizeof *host);
    PyObject *address = host != NULL ? PyUnicode_FromString(peer->address) : NULL;
    if (address == NULL) {
        free(host);
        return NULL;
    }
    PyUnicode_InternInPlace(&address);
    host->address = address;
    host->peer = rsec_peer_ref(peer);
    host->next = self->hosts;
    if (self->hosts != NULL) {
        self->hosts->prev = host;
    }
    self->hosts = host;
    peer->user = host;
    return host;
}

void rsec_py_host_free(rsec_py_engine *self, rsec_py_host *host) {
    if (host->prev != NULL) {
        host->prev->next = host->next;
    } else {
        self->hosts = host->next;
    }
    if (host->next != NULL) {
        host->next->prev = host->prev;
    }
    host->peer->user = NULL;
    rsec_peer_unref(host->peer);
    Py_XDECREF(host->address);
    Py_XDECREF(host->peer_object);
    Py_XDECREF(host->host);
    Py_XDECREF(host->secret);
    free(host);
}

/* The host that `hosts` names for the peer: new reference; NULL when there is none (failures are logged by Python). The exact
 * address in a plain dict is found here, everything else by the server's _resolve(). */
static PyObject *resolve(rsec_py_engine *self, const rsec_py_host *host) {
    PyObject *hosts = PyObject_GetAttr(self->server, self->state->name_hosts);
    PyObject *found = NULL;
    if (hosts != NULL && PyDict_CheckExact(hosts)) {
        found = Py_XNewRef(PyDict_GetItemWithError(hosts, host->address));
    }
    if (found == NULL && PyErr_Occurred() == NULL) {
        found = PyObject_CallMethodOneArg(self->server, self->state->name__resolve, host->address);
    }
    Py_XDECREF(hosts);
    if (found == Py_None) {
        Py_CLEAR(found);
    }
    if (PyErr_Occurred() != NULL) {
        PyErr_WriteUnraisable(self->server); /* a mapping's own failure is caught and logged by _resolve */
    }
    return found;
}

int rsec_py_host_look_up(rsec_py_engine *self, rsec_py_host *host, bool *is_changed) {
    rsec_peer *peer = host->peer; /* held by the item at hand, longer than `host` when the engine is closed meanwhile */
    PyObject *found = resolve(self, host);
    PyObject *secret = found != NULL ? PyObject_GetAttr(found, self->state->name_secret) : NULL;
    if (peer->user != host || self->engine == NULL) {
        PyErr_Clear();
        Py_XDECREF(found);
        Py_XDECREF(secret);
        return -1;
    }
    host->batch = self->batch.number;
    *is_changed = true;
    bool is_usable = secret != NULL && PyBytes_Check(secret);
    PyErr_Clear(); /* an entry without a secret */
    if (is_usable && host->secret != NULL) {
        *is_changed = secret != host->secret &&
                      (PyBytes_GET_SIZE(secret) != PyBytes_GET_SIZE(host->secret) ||
                       CRYPTO_memcmp(PyBytes_AS_STRING(secret), PyBytes_AS_STRING(host->secret),
                                     (size_t)PyBytes_GET_SIZE(secret)) != 0);
    }
    /* Set first and let go last: what is let go may have code of its own, which may close the engine and free the host. */
    PyObject *old_host = host->host, *old_secret = host->secret, *address = Py_NewRef(host->address);
    bool is_bad = found != NULL && !is_usable;
    host->host = is_usable ? found : NULL;
    host->secret = is_usable ? secret : NULL;
    if (!is_usable) {
        Py_XDECREF(found);
        Py_XDECREF(secret);
    }
    Py_XDECREF(old_host);
    Py_XDECREF(old_secret);
    if (is_bad) {
        PyObject *done = PyObject_CallMethod(self->server, "_on_bad_host", "O", address);
        if (done == NULL) {
            PyErr_WriteUnraisable(self->server);
        }
        Py_XDECREF(done);
    }
    Py_DECREF(address);
    if (peer->user != host || self->engine == NULL) {
        return -1;
    }
    return is_usable ? 1 : 0;
}

PyObject *rsec_py_host_secret(const rsec_request *req, const rsec_py_host *host) {
    if (host != NULL && host->secret != NULL &&
        (req->secret == NULL || rsec_secret_is_equal(req->secret, rsec_py_bytes_view(host->secret)))) {
        return Py_NewRef(host->secret);
    }
    return req->secret != NULL ? rsec_py_bytes(rsec_secret_octets(req->secret)) : PyBytes_FromStringAndSize(NULL, 0);
}

PyObject *rsec_py_host_peer(rsec_py_engine *self, rsec_py_host *host, rsec_peer *peer, PyObject *address) {
    if (host != NULL && host->peer_object != NULL) {
        return Py_NewRef(host->peer_object);
    }
    PyObject *made = rsec_py_peer_new(self->state, peer, address);
    if (host != NULL) {
        host->peer_object = Py_XNewRef(made);
    }
    return made;
}
