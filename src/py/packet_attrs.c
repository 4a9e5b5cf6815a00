/* The attributes of a packet as octets: what stands in the store, written in its order (contract §8.5). */
#include "py/packet_values.h" /* Python.h comes before every system header */

#include "wire/tlv.h"

#include <limits.h>
#include <string.h>

/* pyrad2 begins another attribute for the next row of sub-attributes when this many octets would be reached. */
enum { ROWS_FULL = 245 };

/* What one value is wrapped in. */
typedef struct {
    enum { AS_ATTRIBUTE, AS_VENDOR, AS_EXTENDED } kind;
    uint8_t code;                      /* of the top level */
    bool is_long;                      /* an extended attribute with flags */
    uint8_t slot;                      /* Extended-Type */
    uint8_t head[RSEC_EVS_HEADER_LEN]; /* what an EVS begins with */
    size_t head_len;                   /* 0 or 5 */
    uint32_t vendor, type;             /* of a vendor's attribute */
    rsec_vendor_format format;
    size_t max; /* octets of one value */
} wrapper;

/* The attributes on their way into a packet. */
typedef struct {
    rsec_py_packet *self;
    rsec_writer *writer;
    rsec_py_tables tables; /* opened when something needs them */
    bool has_tables;
    PyObject *key; /* whose values are being written; borrowed */
} writing;

/* --- failures --- */

/* "18", "(9, 1)", or with codes inside a container "241.5.1". New reference. */
static PyObject *label_of(PyObject *key, const uint8_t *codes, unsigned depth) {
    PyObject *label = PyObject_Repr(key);
    for (unsigned i = 0; label != NULL && i < depth; i++) {
        Py_SETREF(label, PyUnicode_FromFormat("%U.%d", label, (int)codes[i]));
    }
    return label;
}

/* An error of `type` for a value with too many octets. */
static int fail_length(const writing *at, PyObject *type, const uint8_t *codes, unsigned depth, size_t max,
                       size_t found) {
    PyObject *label = label_of(at->key, codes, depth);
    if (label != NULL) {
        PyErr_Format(type, "attribute %U: expected a value of at most %zu octets, found %zu", label, max, found);
        Py_DECREF(label);
    }
    return -1;
}

static int fail_type(const writing *at, const uint8_t *codes, unsigned depth, const char *expected, PyObject *found) {
    PyObject *label = label_of(at->key, codes, depth);
    if (label != NULL) {
        PyErr_Format(PyExc_TypeError, "attribute %U: expected %s in the packet, found %.100s", label, expected,
                     Py_TYPE(found)->tp_name);
        Py_DECREF(label);
    }
    return -1;
}

/* PacketError when the packet is full. */
static int check_writer(const writing *at) {
    if (at->writer->status == RSEC_OK) {
        return 0;
    }
    PyObject *label = label_of(at->key, NULL, 0);
    if (label != NULL) {
        PyErr_Format(at->self->state->packet_error, "attribute %U: %s: a packet has at most %d octets", label,
                     rsec_status_text(at->writer->status), RSEC_PACKET_MAX);
        Py_DECREF(label);
    }
    return -1;
}

/* --- one value --- */

static wrapper as_attribute(uint8_t code) {
    return (wrapper){.kind = AS_ATTRIBUTE, .code = code, .max = RSEC_ATTR_VALUE_MAX};
}

static wrapper as_extended(uint8_t code, bool is_long, uint8_t slot) {
    return (wrapper){.kind = AS_EXTENDED,
                     .code = code,
                     .is_long = is_long,
                     .slot = slot,
                     .max = is_long ? RSEC_PACKET_MAX : RSEC_EXTENDED_VALUE_MAX};
}

/* The numbers of a tuple into `out`: 0, or -1 when one of them is none or above `max`. */
static int read_key(PyObject *key, const uint32_t max[4], uint32_t out[4]) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key); i++) {
        PyObject *number = PyTuple_GET_ITEM(key, i);
        unsigned long value = PyLong_Check(number) ? PyLong_AsUnsignedLong(number) : ULONG_MAX;
        if (value > max[i]) {
            PyErr_Clear();
            return -1;
        }
        out[i] = (uint32_t)value;
    }
    return 0;
}

