/* pyradsec._core: the module, its state, and functions on plain octets. */
#include "py/engine.h" /* Python.h comes before every system header */

#include "py/dictionary.h"

#include "crypto/authenticator.h"
#include "crypto/fingerprint.h"
#include "net/counters.h"

#include <openssl/crypto.h>
#include <openssl/opensslv.h>

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "pyradsec needs OpenSSL 3.0 or newer (Debian: libssl-dev)"
#endif

PyObject *rsec_py_take_exception(void) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (type != NULL) {
        PyErr_NormalizeException(&type, &value, &traceback);
        if (traceback != NULL && value != NULL) {
            (void)PyException_SetTraceback(value, traceback);
        }
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

PyObject *rsec_py_fail(rsec_py_state *state, rsec_status status, const char *what) {
    if (status == RSEC_NO_MEMORY) {
        return PyErr_NoMemory();
    }
    return PyErr_Format(state->packet_error, "%s: %s", what, rsec_status_text(status));
}

PyObject *rsec_py_fail_scan(rsec_py_state *state, rsec_status status, rsec_view pkt, size_t off) {
    PyObject *error = state->packet_error;
    if (pkt.len < RSEC_HEADER_LEN) {
        return PyErr_Format(error, "Packet header is corrupt: expected 20 octets or more, found %zu", pkt.len);
    }
    switch (status) {
    case RSEC_TOO_SHORT:
        return PyErr_Format(error, "Packet length %u is too small: expected 20 to 4096",
                            (unsigned)rsec_packet_length(pkt));
    case RSEC_TOO_LONG:
        return PyErr_Format(error, "Packet length %u is too long: expected 20 to 4096, found %zu octets",
                            (unsigned)rsec_packet_length(pkt), pkt.len);
    case RSEC_LENGTH_MISMATCH:
        return PyErr_Format(error, "Packet has invalid length: the Length field says %u, found %zu octets",
                            (unsigned)rsec_packet_length(pkt), pkt.len);
    case RSEC_ATTR_LENGTH:
        return PyErr_Format(error, "Attribute %u at octet %zu has invalid length %u: too small, expected 2 or more",
                            (unsigned)pkt.ptr[off], off, (unsigned)pkt.ptr[off + 1]);
    case RSEC_ATTR_OVERRUN:
        if (pkt.len - off < RSEC_ATTR_HEADER_LEN) {
            return PyErr_Format(error, "Attribute header is corrupt: a lone octet at %zu of %zu", off, pkt.len);
        }
        return PyErr_Format(
            error, "Attribute %u at octet %zu has invalid length %u: it runs past the end of the packet at %zu",
            (unsigned)pkt.ptr[off], off, (unsigned)pkt.ptr[off + 1], pkt.len);
    default:
        return rsec_py_fail(state, status, "packet");
    }
}

static rsec_py_state *state_of(PyObject *module) {
    return PyModule_GetState(module);
}

/* --- values --- */

static PyObject *encode_attr(PyObject *module, PyObject *args) {
    const char *name;
    PyObject *value;
    (void)module;
    if (!PyArg_ParseTuple(args, "sO:encode_attr", &name, &value)) {
        return NULL;
    }
    rsec_data_type type = rsec_data_type_of(name);
    if (type == RSEC_TYPE_COUNT) {
        return PyErr_Format(PyExc_ValueError, "Unknown attribute type %.100s", name);
    }
    return rsec_py_encode(type, value, RSEC_ATTR_VALUE_MAX);
}

static PyObject *decode_attr(PyObject *module, PyObject *args) {
    const char *name;
    Py_buffer octets;
    (void)module;
    if (!PyArg_ParseTuple(args, "sy*:decode_attr", &name, &octets)) {
        return NULL;
    }
    rsec_data_type type = rsec_data_type_of(name);
    PyObject *value = type < RSEC_TYPE_TLV ? rsec_py_decode(type, rsec_view_of(octets.buf, (size_t)octets.len))
                                           : PyErr_Format(PyExc_ValueError, "Unknown attribute type %.100s", name);
    PyBuffer_Release(&octets);
    return value;
}

/* --- checks on octets --- */

/* A packet's octets and what a scan finds in them; PacketError when they are not one whole packet. */
static int scan(PyObject *module, const Py_buffer *raw, rsec_view *pkt, rsec_packet_facts *facts) {
    size_t off;
    *pkt = rsec_view_of(raw->buf, (size_t)raw->len);
    rsec_status status = rsec_packet_scan(*pkt, facts, &off);
    if (status == RSEC_OK) {
        return 0;
    }
    (void)rsec_py_fail_scan(state_of(module), status, *pkt, off);
    return -1;
}

static PyObject *verdict(PyObject *module, rsec_status status) {
    switch (status) {
    case RSEC_OK:
        Py_RETURN_TRUE;
    case RSEC_BAD_REQUEST_AUTH:
    case RSEC_BAD_RESPONSE_AUTH:
    case RSEC_BAD_MESSAGE_AUTH:
        Py_RETURN_FALSE;
    default:
        return rsec_py_fail(state_of(module), status, "verification");
    }
}

PyDoc_STRVAR(
    check_packet_doc,
    "check_packet(raw)\n--\n\n"
    "None when `raw` is one whole packet of 20 to 4096 octets whose attributes fill it exactly; PacketError else.");

static PyObject *check_packet(PyObject *module, PyObject *arg) {
    Py_buffer raw;
    rsec_view pkt;
    rsec_packet_facts facts;
    if (PyObject_GetBuffer(arg, &raw, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    int rc = scan(module, &raw, &pkt, &facts);
    PyBuffer_Release(&raw);
    return rc == 0 ? Py_NewRef(Py_None) : NULL;
}

PyDoc_STRVAR(
    check_request_authenticator_doc,
    "check_request_authenticator(raw, secret)\n--\n\n"
    "Whether the authenticator of these octets is MD5 over them with 16 zero octets in its place (RFC 2866 §3).");

static PyObject *check_request_authenticator(PyObject *module, PyObject *args) {
    Py_buffer raw, secret;
    rsec_view pkt;
    rsec_packet_facts facts;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(args, "y*y*:check_request_authenticator", &raw, &secret)) {
        return NULL;
    }
    if (scan(module, &raw, &pkt, &facts) == 0) {
        result = verdict(module, rsec_request_auth_check(state_of(module)->digest, pkt,
                                                         rsec_view_of(secret.buf, (size_t)secret.len)));
    }
    PyBuffer_Release(&raw);
    PyBuffer_Release(&secret);
    return result;
}

PyDoc_STRVAR(check_response_authenticator_doc,
             "check_response_authenticator(raw, request_authenticator, secret)\n--\n\n"
             "Whether the Response Authenticator of these octets is the one for that request (RFC 2865 §3).\n"
             "`request_authenticator` is 16 octets.");

static PyObject *check_response_authenticator(PyObject *module, PyObject *args) {
    Py_buffer raw, authenticator, secret;
    rsec_view pkt;
    rsec_packet_facts facts;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(args, "y*y*y*:check_response_authenticator", &raw, &authenticator, &secret)) {
        return NULL;
    }
    if (authenticator.len != RSEC_AUTHENTICATOR_LEN) {
        PyErr_Format(PyExc_ValueError, "request authenticator: expected 16 octets, found %zd", authenticator.len);
    } else if (scan(module, &raw, &pkt, &facts) == 0) {
        result = verdict(module, rsec_response_auth_check(state_of(module)->digest, pkt, authenticator.buf,
                                                          rsec_view_of(secret.buf, (size_t)secret.len)));
    }
    PyBuffer_Release(&raw);
    PyBuffer_Release(&authenticator);
    PyBuffer_Release(&secret);
    return result;
}

PyDoc_STRVAR(check_request_doc,
             "check_request(raw, secret, verify, require, require_access, require_eap)\n--\n\n"
             "The engine's verdict on a request: None, or PacketError. `verify`: Request Authenticators are checked;\n"
             "`require`, `require_access`, `require_eap`: a Message-Authenticator has to be there on every packet, on\n"
             "Access-Requests, on packets with EAP-Message. Status-Server always needs one (PKT-4, PKT-14, PKT-15).");

static PyObject *check_request(PyObject *module, PyObject *args) {
    Py_buffer raw, secret;
    int verify, require, require_access, require_eap;
    rsec_view pkt;
    rsec_packet_facts facts;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(args, "y*y*pppp:check_request", &raw, &secret, &verify, &require, &require_access,
                          &require_eap)) {
        return NULL;
    }
    if (scan(module, &raw, &pkt, &facts) == 0) {
        const rsec_request_policy policy = {verify != 0, require != 0, require_access != 0, require_eap != 0};
        rsec_status status = rsec_request_verify(state_of(module)->digest, pkt, &facts, &policy,
                                                 rsec_view_of(secret.buf, (size_t)secret.len));
        uint8_t code = rsec_packet_code(pkt);
        if (status == RSEC_OK) {
            result = Py_NewRef(Py_None);
        } else if (status == RSEC_MESSAGE_AUTH_MISSING) {
            PyErr_Format(state_of(module)->packet_error, "%s requires a Message-Authenticator",
                         code == RSEC_STATUS_SERVER                 ? "Status-Server"
                         : require || (require_access && code == 1) ? "policy"
                                                                    : "EAP-Message");
        } else {
            (void)rsec_py_fail(state_of(module), status,
                               rsec_code_name(code) != NULL ? rsec_code_name(code) : "request");
        }
    }
    PyBuffer_Release(&raw);
    PyBuffer_Release(&secret);
    return result;
}

