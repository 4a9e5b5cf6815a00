/* The reply to a packet: create_reply(). */
#include "py/packet.h"

/* Takes the octets of a reply, for create_reply(packet=…). Its own Token is what verify_reply() compares with the request's,
 * and its salted attributes are hidden with the request's authenticator. */
static int adopt_reply(rsec_py_packet *reply, PyObject *raw) {
    if (raw == NULL || raw == Py_None) {
        return 0;
    }
    if (!PyBytes_Check(raw)) {
        PyErr_Format(PyExc_TypeError, "packet: expected bytes, found %.100s", Py_TYPE(raw)->tp_name);
        return -1;
    }
    Py_XSETREF(reply->request_authenticator, Py_XNewRef(reply->authenticator));
    return rsec_py_packet_adopt(reply, raw);
}

/* What create_reply was called with, apart from attributes. */
typedef struct {
    PyObject *packet, *flag, *code, *dict, *version, *auth_type, *fd; /* borrowed, or NULL */
} reply_options;

/* The option that `keyword` is, or NULL for an attribute's name. A TypeError for what a reply takes from its request. */
static PyObject **option_of(reply_options *options, PyObject *keyword) {
    static const char *const refused[] = {"id", "secret", "authenticator"};
    const struct {
        const char *name;
        PyObject **option;
    } known[] = {
        {"packet", &options->packet},       {"message_authenticator", &options->flag}, {"code", &options->code},
        {"dict", &options->dict},           {"radius_version", &options->version},     {"fd", &options->fd},
        {"auth_type", &options->auth_type},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (PyUnicode_CompareWithASCIIString(keyword, known[i].name) == 0) {
            return known[i].option;
        }
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (PyUnicode_CompareWithASCIIString(keyword, refused[i]) == 0) {
            PyErr_Format(PyExc_TypeError, "create_reply() takes no %U: it is the request's", keyword);
        }
    }
    return NULL;
}

/* The reply to `self`: same identifier, secret, authenticator and dictionary. */
static rsec_py_packet *make_reply(rsec_py_packet *self, int kind, long code, const reply_options *options) {
    rsec_py_packet *reply = rsec_py_packet_alloc(self->state, self->state->kinds[kind]);
    if (reply == NULL) {
        return NULL;
    }
    reply->code = PyLong_FromLong(code);
    reply->id = Py_XNewRef(self->id);
    reply->secret = Py_XNewRef(self->secret);
    reply->authenticator = rsec_py_packet_authenticator(self);
    reply->radius_version = Py_XNewRef(options->version != NULL ? options->version : self->radius_version);
    reply->dict = Py_XNewRef(options->dict != NULL ? options->dict : self->dict);
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
    "plain Packet. `code=` is taken for plain packets and Status-Server only. In RADIUS/1.1 the reply has the request's\n"
    "token (RFC 9765 §4.1).\n\n"
    "packet=: the octets of a reply that was received, 20 to 4096 of them; code, id and authenticator, or token, are\n"
    "theirs, and `request_authenticator` is set. PacketError when they are no packet. dict= and radius_version= take\n"
    "another dictionary and version than the request's; every other keyword is an attribute, KeyError for an unknown one.");

/* An Access reply goes on with the way of authentication that its request has (an AuthPacket's own attribute). */
static int carry_auth_type(rsec_py_packet *self, rsec_py_packet *reply, PyObject *given) {
    PyObject *name = self->state->name_auth_type;
    PyObject *value = given != NULL ? Py_NewRef(given) : PyObject_GetAttr((PyObject *)self, name);
    PyObject *usual = value != NULL ? PyObject_GetAttr((PyObject *)Py_TYPE(reply), name) : NULL;
    int rc = usual == NULL ? -1 : usual == value ? 0 : PyObject_SetAttr((PyObject *)reply, name, value);
    Py_XDECREF(value);
    Py_XDECREF(usual);
    return rc;
}

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
    reply_options options = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    Py_ssize_t keywords = names != NULL ? PyTuple_GET_SIZE(names) : 0;
    int kind;
    long code;
    bool takes_code;
    if (reply_kind(self, &kind, &code, &takes_code) < 0) {
        return NULL;
    }
    if (num > 1 || (num == 1 && !PyObject_TypeCheck(op, self->state->kinds[RSEC_PY_STATUS]))) {
        PyErr_SetString(PyExc_TypeError, "create_reply() takes keywords only, that of a StatusPacket a code first");
        return NULL;
    }
    options.code = num == 1 ? args[0] : NULL;
    args += num; /* the keywords' values */
    /* Options first: the octets of packet= come before attributes, wherever it stands. */
    uint64_t is_option = 0;
    for (Py_ssize_t i = 0; i < keywords; i++) {
        PyObject **option = option_of(&options, PyTuple_GET_ITEM(names, i));
        if (option == &options.code && num > 0) {
            PyErr_SetString(PyExc_TypeError, "create_reply() was given code twice");
            return NULL;
        }
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
    if (options.auth_type != NULL && kind != RSEC_PY_AUTH) {
        PyErr_SetString(PyExc_TypeError, "create_reply() of this packet takes no auth_type: it is an AuthPacket's");
        return NULL;
    }
    rsec_py_packet *reply = make_reply(self, kind, code, &options);
    if (reply == NULL) {
        return NULL;
    }
    int rc = kind == RSEC_PY_AUTH ? carry_auth_type(self, reply, options.auth_type) : 0;
    rc = rc == 0 ? adopt_reply(reply, options.packet) : rc;
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