/* How values under at->key are wrapped. `attribute` is the dictionary's, or NULL. */
static int find_wrapper(const writing *at, wrapper *found) {
    static const uint32_t vendor_max[4] = {UINT32_MAX, UINT32_MAX}, evs_max[4] = {255, 255, UINT32_MAX, 255};
    uint32_t numbers[4];
    int overflow;
    long code = PyLong_Check(at->key) ? PyLong_AsLongAndOverflow(at->key, &overflow) : -1;
    if (code >= 0 && code <= 255) {
        *found = as_attribute((uint8_t)code);
        return 0;
    }
    if (PyTuple_Check(at->key) && PyTuple_GET_SIZE(at->key) == 2 && read_key(at->key, vendor_max, numbers) == 0) {
        *found = (wrapper){.kind = AS_VENDOR, .vendor = numbers[0], .type = numbers[1]};
        if (rsec_py_vendor_format(at->self, numbers[0], &found->format) < 0) {
            return -1;
        }
        found->max = found->format.has_more ? RSEC_PACKET_MAX : RSEC_VENDOR_DATA_MAX - rsec_vendor_head(found->format);
        return 0;
    }
    if (PyTuple_Check(at->key) && PyTuple_GET_SIZE(at->key) == 4 && read_key(at->key, evs_max, numbers) == 0) {
        rsec_py_attribute *around = NULL;
        int rc = rsec_py_tables_at(&at->tables, PyTuple_GET_ITEM(at->key, 0), &around);
        bool is_long = rc == 1 ? around->type == RSEC_TYPE_LONG_EXTENDED : numbers[0] == 245 || numbers[0] == 246;
        Py_XDECREF(around);
        *found = as_extended((uint8_t)numbers[0], is_long, (uint8_t)numbers[1]);
        rsec_evs_put(found->head, numbers[2], (uint8_t)numbers[3]);
        found->head_len = RSEC_EVS_HEADER_LEN;
        found->max -= RSEC_EVS_HEADER_LEN;
        return rc < 0 ? -1 : 0;
    }
    PyErr_Format(PyExc_TypeError, "attribute key %R: expected 0 to 255, (vendor, type) or (code, type, vendor, type)",
                 at->key);
    return -1;
}

static int write_value(const writing *at, const wrapper *as, rsec_view octets) {
    rsec_writer *writer = at->writer;
    if (octets.len > as->max) {
        PyObject *type = as->kind == AS_EXTENDED ? PyExc_ValueError : at->self->state->packet_error;
        return fail_length(at, type, &as->slot, as->kind == AS_EXTENDED && as->head_len == 0 ? 1 : 0, as->max,
                           octets.len);
    }
    switch (as->kind) {
    case AS_ATTRIBUTE:
        if (as->code != RSEC_ATTR_MESSAGE_AUTHENTICATOR) {
            (void)rsec_writer_attr(writer, as->code, octets);
        } else if (!rsec_py_packet_is_v11(at->self)) { /* V11-3 */
            (void)rsec_writer_message_auth(writer);
        }
        break;
    case AS_VENDOR:
        if (as->format.type_len < 4 && as->type >> (8 * as->format.type_len) != 0) {
            PyErr_Format(PyExc_ValueError, "attribute %R: expected a type of %d octets", at->key,
                         (int)as->format.type_len);
            return -1;
        }
        (void)rsec_writer_vendor(writer, as->vendor, as->format, as->type, octets);
        break;
    case AS_EXTENDED:
        (void)rsec_writer_extended(writer, as->code, as->is_long, as->slot, rsec_view_of(as->head, as->head_len),
                                   octets);
        break;
    }
    return check_writer(at);
}

/* The octets of a list's element, which `attribute` (may be NULL) describes: bytes, or clear text of an encrypt=1 attribute,
 * hidden now (RFC 2865 §5.2). New bytes. */
static PyObject *octets_of(const writing *at, const rsec_py_attribute *attribute, const uint8_t *codes, unsigned depth,
                           PyObject *element) {
    if (PyBytes_Check(element)) {
        return Py_NewRef(element);
    }
    bool is_password = depth == 0 && PyLong_Check(at->key) && PyLong_AsLong(at->key) == RSEC_ATTR_USER_PASSWORD;
    if (!PyUnicode_Check(element) || !(is_password || (attribute != NULL && attribute->encrypt == 1))) {
        (void)fail_type(at, codes, depth, "bytes", element);
        return NULL;
    }
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(element, &len);
    PyObject *label = text != NULL ? label_of(at->key, codes, depth) : NULL;
    PyObject *hidden = label != NULL ? rsec_py_password_hide(at->self, label, rsec_view_of(text, (size_t)len)) : NULL;
    Py_XDECREF(label);
    return hidden;
}

