#include "py/peer.h"

#include "net/certificate.h"

#include <structmember.h>

typedef struct {
    PyObject_HEAD rsec_peer *peer; /* counted reference */
    PyObject *address;
    /* What the certificate says, read when it is first asked for; `sans` NULL: not yet. */
    PyObject *subject, *issuer, *serial, *sans, *usages, *policies;
} py_peer;

PyObject *rsec_py_peer_new(rsec_py_state *state, rsec_peer *peer, PyObject *address) {
    py_peer *self = (py_peer *)state->peer_type->tp_alloc(state->peer_type, 0);
    if (self != NULL) {
        self->peer = rsec_peer_ref(peer);
        self->address = Py_NewRef(address);
    }
    return (PyObject *)self;
}

/* --- the certificate's text --- */

static int visit_field(void *arg, rsec_certificate_field field, const char *kind, const char *text, size_t len) {
    py_peer *self = arg;
    PyObject *decoded = PyUnicode_DecodeUTF8(text, (Py_ssize_t)len, "backslashreplace"), *pair = NULL;
    int rc = decoded != NULL ? 0 : -1;
    if (rc == 0) {
        switch (field) {
        case RSEC_CERTIFICATE_SUBJECT:
            Py_XSETREF(self->subject, Py_NewRef(decoded));
            break;
        case RSEC_CERTIFICATE_ISSUER:
            Py_XSETREF(self->issuer, Py_NewRef(decoded));
            break;
        case RSEC_CERTIFICATE_SERIAL:
            Py_XSETREF(self->serial, Py_NewRef(decoded));
            break;
        case RSEC_CERTIFICATE_SAN:
            pair = Py_BuildValue("(sO)", kind, decoded);
            rc = pair != NULL ? PyList_Append(self->sans, pair) : -1;
            break;
        case RSEC_CERTIFICATE_EKU:
            rc = PyList_Append(self->usages, decoded);
            break;
        case RSEC_CERTIFICATE_POLICY:
            rc = PyList_Append(self->policies, decoded);
            break;
        }
    }
    Py_XDECREF(decoded);
    Py_XDECREF(pair);
    return rc;
}

static int to_tuple(PyObject **list) {
    PyObject *tuple = PyList_AsTuple(*list);
    if (tuple == NULL) {
        return -1;
    }
    Py_SETREF(*list, tuple);
    return 0;
}

static int read_certificate(py_peer *self) {
    if (self->sans != NULL) {
        return 0;
    }
    self->sans = PyList_New(0);
    Py_XSETREF(self->usages, PyList_New(0));
    Py_XSETREF(self->policies, PyList_New(0));
    int rc = self->sans != NULL && self->usages != NULL && self->policies != NULL ? 0 : -1;
    if (rc == 0 && self->peer->has_certificate) {
        rsec_status status = rsec_certificate_visit(self->peer->certificate, visit_field, self, &rc);
        if (status != RSEC_OK) {
            PyErr_NoMemory();
            rc = -1;
        }
    }
    if (rc != 0 || to_tuple(&self->sans) < 0 || to_tuple(&self->usages) < 0 || to_tuple(&self->policies) < 0) {
        Py_CLEAR(self->sans); /* asked for again, it is read again */
        return -1;
    }
    return 0;
}

/* The member at `offset`, once the certificate was read; None when it has nothing there. */
static PyObject *get_text(PyObject *op, void *offset) {
    if (read_certificate((py_peer *)op) < 0) {
        return NULL;
    }
    PyObject *value = *(PyObject **)((char *)op + (size_t)offset);
    return Py_NewRef(value != NULL ? value : Py_None);
}

static PyObject *get_certificate(PyObject *op, void *closure) {
    const rsec_peer *peer = ((py_peer *)op)->peer;
    unsigned char *der = NULL;
    (void)closure;
    if (!peer->has_certificate) {
        Py_RETURN_NONE;
    }
    int len = i2d_X509(peer->certificate, &der);
    if (len < 0) {
        return PyErr_NoMemory();
    }
    PyObject *bytes = rsec_py_bytes(rsec_view_of(der, (size_t)len));
    OPENSSL_free(der);
    return bytes;
}

static PyObject *get_fingerprint(PyObject *op, void *closure) {
    const rsec_peer *peer = ((py_peer *)op)->peer;
    char text[RSEC_FINGERPRINT_TEXT];
    (void)closure;
    if (!peer->has_certificate) {
        Py_RETURN_NONE;
    }
    rsec_fingerprint_format(peer->fingerprint, text);
    return PyUnicode_FromString(text);
}

static PyObject *get_not_after(PyObject *op, void *closure) {
    const rsec_peer *peer = ((py_peer *)op)->peer;
    int64_t seconds;
    (void)closure;
    if (!peer->has_certificate || rsec_certificate_not_after(peer->certificate, &seconds) != RSEC_OK) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLongLong(seconds);
}

/* --- the connection --- */

