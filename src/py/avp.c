/* Attributes one by one: packet.attributes() and its items (RFC 2865 §5).
 *
 * Plain and vendor attributes are read off the octets in the order of the wire. Attributes that the dictionary knows to hold
 * others, to be joined or to be cut up are taken from the store, which has done that, at the place of their first octets.
 */
#include "py/packet_values.h" /* Python.h comes before every system header */

#include <string.h>
#include <structmember.h>

enum { VENDOR_MICROSOFT = 311, EVS_KEY_LEN = 4 };

typedef struct {
    PyObject_HEAD rsec_py_packet *packet; /* whose dictionary, secret and authenticator the value is decoded with */
    rsec_py_attribute *attribute;         /* what the dictionary says, or NULL */
    PyObject *name, *key, *octets, *vendor, *tag, *offset;
    char is_secret;
} py_avp;

/* What the items are made for: the packet, its dictionary, the items so far. */
typedef struct {
    rsec_py_packet *packet;
    rsec_view attrs; /* all attributes of the packet */
    rsec_py_tables tables;
    PyObject *items; /* list */
    PyObject *done;  /* set of the keys that were taken from the store */
} walk_state;

/* --- what people may see --- */

/* Whether a key of the top level or of a vendor holds a password, a key, or what one can be guessed from. */
static bool is_secret_number(unsigned long vendor, unsigned long type) {
    if (vendor == 0) {
        return type == RSEC_ATTR_USER_PASSWORD || type == RSEC_ATTR_CHAP_PASSWORD || type == 69 /* Tunnel-Password */ ||
               type == 70 /* ARAP-Password */;
    }
    if (vendor != VENDOR_MICROSOFT) {
        return false;
    }
    switch (type) { /* RFC 2548 */
    case 1:         /* MS-CHAP-Response */
    case 3:         /* MS-CHAP-CPW-1 */
    case 4:         /* MS-CHAP-CPW-2 */
    case 5:         /* MS-CHAP-LM-Enc-PW */
    case 6:         /* MS-CHAP-NT-Enc-PW */
    case 12:        /* MS-CHAP-MPPE-Keys */
    case 16:        /* MS-MPPE-Send-Key */
    case 17:        /* MS-MPPE-Recv-Key */
    case 25:        /* MS-CHAP2-Response */
    case 27:        /* MS-CHAP2-CPW */
        return true;
    default:
        return false;
    }
}

static bool is_secret_key(PyObject *key) {
    bool is_vendor = PyTuple_Check(key) && PyTuple_GET_SIZE(key) == 2;
    PyObject *type = is_vendor ? PyTuple_GET_ITEM(key, 1) : key;
    if (!PyLong_Check(type) || (is_vendor && !PyLong_Check(PyTuple_GET_ITEM(key, 0)))) {
        return false;
    }
    int overflow = 0, vendor_overflow = 0;
    long number = PyLong_AsLongAndOverflow(type, &overflow);
    long vendor = is_vendor ? PyLong_AsLongAndOverflow(PyTuple_GET_ITEM(key, 0), &vendor_overflow) : 0;
    return overflow == 0 && vendor_overflow == 0 && number >= 0 && vendor >= (is_vendor ? 1 : 0) &&
           is_secret_number((unsigned long)vendor, (unsigned long)number);
}

/* Whether it is a whole Vendor-Specific of Microsoft's, which nobody has looked into. */
static bool is_secret_vendor(PyObject *key, rsec_view octets) {
    return PyLong_CheckExact(key) && PyLong_AsLong(key) == RSEC_ATTR_VENDOR_SPECIFIC && octets.len >= 4 &&
           rsec_get_u32(octets.ptr) == VENDOR_MICROSOFT;
}

/* --- making items --- */

/* The tag that the octets carry (RFC 2868 §3.1), or -1. */
static int tag_of(const rsec_py_attribute *attribute, rsec_view octets) {
    if (attribute == NULL || !attribute->has_tag || octets.len == 0 || octets.ptr[0] > RSEC_PY_TAG_MAX) {
        return -1;
    }
    return octets.ptr[0];
}