/* --- lists --- */

/* A value that may go over several attributes, which a reader joins: pieces as long as they can be. */
static int write_pieces(const writing *at, const wrapper *as, rsec_view octets) {
    size_t off = 0;
    do {
        size_t len = octets.len - off < as->max ? octets.len - off : as->max;
        if (write_value(at, as, rsec_view_part(octets, off, len)) < 0) {
            return -1;
        }
        off += len;
    } while (off < octets.len);
    return 0;
}

/* Values of `width` octets, as many in one attribute as there is room for (RFC 8044 §2.1.3 leaves the form to the data type).
 * Ones of another length stand alone, so that they are read as what they are. */
static int write_array(const writing *at, const rsec_py_attribute *attribute, const wrapper *as, PyObject *list) {
    uint8_t joined[RSEC_PACKET_MAX];
    size_t width = rsec_py_attribute_width(attribute), len = 0;
    size_t most = as->max < sizeof joined ? as->max : sizeof joined;
    int rc = 0;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(list); i++) {
        PyObject *element = Py_NewRef(PyList_GET_ITEM(list, i));
        PyObject *bytes = octets_of(at, attribute, NULL, 0, element);
        Py_DECREF(element);
        if (bytes == NULL) {
            return -1;
        }
        rsec_view octets = rsec_py_bytes_view(bytes);
        bool joins = octets.len == width;
        if (len > 0 && (!joins || len + width > most)) {
            rc = write_value(at, as, rsec_view_of(joined, len));
            len = 0;
        }
        if (joins) {
            memcpy(joined + len, octets.ptr, width);
            len += width;
        } else {
            rc = rc == 0 ? write_value(at, as, octets) : rc;
        }
        Py_DECREF(bytes);
    }
    return rc == 0 && len > 0 ? write_value(at, as, rsec_view_of(joined, len)) : rc;
}

static int write_list(const writing *at, const rsec_py_attribute *attribute, const wrapper *as, PyObject *list) {
    bool is_concat = as->kind == AS_ATTRIBUTE &&
                     as->code == RSEC_ATTR_EAP_MESSAGE; /* RFC 3579 §3.1, dictionary or not */
    if (attribute != NULL) {
        is_concat = is_concat || attribute->concat;
        if (attribute->array && rsec_py_attribute_width(attribute) > 0 && PyList_GET_SIZE(list) > 1) {
            return write_array(at, attribute, as, list);
        }
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *element = Py_NewRef(PyList_GET_ITEM(list, i));
        PyObject *bytes = octets_of(at, attribute, &as->slot, as->kind == AS_EXTENDED && as->head_len == 0 ? 1 : 0,
                                    element);
        Py_DECREF(element);
        int rc = bytes == NULL ? -1
                 : is_concat   ? write_pieces(at, as, rsec_py_bytes_view(bytes))
                               : write_value(at, as, rsec_py_bytes_view(bytes));
        Py_XDECREF(bytes);
        if (rc < 0) {
            return -1;
        }
    }
    return 0;
}

/* --- TLVs --- */

/* TLVs that are being gathered for one value. */
typedef struct {
    const writing *at;
    const wrapper *as;
    rsec_tlv_pack pack;
    bool may_flush; /* what is full is written and begun anew */
    bool has_written;
    uint8_t codes[1 + RSEC_TLV_DEPTH_MAX]; /* that slot, then the codes of the TLVs around */
    uint8_t octets[RSEC_PACKET_MAX];
} gathering;

static int flush(gathering *on) {
    int rc = write_value(on->at, on->as, rsec_tlv_octets(&on->pack));
    rsec_tlv_begin(&on->pack, on->octets, on->pack.cap);
    on->has_written = true;
    return rc;
}