static PyObject *get_port(PyObject *op, void *closure) {
    (void)closure;
    return PyLong_FromLong(((py_peer *)op)->peer->port);
}

static PyObject *get_local_address(PyObject *op, void *closure) {
    (void)closure;
    return PyUnicode_FromString(((py_peer *)op)->peer->local_address);
}

static PyObject *get_local_port(PyObject *op, void *closure) {
    (void)closure;
    return PyLong_FromLong(((py_peer *)op)->peer->local_port);
}

static PyObject *get_tls_version(PyObject *op, void *closure) {
    (void)closure;
    return PyUnicode_FromString(((py_peer *)op)->peer->tls_version);
}

static PyObject *get_cipher(PyObject *op, void *closure) {
    (void)closure;
    return PyUnicode_FromString(((py_peer *)op)->peer->cipher);
}

static PyObject *get_alpn(PyObject *op, void *closure) {
    const char *alpn = ((py_peer *)op)->peer->alpn;
    (void)closure;
    return alpn[0] != '\0' ? PyUnicode_FromString(alpn) : Py_NewRef(Py_None);
}

static PyObject *peer_repr(PyObject *op) {
    py_peer *self = (py_peer *)op;
    if (read_certificate(self) < 0) {
        return NULL;
    }
    PyObject *subject = self->subject != NULL ? self->subject : Py_None;
    return PyUnicode_FromFormat("<Peer %U:%d %s subject %R>", self->address, (int)self->peer->port,
                                self->peer->tls_version, subject);
}

static void peer_dealloc(PyObject *op) {
    py_peer *self = (py_peer *)op;
    PyTypeObject *type = Py_TYPE(op);
    rsec_peer_unref(self->peer);
    Py_XDECREF(self->address);
    Py_XDECREF(self->subject);
    Py_XDECREF(self->issuer);
    Py_XDECREF(self->serial);
    Py_XDECREF(self->sans);
    Py_XDECREF(self->usages);
    Py_XDECREF(self->policies);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMemberDef peer_members[] = {
    {"address", T_OBJECT_EX, offsetof(py_peer, address), READONLY,
     "Its address as text, as it is looked up in `hosts`: IPv4-mapped ones as IPv4, link-local ones with their scope."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef peer_getset[] = {
    {"port", get_port, NULL, "Its TCP port.", NULL},
    {"local_address", get_local_address, NULL, "The address it connected to, as text.", NULL},
    {"local_port", get_local_port, NULL, "The TCP port it connected to.", NULL},
    {"tls_version", get_tls_version, NULL, "\"TLSv1.3\".", NULL},
    {"cipher", get_cipher, NULL, "\"TLS_AES_256_GCM_SHA384\".", NULL},
    {"alpn", get_alpn, NULL, "The protocol name that was agreed on (RFC 7301), or None.", NULL},
    {"certificate", get_certificate, NULL, "Its certificate in DER, or None when it sent none.", NULL},
    {"fingerprint", get_fingerprint, NULL, "SHA-256 over its certificate: 64 lower-case digits, or None.", NULL},
    {"not_after", get_not_after, NULL, "When its certificate expires, in seconds since 1970, or None.", NULL},
    {"subject", get_text, NULL, "The certificate's subject (RFC 4514): \"CN=nas7,O=Example\", or None.",
     (void *)offsetof(py_peer, subject)},
    {"issuer", get_text, NULL, "The certificate's issuer (RFC 4514), or None.", (void *)offsetof(py_peer, issuer)},
    {"serial_number", get_text, NULL, "The certificate's serial number in upper-case hexadecimal digits, or None.",
     (void *)offsetof(py_peer, serial)},
    {"subject_alt_names", get_text, NULL,
     "The certificate's other names: pairs such as (\"DNS\", \"nas7.example.org\").", (void *)offsetof(py_peer, sans)},
    {"extended_key_usage", get_text, NULL, "Dotted OIDs of the certificate's extended key usages.",
     (void *)offsetof(py_peer, usages)},
    {"policies", get_text, NULL, "Dotted OIDs of the certificate's policies.", (void *)offsetof(py_peer, policies)},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(peer_doc,
             "Who is on the other end of a RADIUS/TLS connection. Read-only; any thread that holds it may read.");

static PyType_Slot peer_slots[] = {
    {Py_tp_doc, (void *)peer_doc}, {Py_tp_dealloc, peer_dealloc}, {Py_tp_repr, peer_repr},
    {Py_tp_members, peer_members}, {Py_tp_getset, peer_getset},   {0, NULL},
};

static PyType_Spec peer_spec = {
    .name = "pyradsec._core.Peer",
    .basicsize = sizeof(py_peer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = peer_slots,
};

int rsec_py_peer_register(PyObject *module, rsec_py_state *state) {
    state->peer_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &peer_spec, NULL);
    return state->peer_type != NULL ? PyModule_AddType(module, state->peer_type) : -1;
}