/* Appends an item. `attribute` may be NULL; `vendor` is 0 for none. All are borrowed. */
static int add_item(const walk_state *walk, PyObject *key, rsec_py_attribute *attribute, unsigned long vendor,
                    PyObject *octets, size_t offset) {
    PyTypeObject *type = walk->packet->state->avp_type;
    py_avp *item = (py_avp *)type->tp_alloc(type, 0);
    if (item == NULL) {
        return -1;
    }
    int tag = tag_of(attribute, rsec_py_bytes_view(octets));
    item->packet = (rsec_py_packet *)Py_NewRef((PyObject *)walk->packet);
    item->attribute = (rsec_py_attribute *)Py_XNewRef((PyObject *)attribute);
    item->name = Py_NewRef(attribute != NULL && attribute->name != NULL ? attribute->name : Py_None);
    item->key = Py_NewRef(key);
    item->octets = Py_NewRef(octets);
    item->vendor = vendor != 0 ? PyLong_FromUnsignedLong(vendor) : Py_NewRef(Py_None);
    item->tag = tag >= 0 ? PyLong_FromLong(tag) : Py_NewRef(Py_None);
    item->offset = PyLong_FromSize_t(offset);
    bool is_secret = (attribute != NULL && attribute->encrypt != 0) || is_secret_key(key) ||
                     is_secret_vendor(key, rsec_py_bytes_view(octets));
    item->is_secret = is_secret ? 1 : 0;
    int rc = item->vendor != NULL && item->tag != NULL && item->offset != NULL
                 ? PyList_Append(walk->items, (PyObject *)item)
                 : -1;
    Py_DECREF(item);
    return rc;
}

/* The octets of an element of the store: clear text of a password is hidden, as it would be sent. New reference. */
static PyObject *octets_of(rsec_py_packet *packet, PyObject *element) {
    if (PyUnicode_Check(element)) {
        return PyObject_CallMethod((PyObject *)packet, "_pw_crypt", "O", element);
    }
    if (!PyBytes_Check(element)) {
        return PyErr_Format(PyExc_TypeError, "expected bytes in the packet, found %.100s", Py_TYPE(element)->tp_name);
    }
    return Py_NewRef(element);
}

/* The key of a leaf: one number by itself, more as a tuple. New reference. */
static PyObject *key_of_path(PyObject *path) {
    return PyTuple_GET_SIZE(path) == 1 ? Py_NewRef(PyTuple_GET_ITEM(path, 0)) : Py_NewRef(path);
}

/* `path` and one number more; new reference. */
static PyObject *path_to(PyObject *path, PyObject *number) {
    PyObject *longer = PyTuple_New(PyTuple_GET_SIZE(path) + 1);
    for (Py_ssize_t i = 0; longer != NULL && i < PyTuple_GET_SIZE(path); i++) {
        PyTuple_SET_ITEM(longer, i, Py_NewRef(PyTuple_GET_ITEM(path, i)));
    }
    if (longer != NULL) {
        PyTuple_SET_ITEM(longer, PyTuple_GET_SIZE(path), Py_NewRef(number));
    }
    return longer;
}

/* What the dictionary says about sub-attribute `number` of `parent`, which may be NULL: 1 and a new reference, 0 and NULL, -1. */
static int look_up_sub(const walk_state *walk, const rsec_py_attribute *parent, PyObject *number,
                       rsec_py_attribute **attribute) {
    int overflow = 0;
    long code = PyLong_Check(number) ? PyLong_AsLongAndOverflow(number, &overflow) : -1;
    if (code < 0 || overflow != 0) {
        *attribute = NULL;
        return 0;
    }
    return rsec_py_tables_inside(&walk->tables, parent, code, attribute);
}

static int add_stored(const walk_state *walk, PyObject *path, rsec_py_attribute *attribute, unsigned long vendor,
                      PyObject *stored, size_t offset);

