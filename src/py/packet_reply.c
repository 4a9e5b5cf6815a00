/* The reply to a packet: create_reply(). */
#include "py/packet.h"

/* Takes the octets of a reply, for create_reply(packet=…). */
static int adopt_reply(rsec_py_packet *reply, PyObject *raw) {
    if (raw == NULL || raw == Py_None) {
        return 0;
    }
    if (!PyBytes_Check(raw)) {
        PyErr_Format(PyExc_TypeError, "packet: expected bytes, found %.100s", Py_TYPE(raw)->tp_name);
        return -1;
    }
    return rsec_py_packet_adopt(reply, raw);
}

/* What create_reply was called with, apart from attributes. */
typedef struct {
    PyObject *packet, *flag, *code; /* borrowed, or NULL */
} reply_options;

/* The option that `keyword` is, or NULL for an attribute's name. A TypeError for what a reply takes from its request. */
static PyObject **option_of(reply_options *options, PyObject *keyword) {
    static const char *const refused[] = {"id", "secret", "authenticator", "dict", "radius_version"};
    if (PyUnicode_CompareWithASCIIString(keyword, "packet") == 0) {
        return &options->packet;
    }
    if (PyUnicode_CompareWithASCIIString(keyword, "message_authenticator") == 0) {
        return &options->flag;
    }
    if (PyUnicode_CompareWithASCIIString(keyword, "code") == 0) {
        return &options->code;
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (PyUnicode_CompareWithASCIIString(keyword, refused[i]) == 0) {
            PyErr_Format(PyExc_TypeError, "create_reply() takes no %U: it is the request's", keyword);
        }
    }
    return NULL;
}

/* The reply to `self`: same identifier, secret, authenticator and dictionary. */
static rsec_py_packet *make_reply(rsec_py_packet *self, int kind, long code) {
    rsec_py_packet *reply = rsec_py_packet_alloc(self->state, self->state->kinds[kind]);
    if (reply == NULL) {
        return NULL;
    }
    reply->code = PyLong_FromLong(code);
    reply->id = Py_XNewRef(self->id);
    reply->secret = Py_XNewRef(self->secret);
    reply->authenticator = rsec_py_packet_authenticator(self);
    reply->radius_version = Py_XNewRef(self->radius_version);
    reply->dict = Py_XNewRef(self->dict);
    reply->store = PyDict_New();
    Py_XSETREF(reply->original_code, Py_XNewRef(self->code));
    Py_XSETREF(reply->token, Py_XNewRef(self->token));
    if (reply->code == NULL || reply->authenticator == NULL || reply->store == NULL) {
        Py_CLEAR(reply);
    }
    return reply;
}

PyDoc_STRVAR(
    create_reply_doc,
    "create_reply(**attributes)\n--\n\n"
    "A reply to this packet, with its id, secret, authenticator and dictionary, and the code that says yes:\n"
    "Access-Accept, Accounting-Response, CoA-ACK, Disconnect-ACK; Access-Accept for Status-Server; 0 for a\n"
    "plain Packet. `code=` is taken for plain packets and Status-Server only. `packet=` decodes a reply's octets.");

/* The kind and code of the reply to `self`; `takes_code` says whether code= may choose another. */
static int reply_kind(rsec_py_packet *self, int *kind, long *code, bool *takes_code) {
    PyTypeObject *const *kinds = self->state->kinds;
    PyObject *op = (PyObject *)self;
    uint8_t asked;
    *takes_code = false;
    if (PyObject_TypeCheck(op, kinds[RSEC_PY_AUTH])) {
        *kind = RSEC_PY_AUTH;
        *code = RSEC_ACCESS_ACCEPT;
    } else if (PyObject_TypeCheck(op, kinds[RSEC_PY_ACCT])) {
        *kind = RSEC_PY_ACCT;
        *code = RSEC_ACCOUNTING_RESPONSE;
    } else if (PyObject_TypeCheck(op, kinds[RSEC_PY_COA])) {
        if (rsec_py_packet_code_of(self, &asked) < 0) {
            return -1;
        }
        *kind = RSEC_PY_COA;
        *code = asked == RSEC_DISCONNECT_REQUEST ? RSEC_DISCONNECT_ACK : RSEC_COA_ACK;
    } else {
        *kind = RSEC_PY_PACKET;
        *code = PyObject_TypeCheck(op, kinds[RSEC_PY_STATUS]) ? RSEC_ACCESS_ACCEPT : 0;
        *takes_code = true;
    }
    return 0;
}

static PyObject *packet_create_reply(PyObject *op, PyObject *const *args, Py_ssize_t num, PyObject *names) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    reply_options options = {NULL, NULL, NULL};
    Py_ssize_t keywords = names != NULL ? PyTuple_GET_SIZE(names) : 0;
    int kind;
    long code;
    bool takes_code;
    if (num != 0) {
        PyErr_SetString(PyExc_TypeError, "create_reply() takes keywords only");
        return NULL;
    }
    if (reply_kind(self, &kind, &code, &takes_code) < 0) {
        return NULL;
    }
    /* Options first: the octets of packet= come before attributes, wherever it stands. */
    uint64_t is_option = 0;
    for (Py_ssize_t i = 0; i < keywords; i++) {
        PyObject **option = option_of(&options, PyTuple_GET_ITEM(names, i));
        if (option != NULL && i < 64) {
            *option = args[i];
            is_option |= UINT64_C(1) << i;
        } else if (PyErr_Occurred() != NULL) {
            return NULL;
        }
    }
    if (options.code != NULL) {
        if (!takes_code) {
            PyErr_SetString(PyExc_TypeError, "create_reply() of this packet takes no code: assign reply.code");
            return NULL;
        }
        code = PyLong_AsLong(options.code);
        if (code == -1 && PyErr_Occurred() != NULL) {
            return NULL;
        }
    }
    rsec_py_packet *reply = make_reply(self, kind, code);
    if (reply == NULL) {
        return NULL;
    }
    int rc = adopt_reply(reply, options.packet);
    if (rc == 0 && options.flag != NULL) {
        Py_XSETREF(reply->message_authenticator, Py_NewRef(options.flag));
    }
    for (Py_ssize_t i = 0; rc == 0 && i < keywords; i++) {
        if (i >= 64 || (is_option >> i & 1) == 0) {
            rc = rsec_py_packet_add_keyword(reply, PyTuple_GET_ITEM(names, i), args[i]);
        }
    }
    if (rc < 0) {
        Py_CLEAR(reply);
    }
    return (PyObject *)reply;
}

PyMethodDef rsec_py_packet_reply_methods[] = {
    {"create_reply", (PyCFunction)(void (*)(void))packet_create_reply, METH_FASTCALL | METH_KEYWORDS, create_reply_doc},
    {NULL, NULL, 0, NULL},
};
