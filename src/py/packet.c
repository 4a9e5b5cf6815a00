#include "py/packet.h"

#include "py/arguments.h"

#include <openssl/rand.h>
#include <string.h>
#include <structmember.h>

enum { KEYWORDS_MAX = 4096 };

/* --- making one --- */

rsec_py_packet *rsec_py_packet_alloc(rsec_py_state *state, PyTypeObject *type) {
    rsec_py_packet *self = (rsec_py_packet *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->token = Py_NewRef(Py_None);
    self->request_authenticator = Py_NewRef(Py_None);
    self->original_code = Py_NewRef(Py_None);
    self->message_authenticator = Py_NewRef(Py_None);
    self->raw_packet = Py_NewRef(Py_None);
    self->peer = Py_NewRef(Py_None);
    return self;
}

static int kind_of(uint8_t code) {
    switch (code) {
    case RSEC_ACCESS_REQUEST:
        return RSEC_PY_AUTH;
    case RSEC_ACCOUNTING_REQUEST:
    case RSEC_ACCOUNTING_RESPONSE:
        return RSEC_PY_ACCT;
    case RSEC_COA_REQUEST:
    case RSEC_DISCONNECT_REQUEST:
        return RSEC_PY_COA;
    case RSEC_STATUS_SERVER:
        return RSEC_PY_STATUS;
    default:
        return RSEC_PY_PACKET;
    }
}

int rsec_py_packet_trace(rsec_py_packet *self, const char *direction, PyObject *raw) {
    PyObject *trace = Py_NewRef(self->state->trace); /* it may be taken away meanwhile */
    PyObject *done = PyObject_CallFunction(trace, "sOO", direction, self, raw);
    Py_DECREF(trace);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static void swap(PyObject **field, PyObject **other) {
    PyObject *before = *field;
    *field = *other;
    *other = before;
}

/* The octets `raw` and what the 20 of their header say. RADIUS/1.1 has a Token and no Identifier; its reserved octets are
 * ignored (V11-2), and so is a Message-Authenticator (V11-3), whatever version the packet is given later: there is a store from
 * the start then. What was there before is let go last: its own code may look at the packet, which is whole then. */
static int take_octets(rsec_py_packet *self, PyObject *raw, const rsec_packet_facts *facts) {
    rsec_view pkt = rsec_py_bytes_view(raw);
    bool is_v11 = rsec_py_packet_is_v11(self), is_signed = facts->message_auth_num > 0;
    PyObject *code = PyLong_FromLong(pkt.ptr[0]), *id = PyLong_FromLong(is_v11 ? 0 : pkt.ptr[1]);
    PyObject *token = is_v11 ? rsec_py_bytes(rsec_view_part(pkt, 4, RSEC_PY_TOKEN_LEN)) : Py_XNewRef(self->token);
    PyObject *store = is_v11 && is_signed ? rsec_py_packet_fill(self, raw) : NULL;
    if (code == NULL || id == NULL || (is_v11 && token == NULL) || (is_v11 && is_signed && store == NULL)) {
        Py_XDECREF(code);
        Py_XDECREF(id);
        Py_XDECREF(token);
        Py_XDECREF(store);
        return -1;
    }
    swap(&self->code, &code);
    swap(&self->id, &id);
    swap(&self->token, &token);
    PyObject *authenticator = is_v11 ? Py_NewRef(Py_None) : NULL;
    swap(&self->authenticator, &authenticator);
    PyObject *octets = Py_NewRef(raw), *flag = Py_NewRef(is_signed && !is_v11 ? Py_True : Py_None);
    swap(&self->store, &store);
    swap(&self->raw_packet, &octets);
    swap(&self->message_authenticator, &flag);
    self->repeated = facts->repeated;
    self->found_off = 0;
    Py_XDECREF(code);
    Py_XDECREF(id);
    Py_XDECREF(token);
    Py_XDECREF(authenticator);
    Py_XDECREF(store);
    Py_XDECREF(octets);
    Py_XDECREF(flag);
    return self->state->trace != NULL ? rsec_py_packet_trace(self, "in", raw) : 0;
}

int rsec_py_packet_adopt(rsec_py_packet *self, PyObject *raw) {
    rsec_view pkt = rsec_py_bytes_view(raw);
    rsec_packet_facts facts;
    size_t off;
    rsec_status status = rsec_packet_scan(pkt, &facts, &off);
    if (status != RSEC_OK) {
        (void)rsec_py_fail_scan(self->state, status, pkt, off);
        return -1;
    }
    return take_octets(self, raw, &facts);
}

PyTypeObject *rsec_py_packet_type(rsec_py_state *state, uint8_t code) {
    PyTypeObject *type = state->kinds[kind_of(code)];
    if (type == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "pyradsec.packet has not been imported");
    }
    return type;
}

PyObject *rsec_py_packet_received(rsec_py_state *state, PyObject *raw, const rsec_packet_facts *facts, PyObject *secret,
                                  PyObject *dictionary, PyObject *version, PyObject *peer) {
    PyTypeObject *type = rsec_py_packet_type(state, (uint8_t)PyBytes_AS_STRING(raw)[0]);
    rsec_py_packet *self = type != NULL ? rsec_py_packet_alloc(state, type) : NULL;
    if (self == NULL) {
        return NULL;
    }
    self->secret = Py_NewRef(secret);
    self->dict = Py_NewRef(dictionary);
    Py_SETREF(self->peer, Py_NewRef(peer));
    self->radius_version = version != NULL ? Py_NewRef(version) : PyLong_FromLong(0);
    int rc = self->radius_version == NULL ? -1
             : facts != NULL              ? take_octets(self, raw, facts)
                                          : rsec_py_packet_adopt(self, raw);
    if (rc < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyObject *packet_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)args;
    (void)kwargs;
    rsec_py_state *state = rsec_py_state_of_type(type);
    rsec_py_packet *self = state != NULL ? rsec_py_packet_alloc(state, type) : NULL;
    if (self == NULL) {
        return NULL;
    }
    self->code = PyLong_FromLong(0);
    self->id = PyLong_FromLong(0);
    self->secret = PyBytes_FromStringAndSize(NULL, 0);
    self->radius_version = PyLong_FromLong(0);
    self->authenticator = Py_NewRef(Py_None);
    self->store = PyDict_New();
    if (self->code == NULL || self->id == NULL || self->secret == NULL || self->radius_version == NULL ||
        self->store == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* The attribute that a keyword names: underscores are hyphens. New reference. */
static PyObject *name_of_keyword(rsec_py_state *state, PyObject *keyword) {
    PyObject *name = Py_XNewRef(PyDict_GetItemWithError(state->keywords, keyword));
    if (name != NULL || PyErr_Occurred() != NULL) {
        return name;
    }
    name = PyObject_CallMethod(keyword, "replace", "ss", "_", "-");
    /* A program has only so many keywords; what comes from elsewhere must not fill the memory. Nor is a str with code of its
     * own kept for everybody. */
    if (name != NULL && PyUnicode_CheckExact(keyword) && PyUnicode_CheckExact(name) &&
        PyDict_GET_SIZE(state->keywords) < KEYWORDS_MAX && PyDict_SetItem(state->keywords, keyword, name) < 0) {
        Py_CLEAR(name);
    }
    return name;
}

int rsec_py_packet_add_keyword(rsec_py_packet *self, PyObject *keyword, PyObject *value) {
    PyObject *name = name_of_keyword(self->state, keyword);
    int rc = name != NULL ? rsec_py_packet_add(self, name, value) : -1;
    Py_XDECREF(name);
    return rc;
}

static int add_keywords(rsec_py_packet *self, PyObject *attributes) {
    PyObject *keyword, *value;
    Py_ssize_t pos = 0;
    int rc = 0;
    while (rc == 0 && PyDict_Next(attributes, &pos, &keyword, &value)) {
        Py_INCREF(keyword); /* a value's own code may change the dict */
        Py_INCREF(value);
        rc = rsec_py_packet_add_keyword(self, keyword, value);
        Py_DECREF(keyword);
        Py_DECREF(value);
    }
    return rc;
}

/* Takes `name` out of the keywords: new reference in *value, or NULL when it is not there. */
static int take_keyword(PyObject *keywords, PyObject *name, PyObject **value) {
    *value = Py_XNewRef(PyDict_GetItemWithError(keywords, name));
    return *value != NULL ? PyDict_DelItem(keywords, name) : PyErr_Occurred() != NULL ? -1 : 0;
}

PyDoc_STRVAR(
    setup_doc,
    "_setup(code, id, secret, authenticator, radius_version, attributes)\n--\n\n"
    "What the constructors of pyradsec.packet share: checks secret (bytes) and authenticator (bytes or None),\n"
    "takes dict, packet, message_authenticator and fd out of `attributes` and adds the others. A radius_version there\n"
    "stands above the argument.");

static PyObject *packet_setup(PyObject *op, PyObject *const *args, Py_ssize_t num) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    rsec_py_state *state = self->state;
    PyObject *dictionary = NULL, *raw = NULL, *flag = NULL, *fd = NULL, *version = NULL, *done = NULL;
    if (num != 6 || !PyDict_Check(args[5])) {
        return PyErr_Format(PyExc_TypeError, "_setup takes 5 arguments and a dict");
    }
    PyObject *secret = args[2], *authenticator = args[3], *attributes = args[5];
    if (!PyBytes_Check(secret)) {
        return PyErr_Format(PyExc_TypeError, "secret: expected bytes, found %.100s", Py_TYPE(secret)->tp_name);
    }
    if (authenticator != Py_None && !PyBytes_Check(authenticator)) {
        return PyErr_Format(PyExc_TypeError, "authenticator: expected bytes or None, found %.100s",
                            Py_TYPE(authenticator)->tp_name);
    }
    if (take_keyword(attributes, state->name_dict, &dictionary) < 0 ||
        take_keyword(attributes, state->name_packet, &raw) < 0 ||
        take_keyword(attributes, state->name_message_authenticator, &flag) < 0 ||
        take_keyword(attributes, state->name_fd, &fd) < 0 ||
        take_keyword(attributes, state->name_radius_version, &version) < 0) {
        goto failed;
    }
    Py_XSETREF(self->code, Py_NewRef(args[0]));
    Py_XSETREF(self->id, Py_NewRef(args[1]));
    Py_XSETREF(self->secret, Py_NewRef(secret));
    Py_XSETREF(self->authenticator, Py_NewRef(authenticator));
    Py_XSETREF(self->radius_version, Py_NewRef(version != NULL ? version : args[4]));
    if (dictionary != NULL) {
        Py_XSETREF(self->dict, Py_NewRef(dictionary));
    }
    if (raw != NULL && raw != Py_None) {
        if (!PyBytes_Check(raw)) {
            PyErr_Format(PyExc_TypeError, "packet: expected bytes, found %.100s", Py_TYPE(raw)->tp_name);
            goto failed;
        }
        if (rsec_py_packet_adopt(self, raw) < 0) {
            goto failed;
        }
    }
    if (flag != NULL) {
        Py_XSETREF(self->message_authenticator, Py_NewRef(flag));
    }
    done = add_keywords(self, attributes) == 0 ? Py_NewRef(Py_None) : NULL;
failed:
    Py_XDECREF(dictionary);
    Py_XDECREF(raw);
    Py_XDECREF(flag);
    Py_XDECREF(fd);
    Py_XDECREF(version);
    return done;
}

PyDoc_STRVAR(
    decode_doc,
    "decode_packet(packet)\n--\n\n"
    "Takes code, id, authenticator and attributes from the octets of one whole packet (20 to 4096 octets; RFC 2865\n"
    "§3). With radius_version V1_1 the token takes the place of id and authenticator, and a Message-Authenticator is\n"
    "left out (RFC 9765 §4.1, §5.2). What the packet held before is gone. PacketError when they are not one.");

static PyObject *packet_decode(PyObject *op, PyObject *const *args, Py_ssize_t num, PyObject *names) {
    static const char *const argument_names[] = {"packet"};
    static const rsec_py_signature signature = {"decode_packet", argument_names, 1, 1};
    PyObject *raw;
    if (rsec_py_arguments_take(&signature, args, num, names, &raw) < 0) {
        return NULL;
    }
    if (!PyBytes_Check(raw)) {
        return PyErr_Format(PyExc_TypeError, "packet: expected bytes, found %.100s", Py_TYPE(raw)->tp_name);
    }
    return rsec_py_packet_adopt((rsec_py_packet *)op, raw) == 0 ? Py_NewRef(Py_None) : NULL;
}

/* --- attributes of the object --- */

PyObject *rsec_py_packet_authenticator(rsec_py_packet *self) {
    if (self->authenticator == NULL) {
        self->authenticator = PyBytes_FromStringAndSize(PyBytes_AS_STRING(self->raw_packet) + 4,
                                                        RSEC_AUTHENTICATOR_LEN);
    }
    return Py_XNewRef(self->authenticator);
}

static PyObject *get_authenticator(PyObject *op, void *closure) {
    (void)closure;
    return rsec_py_packet_authenticator((rsec_py_packet *)op);
}

static int set_authenticator(PyObject *op, PyObject *value, void *closure) {
    (void)closure;
    Py_XSETREF(((rsec_py_packet *)op)->authenticator, Py_NewRef(value != NULL ? value : Py_None));
    return 0;
}

static PyObject *get_raw_packet(PyObject *op, void *closure) {
    (void)closure;
    return Py_NewRef(((rsec_py_packet *)op)->raw_packet);
}

/* What has not been read yet is taken out of the octets received before they are let go. */
static int set_raw_packet(PyObject *op, PyObject *value, void *closure) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    (void)closure;
    PyObject *authenticator = rsec_py_packet_materialise(self) == 0 ? rsec_py_packet_authenticator(self) : NULL;
    if (authenticator == NULL) {
        return -1;
    }
    Py_DECREF(authenticator);
    Py_SETREF(self->raw_packet, Py_NewRef(value != NULL ? value : Py_None));
    return 0;
}

int rsec_py_code(PyObject *number, uint8_t *code) {
    long value = number != NULL ? PyLong_AsLong(number) : -1;
    if (PyErr_Occurred() != NULL) {
        return -1;
    }
    if (value < 0 || value > 255) {
        PyErr_Format(PyExc_ValueError, "code: expected 0 to 255, found %ld", value);
        return -1;
    }
    *code = (uint8_t)value;
    return 0;
}

int rsec_py_packet_code_of(rsec_py_packet *self, uint8_t *code) {
    return rsec_py_code(self->code, code);
}

int rsec_py_packet_keys(rsec_py_packet *self, rsec_view *secret, rsec_view *authenticator) {
    PyObject *octets = rsec_py_packet_authenticator(self);
    if (octets == Py_None) {
        uint8_t random[RSEC_AUTHENTICATOR_LEN];
        Py_DECREF(octets);
        if (RAND_bytes(random, sizeof random) != 1) {
            PyErr_SetString(PyExc_RuntimeError, "no random octets for the authenticator");
            return -1;
        }
        octets = PyBytes_FromStringAndSize((char *)random, sizeof random);
        if (octets != NULL) { /* NULL would say that it is in the octets received */
            Py_XSETREF(self->authenticator, Py_NewRef(octets));
        }
    }
    if (octets == NULL) {
        return -1;
    }
    Py_DECREF(octets); /* the packet keeps it */
    if (!PyBytes_Check(octets) || self->secret == NULL || !PyBytes_Check(self->secret)) {
        PyErr_SetString(PyExc_TypeError, "secret and authenticator have to be bytes");
        return -1;
    }
    *authenticator = rsec_py_bytes_view(octets);
    *secret = rsec_py_bytes_view(self->secret);
    return 0;
}

static int packet_traverse(PyObject *op, visitproc visit, void *arg) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->code);
    Py_VISIT(self->id);
    Py_VISIT(self->secret);
    Py_VISIT(self->authenticator);
    Py_VISIT(self->radius_version);
    Py_VISIT(self->token);
    Py_VISIT(self->request_authenticator);
    Py_VISIT(self->original_code);
    Py_VISIT(self->message_authenticator);
    Py_VISIT(self->raw_packet);
    Py_VISIT(self->dict);
    Py_VISIT(self->store);
    Py_VISIT(self->obfuscated);
    Py_VISIT(self->peer); /* a Peer refers to nothing, but anything may be assigned */
    return 0;
}

