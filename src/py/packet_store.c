/* The store of a packet: what its octets hold, as a dict of storage keys (contract §8.2, §8.5).
 *
 * A container whose octets do not divide into sub-attributes stays octets, under its own key: {241: [b"…"]}, {241: {5: [b"…"]}}.
 * Then all the values of that container do, so that they go out again as they came in.
 */
#include "py/packet.h" /* Python.h comes before every system header */

#include "py/dictionary.h"
#include "wire/container.h"

#include <string.h>

/* What is known of the attributes of one code. */
enum {
    SEEN = 1,      /* it was looked up */
    EXTENDED = 2,  /* they are taken apart as extended attributes */
    LONG = 4,      /* … as long ones */
    FINISH = 8,    /* there is something to do when all of them are there: concat, array, tlv */
    FRAGMENTS = 16 /* a value was joined, the fragments behind its first one are passed over */
};

/* A store that is being filled from attributes. */
typedef struct {
    rsec_py_packet *self;
    rsec_py_tables tables;
    rsec_view attrs;
    PyObject *store;   /* owned */
    PyObject *partial; /* dict (vendor, type) -> octets of a value in fragments; NULL: none so far */
    bool knows_vendor; /* what follows is about `vendor` */
    bool divides;      /* its attributes are in fragments, and all of them end */
    uint32_t vendor;
    rsec_vendor_format format;
    uint8_t kinds[256]; /* by code: the bits above */
} filling;

/* Appends `octets` to the list under `key` (a new reference, taken over) in `dict`. */
static int append_octets(PyObject *dict, PyObject *key, rsec_view octets) {
    PyObject *bytes = key != NULL ? rsec_py_bytes(octets) : NULL;
    PyObject *list = bytes != NULL ? PyDict_GetItemWithError(dict, key) : NULL;
    int rc = -1;
    if (list != NULL) {
        rc = PyList_Append(list, bytes);
    } else if (bytes != NULL && PyErr_Occurred() == NULL && (list = PyList_New(1)) != NULL) {
        PyList_SET_ITEM(list, 0, Py_NewRef(bytes));
        rc = PyDict_SetItem(dict, key, list);
        Py_DECREF(list);
    }
    Py_XDECREF(bytes);
    Py_XDECREF(key);
    return rc;
}

/* --- vendor attributes --- */

int rsec_py_vendor_format(rsec_py_packet *self, uint32_t vendor, rsec_vendor_format *format) {
    *format = (rsec_vendor_format){1, 1, false};
    if (self->dict == NULL || self->dict == Py_None) {
        return 0;
    }
    PyObject *formats = rsec_py_dictionary_vendor_formats(self->state, self->dict);
    if (formats == NULL) {
        if (PyErr_ExceptionMatches(PyExc_MemoryError)) {
            return -1;
        }
        PyErr_Clear(); /* a dictionary of some other make: the RFC's own format */
        return 0;
    }
    PyObject *id = NULL, *found = NULL;
    int rc = 0;
    if (PyDict_Check(formats) && PyDict_GET_SIZE(formats) > 0) {
        id = PyLong_FromUnsignedLong(vendor);
        found = id != NULL ? Py_XNewRef(PyDict_GetItemWithError(formats, id)) : NULL;
        rc = PyErr_Occurred() != NULL ? -1 : 0;
    }
    if (found != NULL && PyTuple_Check(found) && PyTuple_GET_SIZE(found) >= 2) {
        long type_len = PyLong_AsLong(PyTuple_GET_ITEM(found, 0));
        long len_len = PyErr_Occurred() == NULL ? PyLong_AsLong(PyTuple_GET_ITEM(found, 1)) : -1;
        int has_more = PyErr_Occurred() == NULL && PyTuple_GET_SIZE(found) >= 3
                           ? PyObject_IsTrue(PyTuple_GET_ITEM(found, 2))
                           : 0;
        bool is_small = type_len >= 0 && type_len <= 4 && len_len >= 0 && len_len <= 2;
        if (PyErr_Occurred() == NULL && is_small) {
            *format = (rsec_vendor_format){(uint8_t)type_len, (uint8_t)len_len, has_more == 1};
        }
        if (PyErr_Occurred() == NULL && (!is_small || !rsec_vendor_format_is_valid(*format))) {
            PyErr_Format(PyExc_ValueError, "format %R of vendor %R: expected widths of 1, 2 or 4 and 0, 1 or 2 octets",
                         found, id);
        }
        rc = PyErr_Occurred() != NULL ? -1 : 0;
    }
    Py_XDECREF(id);
    Py_XDECREF(found);
    Py_DECREF(formats);
    return rc;
}

