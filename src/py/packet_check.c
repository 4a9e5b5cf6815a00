/* Message-Authenticator as methods of a packet, and what tells a real Access-Request (RFC 2865 §3, RFC 3579 §3.2). */
#include "py/packet.h" /* Python.h comes before every system header */

#include "crypto/authenticator.h"
#include "py/arguments.h"

#include <string.h>

/* An attribute of the packet that should be a small number, as one; -1 for anything else. */
static long number_of(PyObject *value) {
    int overflow;
    return value != NULL && PyLong_Check(value) ? PyLong_AsLongAndOverflow(value, &overflow) : -1;
}

PyDoc_STRVAR(
    verify_auth_request_doc,
    "verify_auth_request()\n--\n\n"
    "Whether what was received is an Access-Request, in RADIUS/1.0 with an authenticator that is not all zeros.\n\n"
    "ValueError when nothing was received.");

static PyObject *packet_verify_auth_request(PyObject *op, PyObject *unused) {
    static const uint8_t zeros[RSEC_AUTHENTICATOR_LEN];
    (void)unused;
    rsec_py_packet *self = (rsec_py_packet *)op;
    if (!PyBytes_Check(self->raw_packet)) {
        PyObject *what = PyObject_CallMethod(op, "_what", NULL);
        if (what != NULL) {
            PyErr_Format(PyExc_ValueError, "%U: nothing was received that could be verified", what);
            Py_DECREF(what);
        }
        return NULL;
    }
    rsec_view pkt = rsec_py_bytes_view(self->raw_packet);
    return PyBool_FromLong(
        pkt.len >= RSEC_HEADER_LEN && rsec_packet_code(pkt) == RSEC_ACCESS_REQUEST &&
        (rsec_py_packet_is_v11(self) || memcmp(rsec_packet_authenticator(pkt), zeros, sizeof zeros) != 0));
}

/* --- Message-Authenticator --- */

/* Octets that the caller gave, of any type that has some. */
typedef struct {
    Py_buffer buffer;
    bool is_there;
} octets;

static int octets_take(octets *taken, PyObject *object, const char *what) {
    taken->is_there = PyObject_GetBuffer(object, &taken->buffer, PyBUF_SIMPLE) == 0;
    if (!taken->is_there && PyErr_ExceptionMatches(PyExc_MemoryError)) {
        return -1;
    }
    if (!taken->is_there) {
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError, "%s: expected bytes, found %.100s", what, Py_TYPE(object)->tp_name);
        return -1;
    }
    return 0;
}

static void octets_release(octets *taken) {
    if (taken->is_there) {
        PyBuffer_Release(&taken->buffer);
    }
}

static rsec_view octets_view(const octets *taken) {
    return rsec_view_of(taken->buffer.buf, (size_t)taken->buffer.len);
}

/* The 16 octets that a Message-Authenticator is computed with in the header's place: NULL for zeros. */
static const uint8_t *header_of(rsec_py_packet *self, rsec_view pkt, const octets *given,
                                uint8_t padded[RSEC_AUTHENTICATOR_LEN]) {
    switch (number_of(self->code)) {
    case RSEC_ACCOUNTING_REQUEST:
    case RSEC_DISCONNECT_REQUEST:
    case RSEC_COA_REQUEST:
        return NULL; /* RFC 5176 §2.3 */
    case RSEC_ACCESS_REQUEST:
    case RSEC_STATUS_SERVER:
        return rsec_packet_authenticator(pkt);
    default:
        break;
    }
    if (!given->is_there) {
        return NULL;
    }
    rsec_py_packet_header_authenticator(octets_view(given), padded);
    return padded;
}

/* Whether the Message-Authenticator in `raw` verifies: True, False, or NULL with PacketError or TypeError. `authenticator`
 * is bytes or None; it and `original_code` are the request's where this is a reply. */
static PyObject *check(rsec_py_packet *self, PyObject *raw, PyObject *secret, PyObject *authenticator,
                       PyObject *original_code) {
    octets packet = {.is_there = false}, key = {.is_there = false}, given = {.is_there = false};
    uint8_t padded[RSEC_AUTHENTICATOR_LEN];
    rsec_digest *digest = self->state->digest;
    rsec_packet_facts facts;
    PyObject *result = NULL;
    if (octets_take(&packet, raw, "packet") == 0 && octets_take(&key, secret, "secret") == 0 &&
        (authenticator == Py_None || octets_take(&given, authenticator, "authenticator") == 0)) {
        rsec_view pkt = octets_view(&packet);
        size_t off;
        rsec_status status = rsec_packet_scan(pkt, &facts, &off);
        if (status != RSEC_OK) {
            (void)rsec_py_fail_scan(self->state, status, pkt, off);
        } else if (facts.message_auth_num != 1 || !facts.message_auth_is_sized) {
            (void)rsec_py_fail(self->state, RSEC_MESSAGE_AUTH_FORM, "verification");
        } else {
            const uint8_t *header = header_of(self, pkt, &given, padded);
            size_t at = facts.message_auth_off;
            status = rsec_message_auth_check(digest, pkt, at, header, octets_view(&key));
            if (status == RSEC_BAD_MESSAGE_AUTH && number_of(self->code) == RSEC_ACCOUNTING_RESPONSE &&
                number_of(original_code) != RSEC_STATUS_SERVER) {
                /* Nothing says which authenticator an Accounting-Response is signed with: implementations differ. */
                status = rsec_message_auth_check(digest, pkt, at, NULL, octets_view(&key));
            }
            result = status == RSEC_OK || status == RSEC_BAD_MESSAGE_AUTH
                         ? PyBool_FromLong(status == RSEC_OK)
                         : rsec_py_fail(self->state, status, "verification");
        }
    }
    octets_release(&packet);
    octets_release(&key);
    octets_release(&given);
    return result;
}