static int add_container(const walk_state *walk, PyObject *path, const rsec_py_attribute *attribute,
                         unsigned long vendor, PyObject *stored, size_t offset) {
    PyObject *number, *inner;
    Py_ssize_t pos = 0;
    int rc = 0;
    while (rc == 0 && PyDict_Next(stored, &pos, &number, &inner)) {
        PyObject *longer = NULL;
        rsec_py_attribute *sub = NULL;
        Py_INCREF(number);
        Py_INCREF(inner);
        rc = look_up_sub(walk, attribute, number, &sub);
        if (rc >= 0) {
            longer = path_to(path, number);
            rc = longer != NULL ? add_stored(walk, longer, sub, vendor, inner, offset) : -1;
        }
        Py_XDECREF(longer);
        Py_XDECREF((PyObject *)sub);
        Py_DECREF(number);
        Py_DECREF(inner);
    }
    return rc;
}

/* Appends the items for what the store holds under `path`: a list of octets, or a dict of what a container holds. */
static int add_stored(const walk_state *walk, PyObject *path, rsec_py_attribute *attribute, unsigned long vendor,
                      PyObject *stored, size_t offset) {
    if (PyDict_Check(stored)) {
        if (Py_EnterRecursiveCall(" in the attributes of a packet") != 0) { /* a dict may have been put into itself */
            return -1;
        }
        int rc = add_container(walk, path, attribute, vendor, stored, offset);
        Py_LeaveRecursiveCall();
        return rc;
    }
    if (!PyList_Check(stored)) {
        PyErr_Format(PyExc_TypeError, "attribute %R: expected a list of bytes in the packet, found %.100s", path,
                     Py_TYPE(stored)->tp_name);
        return -1;
    }
    PyObject *key = key_of_path(path);
    int rc = 0;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(stored); i++) {
        PyObject *element = Py_NewRef(PyList_GET_ITEM(stored, i));
        PyObject *octets = octets_of(walk->packet, element);
        rc = octets != NULL ? add_item(walk, key, attribute, vendor, octets, offset) : -1;
        Py_XDECREF(octets);
        Py_DECREF(element);
    }
    Py_DECREF(key);
    return rc;
}

/* --- from the store --- */

static bool is_container(const rsec_py_attribute *attribute) {
    return attribute != NULL && rsec_py_attribute_is_container(attribute);
}

/* Appends the vendors' attributes that are kept flat under (wrapper, slot, vendor, type) (RFC 6929 §2.4). 1 when there are
 * some, 0, -1. */
static int add_extended_vendors(const walk_state *walk, PyObject *wrapper, PyObject *store, size_t offset) {
    PyObject *key, *stored;
    Py_ssize_t pos = 0;
    int found = 0;
    while (found >= 0 && PyDict_Next(store, &pos, &key, &stored)) {
        if (!PyTuple_Check(key) || PyTuple_GET_SIZE(key) != EVS_KEY_LEN) {
            continue;
        }
        Py_INCREF(key); /* comparing may run code that changes the store */
        Py_INCREF(stored);
        int is_its = PyObject_RichCompareBool(PyTuple_GET_ITEM(key, 0), wrapper, Py_EQ);
        if (is_its <= 0) {
            Py_DECREF(stored);
            Py_DECREF(key);
            found = is_its < 0 ? -1 : found;
            continue;
        }
        unsigned long vendor = PyLong_Check(PyTuple_GET_ITEM(key, 2))
                                   ? PyLong_AsUnsignedLongMask(PyTuple_GET_ITEM(key, 2))
                                   : 0;
        rsec_py_attribute *attribute;
        int rc = rsec_py_tables_at(&walk->tables, key, &attribute);
        rc = rc >= 0 ? add_stored(walk, key, attribute, vendor, stored, offset) : rc;
        Py_XDECREF((PyObject *)attribute);
        Py_DECREF(stored);
        Py_DECREF(key);
        found = rc < 0 ? -1 : 1;
    }
    return found;
}