static PyObject *vendor_key(uint32_t vendor, uint32_t type) {
    return Py_BuildValue("(kk)", (unsigned long)vendor, (unsigned long)type);
}

/* One part of a value in fragments: kept until the last one is there. */
static int append_fragment(filling *at, const rsec_vendor_part *part) {
    PyObject *key = vendor_key(at->vendor, part->type), *octets = rsec_py_bytes(part->value);
    at->partial = at->partial != NULL ? at->partial : PyDict_New();
    if (key == NULL || octets == NULL || at->partial == NULL) {
        Py_XDECREF(key);
        Py_XDECREF(octets);
        return -1;
    }
    PyObject *joined = Py_XNewRef(PyDict_GetItemWithError(at->partial, key));
    if (joined != NULL) {
        PyBytes_ConcatAndDel(&joined, octets);
    } else {
        joined = PyErr_Occurred() == NULL ? Py_NewRef(octets) : NULL;
        Py_DECREF(octets);
    }
    int rc = joined != NULL ? 0 : -1;
    if (rc == 0 && part->more) {
        rc = PyDict_SetItem(at->partial, key, joined);
    } else if (rc == 0) {
        rc = PyDict_Contains(at->partial, key);
        rc = rc == 1 ? PyDict_DelItem(at->partial, key) : rc;
        rc = rc == 0 ? append_octets(at->store, Py_NewRef(key), rsec_py_bytes_view(joined)) : rc;
    }
    Py_XDECREF(joined);
    Py_DECREF(key);
    return rc;
}

/* Looks up how `vendor` writes its attributes, and whether all of those in fragments can be joined. */
static int meet_vendor(filling *at, uint32_t vendor) {
    if (at->knows_vendor && at->vendor == vendor) {
        return 0;
    }
    if (rsec_py_vendor_format(at->self, vendor, &at->format) < 0) {
        return -1;
    }
    at->knows_vendor = true;
    at->vendor = vendor;
    at->divides = at->format.has_more && rsec_vendor_check(at->attrs, vendor, at->format);
    return 0;
}

/* A Vendor-Specific attribute into its parts, or whole under 26 when it does not divide exactly (RFC 2865 §5.26). */
static int store_vendor(filling *at, rsec_view value) {
    bool is_split = false;
    rsec_view data = rsec_view_part(value, 4, value.len - 4);
    if (value.len >= 4 && at->tables.names != NULL) {
        if (meet_vendor(at, rsec_get_u32(value.ptr)) < 0) {
            return -1;
        }
        is_split = at->format.has_more ? at->divides : rsec_vendor_divides(data, at->format);
    }
    if (!is_split) {
        return append_octets(at->store, PyLong_FromLong(RSEC_ATTR_VENDOR_SPECIFIC), value);
    }
    rsec_vendor_walk walk = {data, 0, at->format};
    rsec_vendor_part part;
    int rc = 0;
    while (rc == 0 && rsec_vendor_next(&walk, &part) == RSEC_OK) {
        rc = at->format.has_more ? append_fragment(at, &part)
                                 : append_octets(at->store, vendor_key(at->vendor, part.type), part.value);
    }
    return rc;
}

/* --- extended attributes --- */

/* The octets of an attribute of type evs, under a key of four. */
static int store_evs(filling *at, uint8_t code, uint8_t type, const rsec_evs *evs) {
    PyObject *key = Py_BuildValue("(iiki)", code, type, (unsigned long)evs->vendor, evs->type);
    return append_octets(at->store, key, evs->value);
}

static int store_slot(filling *at, uint8_t code, uint8_t type, rsec_view value) {
    PyObject *key = PyLong_FromLong(code);
    PyObject *slots = key != NULL ? Py_XNewRef(PyDict_GetItemWithError(at->store, key)) : NULL;
    int rc = key != NULL && (slots != NULL || PyErr_Occurred() == NULL) ? 0 : -1;
    if (rc == 0 && slots == NULL) {
        slots = PyDict_New();
        rc = slots != NULL ? PyDict_SetItem(at->store, key, slots) : -1;
    }
    rc = rc == 0 ? append_octets(slots, PyLong_FromLong(type), value) : rc;
    Py_XDECREF(key);
    Py_XDECREF(slots);
    return rc;
}