PyDoc_STRVAR(
    check_doc,
    "_check_message_authenticator(raw, secret, authenticator, original_code)\n--\n\n"
    "Whether the one Message-Authenticator in the octets `raw` of this packet verifies. `authenticator`, bytes or\n"
    "None for zeros, and `original_code` are the request's, when this is a reply.");

static PyObject *packet_check_message_auth(PyObject *op, PyObject *const *args, Py_ssize_t num) {
    if (num != 4) {
        return PyErr_Format(PyExc_TypeError, "_check_message_authenticator takes 4 arguments, found %zd", num);
    }
    return check((rsec_py_packet *)op, args[0], args[1], args[2], args[3]);
}

/* `given`, or where that is missing or None the packet's own, which may be NULL. New reference. */
static PyObject *given_or(PyObject *given, PyObject *own) {
    return Py_NewRef(given != NULL && given != Py_None ? given : own != NULL ? own : Py_None);
}

/* The authenticator of the request: a reply that was parsed has its own, and knows its request's. New reference. */
static PyObject *authenticator_of(rsec_py_packet *self, PyObject *given) {
    if (given != NULL && given != Py_None) {
        return Py_NewRef(given);
    }
    PyObject *asked = self->request_authenticator;
    return asked != NULL && PyBytes_Check(asked) && PyBytes_GET_SIZE(asked) > 0 ? Py_NewRef(asked)
                                                                                : rsec_py_packet_authenticator(self);
}

PyDoc_STRVAR(
    verify_doc,
    "verify_message_authenticator(secret=None, original_authenticator=None, original_code=None)\n--\n\n"
    "Whether the Message-Authenticator verifies over the octets received, or, in a packet that was built, over\n"
    "those it would be sent as (RFC 3579 §3.2, RFC 5176 §2.3, RFC 5997 §3).\n\n"
    "`original_authenticator` and `original_code` belong to the request, when this is a reply; left out, the\n"
    "packet's own are taken. PacketError when there is none, more than one, or one that has not 16 octets.\n"
    "RADIUS/1.1 has none and needs none, TLS having seen to it: True.");

static PyObject *packet_verify_message_auth(PyObject *op, PyObject *const *args, Py_ssize_t num, PyObject *names) {
    static const char *const argument_names[] = {"secret", "original_authenticator", "original_code"};
    static const rsec_py_signature signature = {"verify_message_authenticator", argument_names, 3, 0};
    rsec_py_packet *self = (rsec_py_packet *)op;
    PyObject *given[3];
    if (rsec_py_arguments_take(&signature, args, num, names, given) < 0) {
        return NULL;
    }
    if (rsec_py_packet_is_v11(self)) {
        Py_RETURN_TRUE;
    }
    /* Serialising comes first: it may make the authenticator. */
    PyObject *raw = self->raw_packet != Py_None ? Py_NewRef(self->raw_packet)
                                                : PyObject_CallMethod(op, "_encode_as_signed", NULL);
    PyObject *authenticator = raw != NULL ? authenticator_of(self, given[1]) : NULL;
    PyObject *secret = given_or(given[0], self->secret), *code = given_or(given[2], self->original_code);
    PyObject *result = authenticator != NULL ? check(self, raw, secret, authenticator, code) : NULL;
    Py_XDECREF(raw);
    Py_XDECREF(authenticator);
    Py_DECREF(secret);
    Py_DECREF(code);
    return result;
}

PyDoc_STRVAR(
    add_doc,
    "add_message_authenticator()\n--\n\n"
    "Gives the packet a Message-Authenticator, behind the attributes it has; signed when it is serialised (RFC\n"
    "3579 §3.2). RADIUS/1.1 has none: nothing happens there (V11-3).");

static PyObject *packet_add_message_auth(PyObject *op, PyObject *unused) {
    static const uint8_t zeros[RSEC_AUTHENTICATOR_LEN];
    (void)unused;
    rsec_py_packet *self = (rsec_py_packet *)op;
    if (rsec_py_packet_is_v11(self)) {
        Py_RETURN_NONE;
    }
    long code = number_of(self->code);
    rsec_view secret, made; /* the authenticator first: what fails must not leave the packet with half of it */
    if (self->authenticator == Py_None && (code == RSEC_ACCESS_REQUEST || code == RSEC_STATUS_SERVER) &&
        rsec_py_packet_keys(self, &secret, &made) < 0) {
        return NULL;
    }
    PyObject *key = PyLong_FromLong(RSEC_ATTR_MESSAGE_AUTHENTICATOR);
    PyObject *value = Py_BuildValue("[y#]", (const char *)zeros, (Py_ssize_t)sizeof zeros);
    int rc = key != NULL && value != NULL ? PyObject_SetItem(op, key, value) : -1;
    Py_XDECREF(key);
    Py_XDECREF(value);
    if (rc < 0) {
        return NULL;
    }
    Py_XSETREF(self->message_authenticator, Py_NewRef(Py_True));
    Py_RETURN_NONE;
}

PyMethodDef rsec_py_packet_check_methods[] = {
    {"verify_message_authenticator", (PyCFunction)(void (*)(void))packet_verify_message_auth,
     METH_FASTCALL | METH_KEYWORDS, verify_doc},
    {"_check_message_authenticator", (PyCFunction)(void (*)(void))packet_check_message_auth, METH_FASTCALL, check_doc},
    {"add_message_authenticator", packet_add_message_auth, METH_NOARGS, add_doc},
    {"_verify_auth_request", packet_verify_auth_request, METH_NOARGS, verify_auth_request_doc},
    {NULL, NULL, 0, NULL},
};