/* How a message calls what is `depth` TLVs deep: the codes, with the Extended-Type in front where there is one. */
static const uint8_t *codes_of(const gathering *on, unsigned depth, unsigned *num) {
    bool has_slot = on->as->kind == AS_EXTENDED && on->as->head_len == 0;
    *num = depth + (has_slot ? 1 : 0);
    return on->codes + (has_slot ? 0 : 1);
}

/* One TLV, or with `bytes` NULL an empty one around. 0; 1 when it does not fit any more and must not be flushed; -1. */
static int put(gathering *on, unsigned depth, uint8_t code, PyObject *bytes) {
    rsec_view octets = bytes != NULL ? rsec_py_bytes_view(bytes) : rsec_view_of("", 0);
    const uint8_t *path = on->codes + 1;
    for (;;) {
        rsec_status status = bytes != NULL ? rsec_tlv_put(&on->pack, path, depth, code, octets)
                                           : rsec_tlv_put_empty(&on->pack, path, depth);
        if (status == RSEC_OK) {
            return 0;
        }
        if (status != RSEC_MORE) {
            size_t outer = on->pack.cap - (size_t)RSEC_TLV_HEADER_LEN * (depth + 1);
            size_t inner = depth > 0 ? RSEC_TLV_VALUE_MAX - (size_t)RSEC_TLV_HEADER_LEN * depth : RSEC_TLV_VALUE_MAX;
            unsigned num;
            on->codes[1 + depth] = code;
            const uint8_t *codes = codes_of(on, depth + 1, &num);
            PyObject *type = on->as->kind == AS_EXTENDED ? PyExc_ValueError : on->at->self->state->packet_error;
            return fail_length(on->at, type, codes, num, outer < inner ? outer : inner, octets.len);
        }
        if (!on->may_flush) {
            return 1;
        }
        if (flush(on) < 0) {
            return -1;
        }
    }
}

/* The code that a container's key is; -1 with a TypeError. */
static int code_of(const gathering *on, unsigned depth, PyObject *key) {
    long code = PyLong_Check(key) ? PyLong_AsLong(key) : -1;
    PyErr_Clear();
    if (code < 0 || code > 255) {
        unsigned num;
        const uint8_t *codes = codes_of(on, depth, &num);
        return fail_type(on->at, codes, num, "numbers of 0 to 255 as keys", key);
    }
    return (int)code;
}

/* The values of one code, `depth` TLVs deep: all of them, or the one of that row. */
static int gather_list(gathering *on, const rsec_py_attribute *around, unsigned depth, uint8_t code, PyObject *list,
                       Py_ssize_t row) {
    int rc = 0;
    Py_ssize_t end = row < 0 ? PY_SSIZE_T_MAX : row + 1;
    for (Py_ssize_t i = row < 0 ? 0 : row; rc == 0 && i < end && i < PyList_GET_SIZE(list); i++) {
        PyObject *element = Py_NewRef(PyList_GET_ITEM(list, i));
        rsec_py_attribute *attribute = NULL;
        if (!PyBytes_Check(element) && rsec_py_tables_inside(&on->at->tables, around, code, &attribute) < 0) {
            rc = -1;
        }
        unsigned num;
        on->codes[1 + depth] = code;
        const uint8_t *codes = codes_of(on, depth + 1, &num);
        PyObject *bytes = rc == 0 ? octets_of(on->at, attribute, codes, num, element) : NULL;
        rc = bytes != NULL ? put(on, depth, code, bytes) : -1;
        Py_XDECREF(bytes);
        Py_XDECREF(attribute);
        Py_DECREF(element);
    }
    return rc;
}

/* What is in `dict`, whose code and those around it are in on->codes, `depth` of them. */
static int gather_dict(gathering *on, const rsec_py_attribute *around, unsigned depth, PyObject *dict) {
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    int rc = 0;
    if (depth >= RSEC_TLV_DEPTH_MAX) {
        PyErr_Format(PyExc_ValueError, "attribute %R: expected at most %d containers in each other, found more",
                     on->at->key, RSEC_TLV_DEPTH_MAX);
        return -1;
    }
    if (PyDict_GET_SIZE(dict) == 0 && depth > 0) {
        return put(on, depth, 0, NULL);
    }
    while (rc == 0 && PyDict_Next(dict, &pos, &key, &value)) {
        rsec_py_attribute *inside = NULL;
        Py_INCREF(key);
        Py_INCREF(value);
        int code = code_of(on, depth, key);
        if (code >= 0 && PyList_Check(value)) {
            rc = gather_list(on, around, depth, (uint8_t)code, value, -1);
        } else if (code >= 0 && PyDict_Check(value)) {
            rc = rsec_py_tables_inside(&on->at->tables, around, code, &inside) < 0 ? -1 : 0;
            on->codes[1 + depth] = (uint8_t)code;
            rc = rc == 0 ? gather_dict(on, inside, depth + 1, value) : rc;
        } else {
            rc = code >= 0 ? fail_type(on->at, NULL, 0, "lists or dicts", value) : -1;
        }
        Py_XDECREF(inside);
        Py_DECREF(key);
        Py_DECREF(value);
    }
    return rc;
}