/* One extended attribute, which is good; `walk` stands behind it. */
static int store_extended(filling *at, const rsec_attr_walk *walk, const rsec_attr *attr) {
    bool is_long = (at->kinds[attr->type] & LONG) != 0;
    rsec_extended part;
    uint8_t joined[RSEC_PACKET_MAX];
    size_t len = sizeof joined;
    if (rsec_extended_read(attr->value, is_long, &part) != RSEC_OK) {
        return 0; /* not so: all of them were checked */
    }
    if ((at->kinds[attr->type] & FRAGMENTS) != 0) {
        at->kinds[attr->type] &= (uint8_t) ~(part.more ? 0 : FRAGMENTS);
        return 0;
    }
    PyObject *key = PyLong_FromLong(attr->type);
    rsec_py_attribute *parent = NULL, *slot = NULL;
    int rc = key != NULL ? rsec_py_tables_at(&at->tables, key, &parent) : -1;
    rc = rc >= 0 ? rsec_py_tables_inside(&at->tables, parent, part.type, &slot) : rc;
    bool is_evs = rc == 1 && slot->type == RSEC_TYPE_EVS;
    Py_XDECREF(key);
    Py_XDECREF(parent);
    Py_XDECREF(slot);
    if (rc < 0) {
        return -1;
    }
    rsec_view value = part.value;
    if (part.more) {
        at->kinds[attr->type] |= FRAGMENTS;
        if (rsec_extended_join(*walk, attr->type, &part, joined, &len) != RSEC_OK) {
            return 0; /* not so, as above */
        }
        value = rsec_view_of(joined, len);
    }
    rsec_evs evs;
    return is_evs && rsec_evs_read(value, &evs) ? store_evs(at, attr->type, part.type, &evs)
                                                : store_slot(at, attr->type, part.type, value);
}

/* --- when everything is there --- */

static bool is_tlv_space(rsec_view octets) {
    rsec_attr_walk walk = rsec_attr_walk_of(octets);
    rsec_attr attr;
    rsec_status status;
    do {
        status = rsec_attr_next(&walk, &attr);
    } while (status == RSEC_OK);
    return status == RSEC_ABSENT;
}

/* The values of an attribute of type tlv as one dict code -> list or dict. 1 and a new reference, 0 when one of them is no
 * sequence of TLVs, -1. `depth` is that of what is inside. */
static int parse_tlv(const rsec_py_tables *tables, const rsec_py_attribute *attribute, PyObject *list, unsigned depth,
                     PyObject **parsed) {
    *parsed = NULL;
    if (depth > RSEC_TLV_DEPTH_MAX) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *octets = PyList_GET_ITEM(list, i);
        if (!PyBytes_Check(octets) || !is_tlv_space(rsec_py_bytes_view(octets))) {
            return 0;
        }
    }
    PyObject *dict = PyDict_New(), *code, *values;
    int rc = dict != NULL ? 0 : -1;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(list); i++) {
        PyObject *octets = Py_NewRef(PyList_GET_ITEM(list, i));
        rsec_attr_walk walk = rsec_attr_walk_of(PyBytes_Check(octets) ? rsec_py_bytes_view(octets)
                                                                      : rsec_view_of("", 0));
        rsec_attr attr;
        while (rc == 0 && rsec_attr_next(&walk, &attr) == RSEC_OK) {
            rc = append_octets(dict, PyLong_FromLong(attr.type), attr.value);
        }
        Py_DECREF(octets);
    }
    Py_ssize_t pos = 0;
    while (rc == 0 && PyDict_Next(dict, &pos, &code, &values)) {
        rsec_py_attribute *inside;
        PyObject *deeper = NULL;
        Py_INCREF(code);
        Py_INCREF(values);
        rc = rsec_py_tables_inside(tables, attribute, PyLong_AsLong(code), &inside);
        if (rc == 1 && inside->type == RSEC_TYPE_TLV) {
            rc = parse_tlv(tables, inside, values, depth + 1, &deeper);
        }
        rc = rc < 0 ? -1 : deeper != NULL ? PyDict_SetItem(dict, code, deeper) : 0;
        Py_XDECREF(deeper);
        Py_XDECREF(inside);
        Py_DECREF(code);
        Py_DECREF(values);
    }
    if (rc < 0) {
        Py_XDECREF(dict);
        return -1;
    }
    *parsed = dict;
    return 1;
}