/* Appends what the store has made of the attribute under `key`, once: what a container holds, what was joined or cut up. 1
 * when that is done, 0 when the octets of the wire are all there is, -1. */
static int add_from_store(const walk_state *walk, PyObject *key, rsec_py_attribute *attribute, unsigned long vendor,
                          bool continues, size_t offset) {
    if (!is_container(attribute) && !continues && (attribute == NULL || (!attribute->concat && !attribute->array))) {
        return 0;
    }
    int is_done = PySet_Contains(walk->done, key);
    if (is_done != 0 || rsec_py_packet_materialise(walk->packet) < 0) {
        return is_done != 0 ? is_done : -1;
    }
    PyObject *store = Py_NewRef(walk->packet->store);
    PyObject *stored = Py_XNewRef(PyDict_GetItemWithError(store, key));
    int found = stored == NULL && PyErr_Occurred() != NULL ? -1 : 0;
    if (stored != NULL && (PyDict_Check(stored) || !is_container(attribute))) {
        PyObject *path = PyTuple_Check(key) ? Py_NewRef(key) : PyTuple_Pack(1, key);
        found = path != NULL && add_stored(walk, path, attribute, vendor, stored, offset) == 0 ? 1 : -1;
        Py_XDECREF(path);
    }
    if (found >= 0 && vendor == 0 && is_container(attribute)) {
        int more = add_extended_vendors(walk, key, store, offset);
        found = more < 0 ? -1 : (found | more);
    }
    Py_XDECREF(stored);
    Py_DECREF(store);
    return found == 1 && PySet_Add(walk->done, key) < 0 ? -1 : found;
}

/* Appends the attribute under `key` with `octets` at `offset` of the packet. `key` is a new reference, taken over. */
static int add_attribute(const walk_state *walk, PyObject *key, unsigned long vendor, bool continues, rsec_view octets,
                         size_t offset) {
    rsec_py_attribute *attribute = NULL;
    int rc = key != NULL ? rsec_py_tables_at(&walk->tables, key, &attribute) : -1;
    int found = rc >= 0 ? add_from_store(walk, key, attribute, vendor, continues, offset) : -1;
    if (found == 0) {
        PyObject *bytes = rsec_py_bytes(octets);
        rc = bytes != NULL ? add_item(walk, key, attribute, vendor, bytes, offset) : -1;
        Py_XDECREF(bytes);
    }
    Py_XDECREF((PyObject *)attribute);
    Py_XDECREF(key);
    return found < 0 || rc < 0 ? -1 : 0;
}

/* --- vendors --- */

/* Appends the attributes in a Vendor-Specific one; all of it as it is where the store keeps it so: without a dictionary, and
 * when they do not fill it exactly. */
static int add_vendor(const walk_state *walk, rsec_view octets, size_t offset) {
    rsec_vendor_format format;
    rsec_vendor_part part;
    rsec_view data = octets.len > 4 ? rsec_view_part(octets, 4, octets.len - 4) : rsec_view_of(NULL, 0);
    uint32_t vendor = data.len > 0 ? rsec_get_u32(octets.ptr) : 0;
    if (data.len > 0 && rsec_py_vendor_format(walk->packet, vendor, &format) < 0) {
        return -1;
    }
    if (data.len == 0 || walk->tables.names == NULL || !rsec_vendor_divides(data, format) ||
        (format.has_more && !rsec_vendor_check(walk->attrs, vendor, format))) {
        return add_attribute(walk, PyLong_FromLong(RSEC_ATTR_VENDOR_SPECIFIC), 0, false, octets, offset);
    }
    rsec_vendor_walk parts = {data, 0, format};
    int rc = 0;
    while (rc == 0 && rsec_vendor_next(&parts, &part) == RSEC_OK) {
        PyObject *key = Py_BuildValue("(kk)", (unsigned long)vendor, (unsigned long)part.type);
        rc = add_attribute(walk, key, vendor, format.has_more, part.value,
                           offset + RSEC_ATTR_HEADER_LEN + 4 + part.off);
    }
    return rc;
}