static PyObject *md5_of(PyObject *module, PyObject *arg) {
    Py_buffer octets;
    uint8_t out[RSEC_AUTHENTICATOR_LEN];
    if (PyObject_GetBuffer(arg, &octets, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    const rsec_view part = rsec_view_of(octets.buf, (size_t)octets.len);
    rsec_status status = rsec_digest_md5(state_of(module)->digest, &part, 1, out);
    PyBuffer_Release(&octets);
    return status == RSEC_OK ? rsec_py_bytes(rsec_view_of(out, sizeof out))
                             : rsec_py_fail(state_of(module), status, "MD5");
}

/* --- fingerprints --- */

static PyObject *normalize_fingerprint(PyObject *module, PyObject *text) {
    uint8_t fingerprint[RSEC_FINGERPRINT_LEN];
    char digits[RSEC_FINGERPRINT_TEXT];
    Py_ssize_t len;
    (void)module;
    const char *utf8 = PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &len) : NULL;
    if (utf8 == NULL && PyErr_ExceptionMatches(PyExc_MemoryError)) {
        return NULL;
    }
    if (utf8 == NULL || rsec_fingerprint_parse(utf8, (size_t)len, fingerprint) != RSEC_OK) {
        PyErr_Clear(); /* lone surrogates have no UTF-8 */
        return PyErr_Format(PyExc_ValueError, "%R is no SHA-256 fingerprint: expected 64 hexadecimal digits", text);
    }
    rsec_fingerprint_format(fingerprint, digits);
    return PyUnicode_FromString(digits);
}

static PyObject *equal_octets(PyObject *module, PyObject *args) {
    Py_buffer a, b;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*y*:equal_octets", &a, &b)) {
        return NULL;
    }
    int is_equal = a.len == b.len && CRYPTO_memcmp(a.buf, b.buf, (size_t)a.len) == 0;
    PyBuffer_Release(&a);
    PyBuffer_Release(&b);
    return PyBool_FromLong(is_equal);
}