/* The octets of all elements in one. */
static int join_concat(PyObject *list) {
    PyObject *empty = PyBytes_FromStringAndSize(NULL, 0);
    PyObject *joined = empty != NULL ? PyObject_CallMethod(empty, "join", "O", list) : NULL;
    Py_XDECREF(empty);
    int rc = joined != NULL ? PyList_SetSlice(list, 1, PyList_GET_SIZE(list), NULL) : -1;
    rc = rc == 0 ? PyList_SetItem(list, 0, Py_NewRef(joined)) : rc;
    Py_XDECREF(joined);
    return rc;
}

/* Each element cut into those of `width` octets; one that does not divide stays. */
static int split_array(PyObject *list, size_t width) {
    PyObject *cut = PyList_New(0);
    int rc = cut != NULL ? 0 : -1;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(list); i++) {
        rsec_view octets = rsec_py_bytes_view(PyList_GET_ITEM(list, i));
        size_t step = octets.len > 0 && octets.len % width == 0 ? width : octets.len, off = 0;
        do {
            PyObject *bytes = rsec_py_bytes(rsec_view_part(octets, off, step));
            rc = bytes != NULL ? PyList_Append(cut, bytes) : -1;
            Py_XDECREF(bytes);
            off += step;
        } while (rc == 0 && off < octets.len);
    }
    rc = rc == 0 ? PyList_SetSlice(list, 0, PyList_GET_SIZE(list), cut) : rc;
    Py_XDECREF(cut);
    return rc;
}

/* The slots of an extended attribute that are TLVs. */
static int finish_slots(const rsec_py_tables *tables, const rsec_py_attribute *attribute, PyObject *slots) {
    PyObject *type, *list;
    Py_ssize_t pos = 0;
    int rc = 0;
    while (rc == 0 && PyDict_Next(slots, &pos, &type, &list)) {
        rsec_py_attribute *slot;
        PyObject *parsed = NULL;
        Py_INCREF(type);
        Py_INCREF(list);
        rc = rsec_py_tables_inside(tables, attribute, PyLong_AsLong(type), &slot);
        if (rc == 1 && slot->type == RSEC_TYPE_TLV) {
            rc = parse_tlv(tables, slot, list, 2, &parsed);
        }
        rc = rc < 0 ? -1 : parsed != NULL ? PyDict_SetItem(slots, type, parsed) : 0;
        Py_XDECREF(parsed);
        Py_XDECREF(slot);
        Py_DECREF(type);
        Py_DECREF(list);
    }
    return rc;
}

/* What is under `key` (`value`) into the form that its attribute has in a store. */
static int finish_key(filling *at, PyObject *key, PyObject *value) {
    if (PyLong_Check(key) && (at->kinds[PyLong_AsLong(key)] & FINISH) == 0) {
        return 0;
    }
    rsec_py_attribute *attribute;
    PyObject *parsed = NULL;
    int rc = rsec_py_tables_at(&at->tables, key, &attribute);
    if (rc == 1 && PyDict_Check(value)) {
        rc = finish_slots(&at->tables, attribute, value);
    } else if (rc == 1 && attribute->type == RSEC_TYPE_TLV) {
        rc = parse_tlv(&at->tables, attribute, value, 1, &parsed);
        rc = rc == 1 ? PyDict_SetItem(at->store, key, parsed) : rc;
    } else if (rc == 1 && attribute->concat && PyList_GET_SIZE(value) > 1) {
        rc = join_concat(value);
    } else if (rc == 1 && attribute->array && rsec_py_attribute_width(attribute) > 0) {
        rc = split_array(value, rsec_py_attribute_width(attribute));
    }
    Py_XDECREF(parsed);
    Py_XDECREF(attribute);
    return rc < 0 ? -1 : 0;
}

static int finish(filling *at) {
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    int rc = 0;
    if (at->tables.names == NULL) {
        return 0;
    }
    while (rc == 0 && PyDict_Next(at->store, &pos, &key, &value)) {
        Py_INCREF(key);
        Py_INCREF(value);
        rc = finish_key(at, key, value);
        Py_DECREF(key);
        Py_DECREF(value);
    }
    return rc;
}

/* --- filling --- */