/* The next value of each sub-attribute, and in the first row what is nested. 0, 1: there is no room, -1. */
static int gather_row(gathering *on, const rsec_py_attribute *attribute, PyObject *dict, Py_ssize_t row,
                      bool *is_last) {
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    int rc = 0;
    *is_last = true;
    while (rc == 0 && PyDict_Next(dict, &pos, &key, &value)) {
        rsec_py_attribute *inside = NULL;
        Py_INCREF(key);
        Py_INCREF(value);
        int code = code_of(on, 0, key);
        if (code >= 0 && PyList_Check(value)) {
            rc = gather_list(on, attribute, 0, (uint8_t)code, value, row);
            *is_last = *is_last && PyList_GET_SIZE(value) <= row + 1;
        } else if (code >= 0 && PyDict_Check(value)) {
            rc = row == 0 ? rsec_py_tables_inside(&on->at->tables, attribute, code, &inside) : 0;
            on->codes[1] = (uint8_t)code;
            rc = rc < 0 ? -1 : row == 0 ? gather_dict(on, inside, 1, value) : 0;
        } else {
            rc = code >= 0 ? fail_type(on->at, NULL, 0, "lists or dicts", value) : -1;
        }
        Py_XDECREF(inside);
        Py_DECREF(key);
        Py_DECREF(value);
    }
    return rc;
}

/* A container of type tlv: rows of one value of each sub-attribute, rows that fit together in one attribute. */
static int write_rows(gathering *on, const rsec_py_attribute *attribute, PyObject *dict) {
    bool is_last = false;
    int rc = 0;
    for (Py_ssize_t row = 0; rc == 0 && !is_last; row++) {
        size_t before = on->pack.len;
        on->pack.depth = 0; /* TLVs of the row before are not added to, so that this row can be taken back */
        on->may_flush = false;
        rc = gather_row(on, attribute, dict, row, &is_last);
        if (rc == 1 || (rc == 0 && before > 0 && on->pack.len >= ROWS_FULL)) {
            on->pack.len = before;
            on->pack.depth = 0;
            on->may_flush = true;
            rc = before > 0 ? flush(on) : 0;
            rc = rc == 0 ? gather_row(on, attribute, dict, row, &is_last) : rc;
        }
    }
    return rc;
}

static int write_tlv(const writing *at, const rsec_py_attribute *attribute, const wrapper *as, PyObject *dict) {
    gathering on;
    on.at = at;
    on.as = as;
    on.has_written = false;
    on.may_flush = true;
    on.codes[0] = as->slot;
    rsec_tlv_begin(&on.pack, on.octets, as->max < sizeof on.octets ? as->max : sizeof on.octets);
    int rc = as->kind == AS_EXTENDED ? gather_dict(&on, attribute, 0, dict) : write_rows(&on, attribute, dict);
    return rc == 0 && (on.pack.len > 0 || !on.has_written) ? flush(&on) : rc;
}

/* --- all of them --- */