/* --- the walk --- */

PyDoc_STRVAR(
    attributes_doc,
    "attributes()\n--\n\n"
    "A list with one AVP for each attribute, in the order of the wire: of the octets received, or of those that would be\n"
    "sent when the packet was built or changed. Attributes inside a Vendor-Specific one are listed by themselves, so are\n"
    "the leaves of containers (RFC 6929), each with its path as the key. A value that goes over several attributes, such\n"
    "as EAP-Message, is one item. Nothing is decoded before it is asked for.\n\n"
    "A Message-Authenticator that is still to be signed reads as zeros. A packet that does not serialise raises what\n"
    "serialising it would: PacketError, ValueError, TypeError.");

static PyObject *packet_attributes(PyObject *op, PyObject *unused) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    (void)unused;
    walk_state walk = {.packet = self, .items = PyList_New(0), .done = PySet_New(NULL)};
    PyObject *raw = walk.items != NULL && walk.done != NULL ? rsec_py_packet_octets(self) : NULL;
    if (raw != NULL && rsec_py_tables_open(self->state, self->dict, &walk.tables) < 0) {
        Py_CLEAR(raw);
    }
    PyObject *seen = NULL;
    if (raw != NULL && self->obfuscated != NULL && self->obfuscated != Py_None) {
        seen = rsec_py_packet_over(self, raw); /* what set_obfuscated() was given is in no store but the octets' */
        walk.packet = (rsec_py_packet *)seen;
    }
    int rc = raw != NULL && walk.packet != NULL ? 0 : -1;
    bool is_v11 = rsec_py_packet_is_v11(self);
    if (raw != NULL) {
        walk.attrs = rsec_packet_attrs(rsec_py_bytes_view(raw));
    }
    rsec_attr_walk attrs = rsec_attr_walk_of(walk.attrs);
    rsec_attr attr;
    while (rc == 0 && rsec_attr_next(&attrs, &attr) == RSEC_OK) {
        size_t offset = RSEC_HEADER_LEN + attr.off;
        if (attr.type == RSEC_ATTR_VENDOR_SPECIFIC) {
            rc = add_vendor(&walk, attr.value, offset);
        } else if (attr.type != RSEC_ATTR_MESSAGE_AUTHENTICATOR || !is_v11) { /* V11-3 */
            rc = add_attribute(&walk, PyLong_FromLong(attr.type), 0, false, attr.value, offset);
        }
    }
    if (rc < 0) {
        Py_CLEAR(walk.items);
    }
    Py_XDECREF(raw);
    Py_XDECREF(seen);
    rsec_py_tables_close(&walk.tables);
    Py_XDECREF(walk.done);
    return walk.items;
}

PyMethodDef rsec_py_packet_avp_methods[] = {
    {"attributes", packet_attributes, METH_NOARGS, attributes_doc},
    {NULL, NULL, 0, NULL},
};

/* --- decoding --- */

static PyObject *avp_value(PyObject *op, void *closure) {
    py_avp *self = (py_avp *)op;
    (void)closure;
    if (self->attribute == NULL || rsec_py_attribute_is_container(self->attribute)) {
        return Py_NewRef(self->octets);
    }
    return rsec_py_value_decode(self->packet, self->attribute, RSEC_PY_NO_TAG, rsec_py_bytes_view(self->octets));
}

static PyObject *avp_is_secret(PyObject *op, void *closure) {
    (void)closure;
    return PyBool_FromLong(((py_avp *)op)->is_secret);
}

static PyObject *avp_repr(PyObject *op) {
    py_avp *self = (py_avp *)op;
    PyObject *label = self->name != Py_None ? self->name : self->key;
    PyObject *offset = self->offset;
    if (self->is_secret) {
        return PyUnicode_FromFormat("<AVP %S <hidden> at octet %S>", label, offset);
    }
    PyObject *value = avp_value(op, NULL);
    if (value == NULL && PyErr_ExceptionMatches(PyExc_Exception) && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear(); /* what does not decode is shown as it is */
        value = Py_NewRef(self->octets);
    }
    PyObject *text = value != NULL ? PyUnicode_FromFormat("<AVP %S %R at octet %S>", label, value, offset) : NULL;
    Py_XDECREF(value);
    return text;
}