/* Looks up what the attributes of `code` are. */
static int meet_code(filling *at, uint8_t code) {
    PyObject *key = PyLong_FromLong(code);
    rsec_py_attribute *attribute = NULL;
    int rc = key != NULL ? rsec_py_tables_at(&at->tables, key, &attribute) : -1;
    uint8_t kind = SEEN;
    if (rc == 1) {
        bool is_long = attribute->type == RSEC_TYPE_LONG_EXTENDED;
        bool is_extended = is_long || attribute->type == RSEC_TYPE_EXTENDED;
        if (is_extended && rsec_extended_check(at->attrs, code, is_long, NULL) == RSEC_OK) {
            kind |= (uint8_t)(EXTENDED | FINISH | (is_long ? LONG : 0));
        } else if (attribute->type == RSEC_TYPE_TLV || attribute->concat || attribute->array) {
            kind |= FINISH;
        }
    }
    at->kinds[code] = kind;
    Py_XDECREF(key);
    Py_XDECREF(attribute);
    return rc < 0 ? -1 : 0;
}

/* The store of `attrs`, whole attributes; new reference. */
static PyObject *fill(rsec_py_packet *self, rsec_view attrs) {
    filling at = {.self = self, .attrs = attrs, .store = PyDict_New()};
    rsec_attr_walk walk = rsec_attr_walk_of(attrs);
    rsec_attr attr;
    bool has_tables = at.store != NULL && rsec_py_tables_open(self->state, self->dict, &at.tables) == 0;
    bool drops_mac = rsec_py_packet_is_v11(self);
    int rc = has_tables ? 0 : -1;
    while (rc == 0 && rsec_attr_next(&walk, &attr) == RSEC_OK) {
        if (attr.type == RSEC_ATTR_VENDOR_SPECIFIC) {
            rc = store_vendor(&at, attr.value);
            continue;
        }
        if (attr.type == RSEC_ATTR_MESSAGE_AUTHENTICATOR && drops_mac) {
            continue; /* V11-3 */
        }
        if (at.kinds[attr.type] == 0) {
            rc = meet_code(&at, attr.type);
        }
        if (rc == 0) {
            rc = (at.kinds[attr.type] & EXTENDED) != 0
                     ? store_extended(&at, &walk, &attr)
                     : append_octets(at.store, PyLong_FromLong(attr.type), attr.value);
        }
    }
    rc = rc == 0 ? finish(&at) : rc;
    if (has_tables) {
        rsec_py_tables_close(&at.tables);
    }
    Py_XDECREF(at.partial);
    if (rc < 0) {
        Py_CLEAR(at.store);
    }
    return at.store;
}

PyObject *rsec_py_packet_fill(rsec_py_packet *self, PyObject *raw) {
    Py_INCREF(raw); /* a dictionary with code of its own may take it out of the packet meanwhile */
    PyObject *store = fill(self, rsec_packet_attrs(rsec_py_bytes_view(raw)));
    Py_DECREF(raw);
    return store;
}

int rsec_py_packet_materialise(rsec_py_packet *self) {
    if (self->store != NULL) {
        return 0;
    }
    PyObject *store = rsec_py_packet_fill(self, self->raw_packet);
    if (store == NULL) {
        return -1;
    }
    Py_XSETREF(self->store, store);
    return 0;
}

/* --- containers that are kept as octets --- */

/* PacketError for the element of `list` that is no sequence of TLVs: what was expected and found there. */
static int fail_tlv(rsec_py_packet *self, const rsec_py_attribute *attribute, PyObject *list) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *octets = PyList_GET_ITEM(list, i);
        if (!PyBytes_Check(octets)) {
            PyErr_Format(PyExc_TypeError, "attribute %S: value %zd: expected bytes in the packet, found %.100s",
                         attribute->name, i, Py_TYPE(octets)->tp_name);
            return -1;
        }
        rsec_view view = rsec_py_bytes_view(octets);
        rsec_attr_walk walk = rsec_attr_walk_of(view);
        rsec_attr attr;
        rsec_status status;
        do {
            status = rsec_attr_next(&walk, &attr);
        } while (status == RSEC_OK);
        size_t left = view.len - attr.off;
        if (status != RSEC_ABSENT && left == 1) {
            PyErr_Format(self->state->packet_error,
                         "attribute %S: value %zd: expected a sub-attribute at octet %zu of %zu, found a lone octet",
                         attribute->name, i, attr.off, view.len);
            return -1;
        }
        if (status != RSEC_ABSENT) {
            PyErr_Format(
                self->state->packet_error,
                "attribute %S: value %zd: expected a length of 2 to %zu in the sub-attribute at octet %zu of %zu, "
                "found %d",
                attribute->name, i, left < 255 ? left : (size_t)255, attr.off, view.len, (int)view.ptr[attr.off + 1]);
            return -1;
        }
    }
    PyErr_Format(self->state->packet_error,
                 "attribute %S: expected at most %d sub-attributes in each other, found more", attribute->name,
                 RSEC_TLV_DEPTH_MAX);
    return -1;
}