static int packet_clear(PyObject *op) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    Py_CLEAR(self->code);
    Py_CLEAR(self->id);
    Py_CLEAR(self->secret);
    Py_CLEAR(self->authenticator);
    Py_CLEAR(self->radius_version);
    Py_CLEAR(self->token);
    Py_CLEAR(self->request_authenticator);
    Py_CLEAR(self->original_code);
    Py_CLEAR(self->message_authenticator);
    Py_CLEAR(self->raw_packet);
    Py_CLEAR(self->dict);
    Py_CLEAR(self->store);
    Py_CLEAR(self->obfuscated);
    Py_CLEAR(self->peer);
    return 0;
}

static void packet_dealloc(PyObject *op) {
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, packet_dealloc) /* packets that hold one another in a long chain */
        (void) packet_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END
}

static PyMemberDef packet_members[] = {
    {"code", T_OBJECT, offsetof(rsec_py_packet, code), 0, "Packet code (RFC 2865 §4)."},
    {"id", T_OBJECT, offsetof(rsec_py_packet, id), 0, "Identifier, 0 to 255."},
    {"secret", T_OBJECT, offsetof(rsec_py_packet, secret), 0, "Shared secret, bytes."},
    {"radius_version", T_OBJECT, offsetof(rsec_py_packet, radius_version), 0, "RadiusVersion."},
    {"token", T_OBJECT, offsetof(rsec_py_packet, token), 0, "4 octets of RADIUS/1.1, or None."},
    {"request_authenticator", T_OBJECT, offsetof(rsec_py_packet, request_authenticator), 0,
     "On a reply: the authenticator of its request, for salted attributes."},
    {"original_code", T_OBJECT, offsetof(rsec_py_packet, original_code), 0, "On a reply: the code of its request."},
    {"message_authenticator", T_OBJECT, offsetof(rsec_py_packet, message_authenticator), 0,
     "True: signed with a Message-Authenticator when serialised."},
    {"_obfuscated", T_OBJECT, offsetof(rsec_py_packet, obfuscated), 0,
     "What set_obfuscated() was given: dict name -> list of clear values, or None."},
    {"peer", T_OBJECT, offsetof(rsec_py_packet, peer), 0,
     "The Peer that sent it, where a server received it; else None."},
    {"dict", T_OBJECT_EX, offsetof(rsec_py_packet, dict), 0, "The Dictionary; missing when none was given."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef packet_getset[] = {
    {"authenticator", get_authenticator, set_authenticator,
     "Request Authenticator, bytes or None; on a reply, that of its request.", NULL},
    {"raw_packet", get_raw_packet, set_raw_packet, "The octets received, or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef packet_own_methods[] = {
    {"_setup", (PyCFunction)(void (*)(void))packet_setup, METH_FASTCALL, setup_doc},
    {"decode_packet", (PyCFunction)(void (*)(void))packet_decode, METH_FASTCALL | METH_KEYWORDS, decode_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(packet_doc, "What the packet classes of pyradsec.packet share: attributes, encoding, decoding, signing.");

static PyType_Slot packet_slots[] = {
    {Py_tp_doc, (void *)packet_doc},
    {Py_tp_new, packet_new},
    {Py_tp_dealloc, packet_dealloc},
    {Py_tp_traverse, packet_traverse},
    {Py_tp_clear, packet_clear},
    {Py_tp_members, packet_members},
    {Py_tp_getset, packet_getset},
    {Py_tp_methods, packet_own_methods},
    {Py_tp_iter, rsec_py_packet_iter},
    {Py_tp_richcompare, rsec_py_packet_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_mp_length, rsec_py_packet_length},
    {Py_mp_subscript, rsec_py_packet_subscript},
    {Py_mp_ass_subscript, rsec_py_packet_ass_subscript},
    {Py_sq_contains, rsec_py_packet_contains},
    {0, NULL},
};

static PyType_Spec packet_spec = {
    .name = "pyradsec._core.PacketBase",
    .basicsize = sizeof(rsec_py_packet),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_MAPPING,
    .slots = packet_slots,
};

/* Adds `methods` to the type: its methods are written in several files, one per noun. */
static int add_methods(PyTypeObject *type, PyMethodDef *methods) {
    for (; methods->ml_name != NULL; methods++) {
        PyObject *descr = PyDescr_NewMethod(type, methods);
        int rc = descr != NULL ? PyObject_SetAttrString((PyObject *)type, methods->ml_name, descr) : -1;
        Py_XDECREF(descr);
        if (rc < 0) {
            return -1;
        }
    }
    return 0;
}

int rsec_py_packet_register(PyObject *module, rsec_py_state *state) {
    state->packet_base = (PyTypeObject *)PyType_FromModuleAndSpec(module, &packet_spec, NULL);
    if (state->packet_base == NULL || add_methods(state->packet_base, rsec_py_packet_map_methods) < 0 ||
        add_methods(state->packet_base, rsec_py_packet_obfuscated_methods) < 0 ||
        add_methods(state->packet_base, rsec_py_packet_wire_methods) < 0 ||
        add_methods(state->packet_base, rsec_py_packet_avp_methods) < 0 ||
        add_methods(state->packet_base, rsec_py_packet_check_methods) < 0 ||
        add_methods(state->packet_base, rsec_py_packet_reply_methods) < 0) {
        return -1;
    }
    state->reply_packet = PyObject_GetAttr((PyObject *)state->packet_base, state->name_reply_packet);
    if (state->reply_packet == NULL || PyModule_AddFunctions(module, rsec_py_packet_parse_functions) < 0) {
        return -1;
    }
    return PyModule_AddType(module, state->packet_base);
}