/* --- the type --- */

static int avp_traverse(PyObject *op, visitproc visit, void *arg) {
    py_avp *self = (py_avp *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->packet);
    Py_VISIT(self->attribute);
    Py_VISIT(self->name);
    Py_VISIT(self->key);
    return 0;
}

static int avp_clear(PyObject *op) {
    py_avp *self = (py_avp *)op;
    Py_CLEAR(self->packet);
    Py_CLEAR(self->attribute);
    Py_CLEAR(self->name);
    Py_CLEAR(self->key);
    Py_CLEAR(self->octets);
    Py_CLEAR(self->vendor);
    Py_CLEAR(self->tag);
    Py_CLEAR(self->offset);
    return 0;
}

static void avp_dealloc(PyObject *op) {
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)avp_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMemberDef avp_members[] = {
    {"name", T_OBJECT, offsetof(py_avp, name), READONLY, "The dictionary's name, or None."},
    {"key", T_OBJECT, offsetof(py_avp, key), READONLY,
     "The storage key: the number, (vendor, number), or the path of numbers to a leaf of a container."},
    {"octets", T_OBJECT, offsetof(py_avp, octets), READONLY, "The value's octets as they are in the packet, bytes."},
    {"vendor", T_OBJECT, offsetof(py_avp, vendor), READONLY, "The vendor's enterprise number, or None."},
    {"tag", T_OBJECT, offsetof(py_avp, tag), READONLY,
     "The tag, 0 to 31, that the octets carry, or None (RFC 2868 §3.1)."},
    {"offset", T_OBJECT, offsetof(py_avp, offset), READONLY,
     "Where the attribute starts in the packet, in octets; the first one starts at 20. For what was joined or lies in a\n"
     "container: where the first attribute of that number starts."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef avp_getset[] = {
    {"value", avp_value, NULL,
     "What the octets stand for, as packet[name] would give it: decoded now, without the tag. Octets where the dictionary\n"
     "has no name. ValueError or PacketError for octets that do not fit the data type or do not decrypt.",
     NULL},
    {"is_secret", avp_is_secret, NULL,
     "Whether it holds a password, a key or the answer to a challenge, which has no place in a log.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(avp_doc,
             "One attribute of a packet, from packet.attributes(). Its value is decoded with the secret and the\n"
             "authenticator that the packet has at that moment.");

static PyType_Slot avp_slots[] = {
    {Py_tp_doc, (void *)avp_doc},   {Py_tp_dealloc, avp_dealloc},
    {Py_tp_traverse, avp_traverse}, {Py_tp_clear, avp_clear},
    {Py_tp_members, avp_members},   {Py_tp_getset, avp_getset},
    {Py_tp_repr, avp_repr},         {0, NULL},
};

static PyType_Spec avp_spec = {
    .name = "pyradsec._core.AVP",
    .basicsize = sizeof(py_avp),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = avp_slots,
};

static PyObject *is_secret(PyObject *module, PyObject *key) {
    (void)module;
    return PyBool_FromLong(is_secret_key(key));
}

static PyMethodDef avp_functions[] = {
    {"is_secret_key", is_secret, METH_O,
     "is_secret_key(key)\n--\n\n"
     "Whether a storage key is that of a password, a key or the answer to a challenge, whatever a dictionary says."},
    {NULL, NULL, 0, NULL},
};

int rsec_py_avp_register(PyObject *module, rsec_py_state *state) {
    state->avp_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &avp_spec, NULL);
    if (state->avp_type == NULL || PyModule_AddFunctions(module, avp_functions) < 0) {
        return -1;
    }
    return PyModule_AddType(module, state->avp_type);
}