/* The elements of `list` as attributes of `code`: how many octets, or 0 with an exception. */
static size_t write_elements(const rsec_py_attribute *attribute, PyObject *list, uint8_t code,
                             uint8_t out[RSEC_PACKET_MAX]) {
    size_t len = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *octets = PyList_GET_ITEM(list, i);
        size_t num = PyBytes_Check(octets) ? (size_t)PyBytes_GET_SIZE(octets) : RSEC_PACKET_MAX;
        if (num > RSEC_ATTR_VALUE_MAX || num + RSEC_ATTR_HEADER_LEN > RSEC_PACKET_MAX - len) {
            PyErr_Format(PyExc_ValueError, "attribute %S: value %zd: expected at most %d octets, found a %.100s",
                         attribute->name, i, RSEC_ATTR_VALUE_MAX, Py_TYPE(octets)->tp_name);
            return 0;
        }
        out[len] = code;
        out[len + 1] = (uint8_t)(num + RSEC_ATTR_HEADER_LEN);
        if (num > 0) {
            memcpy(out + len + RSEC_ATTR_HEADER_LEN, PyBytes_AS_STRING(octets), num);
        }
        len += num + RSEC_ATTR_HEADER_LEN;
    }
    if (len == 0) {
        PyErr_Format(PyExc_ValueError, "attribute %S: expected octets in the packet, found none", attribute->name);
    }
    return len;
}

static PyObject *parse_extended(rsec_py_packet *self, const rsec_py_attribute *attribute, PyObject *list) {
    uint8_t out[RSEC_PACKET_MAX];
    bool is_long = attribute->type == RSEC_TYPE_LONG_EXTENDED;
    long code = attribute->code != NULL && PyLong_Check(attribute->code) ? PyLong_AsLong(attribute->code) : -1;
    size_t num;
    if (code < 0 || code > 255) {
        PyErr_Clear();
        return PyErr_Format(PyExc_ValueError, "attribute %S: expected a code of 0 to 255, found %R", attribute->name,
                            attribute->code);
    }
    size_t len = write_elements(attribute, list, (uint8_t)code, out);
    if (len == 0) {
        return NULL;
    }
    rsec_status status = rsec_extended_check(rsec_view_of(out, len), (uint8_t)code, is_long, &num);
    if (status == RSEC_TOO_SHORT) {
        return PyErr_Format(self->state->packet_error, "attribute %S: value %zu: expected %d octets or more, found %zd",
                            attribute->name, num, is_long ? 2 : 1,
                            PyBytes_GET_SIZE(PyList_GET_ITEM(list, (Py_ssize_t)num)));
    }
    if (status != RSEC_OK) {
        return PyErr_Format(
            self->state->packet_error,
            "attribute %S: value %zu: expected fragments of one value up to a last one, found another value "
            "or the end",
            attribute->name, num);
    }
    PyObject *store = fill(self, rsec_view_of(out, len)), *key = store != NULL ? PyLong_FromLong(code) : NULL;
    PyObject *slots = key != NULL ? Py_XNewRef(PyDict_GetItemWithError(store, key)) : NULL;
    if (key != NULL && slots == NULL && PyErr_Occurred() == NULL) {
        slots = PyDict_New(); /* nothing but evs, which are kept elsewhere */
    }
    Py_XDECREF(store);
    Py_XDECREF(key);
    return slots;
}

PyObject *rsec_py_container_open(rsec_py_packet *self, const rsec_py_attribute *attribute, PyObject *stored,
                                 unsigned depth) {
    if (PyDict_Check(stored)) {
        return Py_NewRef(stored);
    }
    if (!PyList_Check(stored)) {
        return PyErr_Format(PyExc_TypeError,
                            "attribute %S: expected a dict or a list of bytes in the packet, found %.100s",
                            attribute->name, Py_TYPE(stored)->tp_name);
    }
    if (depth == 1 && attribute->type != RSEC_TYPE_TLV) {
        return parse_extended(self, attribute, stored);
    }
    rsec_py_tables tables;
    PyObject *parsed = NULL;
    if (rsec_py_tables_open(self->state, self->dict, &tables) < 0) {
        return NULL;
    }
    if (parse_tlv(&tables, attribute, stored, depth, &parsed) == 0) {
        (void)fail_tlv(self, attribute, stored);
    }
    rsec_py_tables_close(&tables);
    return parsed;
}