/* The slots of an extended attribute. */
static int write_slots(const writing *at, const rsec_py_attribute *attribute, uint8_t code, PyObject *slots) {
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    int rc = 0;
    while (rc == 0 && PyDict_Next(slots, &pos, &key, &value)) {
        rsec_py_attribute *slot = NULL;
        long number = PyLong_Check(key) ? PyLong_AsLong(key) : -1;
        PyErr_Clear();
        if (number < 0 || number > 255) {
            return fail_type(at, NULL, 0, "numbers of 0 to 255 as keys", key);
        }
        Py_INCREF(value);
        wrapper as = as_extended(code, attribute->type == RSEC_TYPE_LONG_EXTENDED, (uint8_t)number);
        rc = rsec_py_tables_inside(&at->tables, attribute, number, &slot) < 0 ? -1 : 0;
        if (rc == 0) {
            rc = PyDict_Check(value)   ? write_tlv(at, slot, &as, value)
                 : PyList_Check(value) ? write_list(at, slot, &as, value)
                                       : fail_type(at, &as.slot, 1, "a list of bytes", value);
        }
        Py_XDECREF(slot);
        Py_DECREF(value);
    }
    return rc;
}

/* Writes what nothing in the dictionary bears on: one value of a plain attribute, as most are. False when it is not one. */
static bool write_plain(const writing *at, PyObject *key, PyObject *value) {
    if (at->self->state->has_virtual || !PyLong_CheckExact(key) || !PyList_CheckExact(value) ||
        PyList_GET_SIZE(value) != 1) {
        return false;
    }
    PyObject *octets = PyList_GET_ITEM(value, 0);
    int overflow;
    long code = PyLong_AsLongAndOverflow(key, &overflow);
    if (code < 0 || code > 255 || code == RSEC_ATTR_MESSAGE_AUTHENTICATOR || !PyBytes_CheckExact(octets) ||
        PyBytes_GET_SIZE(octets) > RSEC_ATTR_VALUE_MAX) {
        return false;
    }
    (void)rsec_writer_attr(at->writer, (uint8_t)code, rsec_py_bytes_view(octets));
    return true;
}

static int open_tables(writing *at) {
    if (at->has_tables) {
        return 0;
    }
    at->has_tables = true;
    return rsec_py_tables_open(at->self->state, at->self->dict, &at->tables);
}

/* What is under `key`. */
static int write_key(writing *at, PyObject *key, PyObject *value) {
    rsec_py_attribute *attribute = NULL;
    wrapper as;
    at->key = key;
    if (write_plain(at, key, value)) {
        return check_writer(at);
    }
    int rc = open_tables(at) < 0 ? -1 : rsec_py_tables_at(&at->tables, key, &attribute);
    if (rc == 1 && attribute->is_virtual) {
        Py_DECREF(attribute);
        return 0;
    }
    rc = rc < 0 ? -1 : find_wrapper(at, &as);
    if (rc == 0 && PyList_Check(value)) {
        rc = write_list(at, attribute, &as, value);
    } else if (rc == 0 && PyDict_Check(value) && attribute != NULL && rsec_py_attribute_is_container(attribute)) {
        rc = attribute->type == RSEC_TYPE_TLV ? write_tlv(at, attribute, &as, value)
                                              : write_slots(at, attribute, as.code, value);
    } else if (rc == 0) {
        rc = fail_type(at, NULL, 0, "a list of bytes", value);
    }
    Py_XDECREF(attribute);
    return rc;
}

/* Everything in `store` but the keys of `without` (may be NULL). */
static int write_store(writing *at, PyObject *store, PyObject *without) {
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    int rc = 0;
    while (rc == 0 && PyDict_Next(store, &pos, &key, &value)) {
        Py_INCREF(key);
        Py_INCREF(value);
        int is_left_out = without != NULL ? PyDict_Contains(without, key) : 0;
        rc = is_left_out == 0 ? write_key(at, key, value) : is_left_out < 0 ? -1 : 0;
        Py_DECREF(key);
        Py_DECREF(value);
    }
    return rc;
}

int rsec_py_packet_write_attrs(rsec_py_packet *self, rsec_writer *writer) {
    writing at = {.self = self, .writer = writer};
    PyObject *obfuscated = NULL;
    if (rsec_py_packet_materialise(self) < 0 || rsec_py_packet_obfuscate(self, &obfuscated) < 0) {
        return -1;
    }
    /* A dictionary with code of its own may change the packet meanwhile: what is read is held. */
    PyObject *store = Py_NewRef(self->store);
    int rc = write_store(&at, store, obfuscated);
    if (rc == 0 && obfuscated != NULL) {
        rc = write_store(&at, obfuscated, NULL);
    }
    Py_DECREF(store);
    Py_XDECREF(obfuscated);
    rsec_py_tables_close(&at.tables);
    return rc;
}