/* --- dictionaries --- */

PyDoc_STRVAR(
    read_dictionary_doc,
    "read_dictionary(dictionary, source, is_text, folder, base, strict)\n--\n\n"
    "Adds what a file, or a text, defines, with all that it includes. Relative includes are relative to `folder`,\n"
    "and none leads out of `base`, an absolute path without symbolic links. ParseError, OSError.");

static PyObject *read_dictionary(PyObject *module, PyObject *args) {
    return rsec_py_dictionary_read(state_of(module), args);
}

/* --- the module --- */

static PyObject *register_packet_types(PyObject *module, PyObject *args) {
    rsec_py_state *state = state_of(module);
    if (PyTuple_GET_SIZE(args) != RSEC_PY_KINDS) {
        return PyErr_Format(PyExc_TypeError, "expected %d packet types", RSEC_PY_KINDS);
    }
    for (int i = 0; i < RSEC_PY_KINDS; i++) {
        PyObject *type = PyTuple_GET_ITEM(args, i);
        if (!PyType_Check(type) || !PyType_IsSubtype((PyTypeObject *)type, state->packet_base)) {
            return PyErr_Format(PyExc_TypeError, "%R is no packet type", type);
        }
        Py_XSETREF(state->kinds[i], (PyTypeObject *)Py_NewRef(type));
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(
    set_trace_doc,
    "set_trace(function)\n--\n\n"
    "function(direction, packet, octets) is called for every packet that is decoded (\"in\") or encoded (\"out\") from\n"
    "now on, on the thread that does it; what it raises comes out there. None: nothing is called.");

static PyObject *set_trace(PyObject *module, PyObject *function) {
    rsec_py_state *state = state_of(module);
    if (function != Py_None && !PyCallable_Check(function)) {
        return PyErr_Format(PyExc_TypeError, "expected a callable or None, found %.100s", Py_TYPE(function)->tp_name);
    }
    Py_XSETREF(state->trace, function != Py_None ? Py_NewRef(function) : NULL);
    Py_RETURN_NONE;
}

static int append_name(void *arg, const char *name, uint64_t value) {
    PyObject *text = PyUnicode_FromString(name);
    int rc = text != NULL ? PyList_Append(arg, text) : -1;
    (void)value;
    Py_XDECREF(text);
    return rc;
}

static PyObject *counter_names(PyObject *module, PyObject *unused) {
    static const rsec_counters none;
    (void)module;
    (void)unused;
    PyObject *names = PyList_New(0), *tuple = NULL;
    if (names != NULL && rsec_counters_visit(&none, append_name, names) == 0 &&
        rsec_py_engine_visit_own(NULL, append_name, names) == 0) {
        tuple = PyList_AsTuple(names);
    }
    Py_XDECREF(names);
    return tuple;
}

static PyObject *code_name(PyObject *module, PyObject *code) {
    (void)module;
    long value = PyLong_Check(code) ? PyLong_AsLong(code) : -1;
    PyErr_Clear(); /* out of range: no name */
    const char *name = value >= 0 && value <= 255 ? rsec_code_name((uint8_t)value) : NULL;
    return name != NULL ? PyUnicode_FromString(name) : PyUnicode_FromFormat("Code-%S", code);
}

static PyObject *live_objects(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    rsec_live live = rsec_live_objects();
    return Py_BuildValue("{s:L,s:L,s:L,s:L}", "connections", (long long)live.conns, "requests",
                         (long long)live.requests, "peers", (long long)live.peers, "engines", (long long)live.engines);
}

static PyMethodDef functions[] = {
    {"encode_attr", encode_attr, METH_VARARGS,
     "encode_attr(datatype, value)\n--\n\nThe octets of a value, at most 253. ValueError, TypeError."},
    {"decode_attr", decode_attr, METH_VARARGS,
     "decode_attr(datatype, octets)\n--\n\nThe value that octets stand for. ValueError."},
    {"read_dictionary", read_dictionary, METH_VARARGS, read_dictionary_doc},
    {"check_packet", check_packet, METH_O, check_packet_doc},
    {"check_request", check_request, METH_VARARGS, check_request_doc},
    {"check_request_authenticator", check_request_authenticator, METH_VARARGS, check_request_authenticator_doc},
    {"check_response_authenticator", check_response_authenticator, METH_VARARGS, check_response_authenticator_doc},
    {"normalize_fingerprint", normalize_fingerprint, METH_O,
     "normalize_fingerprint(text)\n--\n\n64 lower-case digits out of any spelling of a SHA-256 fingerprint. ValueError."},
    {"equal_octets", equal_octets, METH_VARARGS, "equal_octets(a, b)\n--\n\nEquality in constant time."},
    {"md5", md5_of, METH_O, "md5(octets)\n--\n\nThe MD5 digest, 16 octets, also where a policy forbids it to others."},
    {"code_name", code_name, METH_O, "code_name(code)\n--\n\n\"Access-Request\", or \"Code-N\"."},
    {"counter_names", counter_names, METH_NOARGS, "counter_names()\n--\n\nThe keys of Engine.stats() that C keeps."},
    {"live_objects", live_objects, METH_NOARGS,
     "live_objects()\n--\n\nHow many C objects of each kind exist in this process, to find leaks."},
    {"set_trace", set_trace, METH_O, set_trace_doc},
    {"register_packet_types", register_packet_types, METH_VARARGS,
     "register_packet_types(Packet, AuthPacket, AcctPacket, CoAPacket, StatusPacket)\n--\n\n"
     "The classes that received packets and replies are made of."},
    {NULL, NULL, 0, NULL},
};

static int intern_names(rsec_py_state *state) {
#define INTERN(name)                                                                                                   \
    state->name_##name = PyUnicode_InternFromString(#name);                                                            \
    if (state->name_##name == NULL) {                                                                                  \
        return -1;                                                                                                     \
    }
    RSEC_NAMES(INTERN)
#undef INTERN
    return 0;
}

static int module_exec(PyObject *module) {
    rsec_py_state *state = state_of(module);
    if (intern_names(state) < 0) {
        return -1;
    }
    if (rsec_digest_new(&state->digest) != RSEC_OK) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject *exceptions = PyImport_ImportModule("pyradsec.exceptions");
    state->packet_error = exceptions != NULL ? PyObject_GetAttrString(exceptions, "PacketError") : NULL;
    Py_XDECREF(exceptions);
    state->keywords = PyDict_New();
    if (state->packet_error == NULL || state->keywords == NULL || rsec_py_dictionary_register(module, state) < 0 ||
        rsec_py_attribute_register(module, state) < 0 || rsec_py_packet_register(module, state) < 0 ||
        rsec_py_avp_register(module, state) < 0 || rsec_py_engine_register(module, state) < 0 ||
        rsec_py_peer_register(module, state) < 0) {
        return -1;
    }
    return PyModule_AddStringConstant(module, "OPENSSL_VERSION", OpenSSL_version(OPENSSL_VERSION));
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
    rsec_py_state *state = state_of(module);
    Py_VISIT(state->packet_base);
    Py_VISIT(state->attribute_type);
    Py_VISIT(state->engine_type);
    Py_VISIT(state->flight_type);
    Py_VISIT(state->handler_type);
    Py_VISIT(state->asyncio.task_type);
    Py_VISIT(state->asyncio.handler_task_type);
    Py_VISIT(state->asyncio.task_done);
    Py_VISIT(state->asyncio.future_set_result);
    Py_VISIT(state->asyncio.future_set_exception);
    Py_VISIT(state->asyncio.future_cancel);
    Py_VISIT(state->asyncio.cancelled_error);
    Py_VISIT(state->asyncio.ensure_future);
    Py_VISIT(state->asyncio.swap_current_task);
    Py_VISIT(state->asyncio.enter_task);
    Py_VISIT(state->asyncio.leave_task);
    Py_VISIT(state->asyncio.loop_names);
    Py_VISIT(state->asyncio.eager_names);
    Py_VISIT(state->asyncio.msg_names);
    Py_VISIT(state->peer_type);
    Py_VISIT(state->bidict_base);
    Py_VISIT(state->dictionary_base);
    Py_VISIT(state->keywords);
    for (int i = 0; i < RSEC_PY_KINDS; i++) {
        Py_VISIT(state->kinds[i]);
    }
    Py_VISIT(state->bidict_type);
    Py_VISIT(state->no_values);
    Py_VISIT(state->no_sub_attributes);
    Py_VISIT(state->packet_error);
    Py_VISIT(state->reply_packet);
    Py_VISIT(state->avp_type);
    Py_VISIT(state->trace);
    return 0;
}

static int module_clear(PyObject *module) {
    rsec_py_state *state = state_of(module);
    Py_CLEAR(state->packet_base);
    Py_CLEAR(state->attribute_type);
    Py_CLEAR(state->engine_type);
    Py_CLEAR(state->flight_type);
    Py_CLEAR(state->handler_type);
    Py_CLEAR(state->asyncio.task_type);
    Py_CLEAR(state->asyncio.handler_task_type);
    Py_CLEAR(state->asyncio.task_done);
    Py_CLEAR(state->asyncio.future_set_result);
    Py_CLEAR(state->asyncio.future_set_exception);
    Py_CLEAR(state->asyncio.future_cancel);
    Py_CLEAR(state->asyncio.cancelled_error);
    Py_CLEAR(state->asyncio.ensure_future);
    Py_CLEAR(state->asyncio.swap_current_task);
    Py_CLEAR(state->asyncio.enter_task);
    Py_CLEAR(state->asyncio.leave_task);
    Py_CLEAR(state->asyncio.loop_names);
    Py_CLEAR(state->asyncio.eager_names);
    Py_CLEAR(state->asyncio.msg_names);
    Py_CLEAR(state->peer_type);
    Py_CLEAR(state->bidict_base);
    Py_CLEAR(state->dictionary_base);
    Py_CLEAR(state->keywords);
    for (int i = 0; i < RSEC_PY_KINDS; i++) {
        Py_CLEAR(state->kinds[i]);
    }
    Py_CLEAR(state->bidict_type);
    Py_CLEAR(state->no_values);
    Py_CLEAR(state->no_sub_attributes);
    Py_CLEAR(state->packet_error);
    Py_CLEAR(state->reply_packet);
    Py_CLEAR(state->avp_type);
    Py_CLEAR(state->trace);
#define CLEAR(name) Py_CLEAR(state->name_##name);
    RSEC_NAMES(CLEAR)
#undef CLEAR
    return 0;
}

static void module_free(void *module) {
    rsec_py_state *state = state_of(module);
    (void)module_clear(module);
    rsec_digest_free(state->digest);
    state->digest = NULL;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pyradsec._core",
    .m_doc = "The C side of pyradsec: packets, values, and the RADIUS/TLS engine.",
    .m_size = sizeof(rsec_py_state),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

rsec_py_state *rsec_py_state_of_type(PyTypeObject *type) {
    PyObject *mro = type->tp_mro;
    /* From the end: ours are before `object`, and asking one of Python's own first costs an exception. */
    for (Py_ssize_t i = PyTuple_GET_SIZE(mro) - 1; i >= 0; i--) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        PyObject *module = PyType_HasFeature(base, Py_TPFLAGS_HEAPTYPE) ? PyType_GetModule(base) : NULL;
        if (module != NULL && PyModule_GetDef(module) == &definition) {
            return state_of(module);
        }
        PyErr_Clear(); /* a class of Python's: its bases are asked */
    }
    (void)PyErr_Format(PyExc_TypeError, "%.100s is no type of pyradsec._core", type->tp_name);
    return NULL;
}

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void) {
    return PyModuleDef_Init(&definition);
}
