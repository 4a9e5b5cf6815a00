/* The packet as a mapping: by name to decoded values, by number or tuple to the octets (contract §8.2). Names reach into
 * containers; a container's own name stands for a dict of what is in it. */
#include "py/packet_values.h" /* Python.h comes before every system header */

#include "py/arguments.h"
#include "py/dictionary.h"

#include <string.h>

/* --- reading --- */

/* Whether the values of `at` can be read straight from the octets received. */
static bool is_direct(const rsec_py_packet *self, const rsec_py_target *at) {
    return self->store == NULL && at->place.depth == 0 && PyLong_CheckExact(at->place.key) &&
           !rsec_py_attribute_is_container(at->place.attribute);
}

/* The values of one attribute on the wire: one, or those of an array. */
static int read_octets(rsec_py_packet *self, const rsec_py_target *at, rsec_view octets, PyObject **list) {
    const rsec_py_attribute *attribute = at->place.attribute;
    size_t width = attribute->array && !attribute->concat ? rsec_py_attribute_width(attribute) : 0;
    size_t step = width > 0 && octets.len % width == 0 ? width : octets.len, off = 0;
    int rc = 0;
    do {
        rc = rsec_py_value_append(self, attribute, at->tag, rsec_view_part(octets, off, step), list);
        off += step;
    } while (rc == 0 && off < octets.len);
    return rc;
}

/* The one attribute of `type` in `attrs`, looked for from where the last one was found. */
static bool find_once(rsec_py_packet *self, rsec_view attrs, uint8_t type, rsec_attr *attr) {
    rsec_attr_walk walk = {attrs, self->found_off < attrs.len ? self->found_off : 0};
    rsec_status status = rsec_attr_next_of(&walk, type, attr);
    if (status != RSEC_OK) {
        walk.off = 0;
        status = rsec_attr_next_of(&walk, type, attr);
    }
    if (status == RSEC_OK) {
        self->found_off = walk.off;
    }
    return status == RSEC_OK;
}

/* The values of one attribute of the top level, straight from the octets received. */
static int read_received(rsec_py_packet *self, const rsec_py_target *at, uint8_t type, PyObject **list) {
    PyObject *raw = Py_NewRef(self->raw_packet);
    rsec_view attrs = rsec_packet_attrs(rsec_py_bytes_view(raw));
    rsec_attr_walk walk = rsec_attr_walk_of(attrs);
    rsec_attr attr;
    int rc = 0;
    if (!rsec_type_set_has(&self->repeated, type)) {
        rc = find_once(self, attrs, type, &attr) ? read_octets(self, at, attr.value, list) : 0;
    } else if (at->place.attribute->concat) {
        uint8_t joined[RSEC_PACKET_MAX];
        size_t len = 0;
        while (rsec_attr_next_of(&walk, type, &attr) == RSEC_OK) {
            if (attr.value.len > 0) {
                memcpy(joined + len, attr.value.ptr, attr.value.len); /* parts of a packet: they fit */
                len += attr.value.len;
            }
        }
        rc = read_octets(self, at, rsec_view_of(joined, len), list);
    } else {
        while (rc == 0 && rsec_attr_next_of(&walk, type, &attr) == RSEC_OK) {
            rc = read_octets(self, at, attr.value, list);
        }
    }
    Py_DECREF(raw);
    return rc;
}

/* What the store has for `place`: 1 and a new reference, 0, -1. */
static int find_stored(rsec_py_packet *self, const rsec_py_place *place, PyObject **stored) {
    rsec_py_path path;
    *stored = NULL;
    if (rsec_py_packet_materialise(self) < 0) {
        return -1;
    }
    int rc = rsec_py_path_open(self, self->store, place, false, &path);
    if (rc == 1) {
        *stored = Py_XNewRef(PyDict_GetItemWithError(path.holders[path.depth], path.keys[path.depth]));
        rc = *stored != NULL ? 1 : PyErr_Occurred() != NULL ? -1 : 0;
        rsec_py_path_close(&path);
    }
    return rc;
}

/* The decoded values of what `at` names; NULL without an exception when there are none. */
static PyObject *read_values(rsec_py_packet *self, const rsec_py_target *at) {
    PyObject *list = NULL, *stored;
    int rc;
    long type = is_direct(self, at) ? PyLong_AsLong(at->place.key) : RSEC_ATTR_VENDOR_SPECIFIC;
    if (type == RSEC_ATTR_VENDOR_SPECIFIC || (type == RSEC_ATTR_MESSAGE_AUTHENTICATOR && rsec_py_packet_is_v11(self))) {
        rc = find_stored(self, &at->place, &stored);
        rc = rc == 1 ? rsec_py_values_decode(self, at->place.attribute, at->tag, stored, &list) : rc;
        if (rc == 0 && list == NULL && stored != NULL && PyList_GET_SIZE(stored) == 0 && at->tag == RSEC_PY_NO_TAG) {
            list = PyList_New(0); /* there, without a value */
        }
        Py_XDECREF(stored);
    } else {
        rc = type >= 0 && type <= 255 ? read_received(self, at, (uint8_t)type, &list) : 0;
    }
    if (rc < 0) {
        Py_CLEAR(list);
    }
    return list;
}

/* A container by its name; NULL without an exception when there is none. */
static PyObject *read_container(rsec_py_packet *self, const rsec_py_target *at) {
    PyObject *stored, *dict = NULL;
    rsec_py_tables tables;
    if (find_stored(self, &at->place, &stored) != 1) {
        return NULL;
    }
    if (rsec_py_tables_open(self->state, self->dict, &tables) == 0) {
        dict = rsec_py_container_decode(self, &tables, at->place.attribute, stored, at->place.depth + 1);
        rsec_py_tables_close(&tables);
    }
    Py_DECREF(stored);
    return dict;
}

/* The number that a KeyError tells for a name without values: the storage key, or the code inside a container. */
static void fail_absent(const rsec_py_place *place) {
    PyErr_SetObject(PyExc_KeyError, place->depth > 0 ? place->attribute->code : place->key);
}

PyObject *rsec_py_packet_subscript(PyObject *op, PyObject *key) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    if (!PyUnicode_Check(key)) {
        if (rsec_py_packet_materialise(self) < 0) {
            return NULL;
        }
        PyObject *store = Py_NewRef(self->store); /* a key's own code may clear the packet */
        PyObject *stored = Py_XNewRef(PyDict_GetItemWithError(store, key));
        Py_DECREF(store);
        if (stored == NULL && PyErr_Occurred() == NULL) {
            PyErr_SetObject(PyExc_KeyError, key);
        }
        return stored;
    }
    rsec_py_target at;
    int found = rsec_py_target_find(self, key, &at);
    if (found <= 0) {
        if (found == 0) {
            PyErr_SetObject(PyExc_KeyError, key);
        }
        return NULL;
    }
    bool is_container = rsec_py_attribute_is_container(at.place.attribute);
    PyObject *values = is_container ? read_container(self, &at) : read_values(self, &at);
    if (values == NULL && PyErr_Occurred() == NULL) {
        fail_absent(&at.place);
    }
    rsec_py_target_release(&at);
    return values;
}

/* --- writing --- */

/* Appends `encoded`, a list or a container's dict, to what is under `key`: in one step, which is done or not. */
static int append_encoded(rsec_py_packet *self, const rsec_py_target *at, PyObject *holder, PyObject *key,
                          PyObject *encoded) {
    PyObject *there = Py_XNewRef(PyDict_GetItemWithError(holder, key));
    int rc = there == NULL && PyErr_Occurred() != NULL ? -1 : 0;
    if (rc == 0 && there == NULL) {
        rc = PyDict_SetItem(holder, key, encoded);
    } else if (rc == 0 && PyDict_Check(encoded)) {
        PyObject *open = rsec_py_container_open(self, at->place.attribute, there, at->place.depth + 1);
        PyObject *merged = open != NULL ? rsec_py_container_merged(open, encoded) : NULL;
        rc = merged != NULL ? PyDict_SetItem(holder, key, merged) : -1;
        Py_XDECREF(open);
        Py_XDECREF(merged);
    } else if (rc == 0 && PyList_Check(there)) {
        rc = PyList_SetSlice(there, PyList_GET_SIZE(there), PyList_GET_SIZE(there), encoded);
    } else if (rc == 0) {
        PyErr_Format(PyExc_TypeError, "attribute %S holds a %.100s that nothing can be added to",
                     at->place.attribute->name, Py_TYPE(there)->tp_name);
        rc = -1;
    }
    Py_XDECREF(there);
    return rc;
}

/* Whether a name stands for the values with one tag, and not for all of an attribute. */
static bool is_tagged(const rsec_py_target *at) {
    return at->tag != RSEC_PY_NO_TAG && !rsec_py_attribute_is_container(at->place.attribute);
}

/* Puts `encoded` in the place of the values under `key` that have the tag; those of other tags stay. */
static int set_tagged(const rsec_py_target *at, PyObject *holder, PyObject *key, PyObject *encoded) {
    PyObject *there = Py_XNewRef(PyDict_GetItemWithError(holder, key)), *made = NULL;
    if (there != NULL && PyList_Check(there)) {
        bool is_found;
        made = rsec_py_values_replace(at->place.attribute, at->tag, there, encoded, &is_found);
    } else if (PyErr_Occurred() == NULL) {
        made = Py_NewRef(encoded);
    }
    int rc = made != NULL ? PyDict_SetItem(holder, key, made) : -1;
    Py_XDECREF(there);
    Py_XDECREF(made);
    return rc;
}

/* Takes the values that have the tag out of what is under `key`: 1, with is_last when no others stay, which leaves the key
 * to the caller; 0 when there are none; -1. */
static int delete_tagged(const rsec_py_target *at, PyObject *holder, PyObject *key, bool *is_last) {
    PyObject *there = Py_XNewRef(PyDict_GetItemWithError(holder, key));
    bool is_found = false;
    int rc = there == NULL && PyErr_Occurred() != NULL ? -1 : 0;
    *is_last = false;
    if (there != NULL && PyList_Check(there)) {
        PyObject *rest = rsec_py_values_replace(at->place.attribute, at->tag, there, NULL, &is_found);
        *is_last = rest != NULL && is_found && PyList_GET_SIZE(rest) == 0;
        rc = rest == NULL ? -1 : is_found;
        rc = rc == 1 && !*is_last && PyDict_SetItem(holder, key, rest) < 0 ? -1 : rc;
        Py_XDECREF(rest);
    }
    Py_XDECREF(there);
    return rc;
}

/* A change makes the octets received a thing of the past for everything but verification. */
static int set_named(rsec_py_packet *self, PyObject *name, PyObject *value, bool appends) {
    rsec_py_target at;
    int found = rsec_py_target_find(self, name, &at);
    if (found <= 0) {
        if (found == 0) {
            PyErr_SetObject(PyExc_KeyError, name);
        }
        return -1;
    }
    PyObject *encoded = rsec_py_attribute_is_container(at.place.attribute)
                            ? rsec_py_container_encode(self, at.place.attribute, value, at.place.depth + 1)
                            : rsec_py_values_encode(self, &at, value);
    int rc = encoded != NULL ? rsec_py_packet_materialise(self) : -1;
    if (rc == 0 && !appends && at.place.depth == 0 && !is_tagged(&at)) {
        PyObject *store = Py_NewRef(self->store); /* comparing keys may run code that clears the packet */
        rc = PyDict_SetItem(store, at.place.key, encoded);
        Py_DECREF(store);
    } else if (rc == 0) {
        rsec_py_path path;
        rc = rsec_py_path_open(self, self->store, &at.place, true, &path);
        if (rc == 1) {
            PyObject *holder = path.holders[path.depth], *key = path.keys[path.depth];
            rc = appends          ? append_encoded(self, &at, holder, key, encoded)
                 : is_tagged(&at) ? set_tagged(&at, holder, key, encoded)
                                  : PyDict_SetItem(holder, key, encoded);
            rc = rc == 0 ? rsec_py_path_join(&path) : rc;
            rsec_py_path_close(&path);
        }
    }
    Py_XDECREF(encoded);
    rsec_py_target_release(&at);
    return rc;
}

int rsec_py_packet_add(rsec_py_packet *self, PyObject *name, PyObject *value) {
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_AttributeError, "add_attribute takes a name, found %.100s", Py_TYPE(name)->tp_name);
        return -1;
    }
    return set_named(self, name, value, true);
}

/* Deletes what `path` leads to, with a tag only its values; containers that it leaves empty go too. 1, 0: there is nothing,
 * -1. */
static int delete_at(const rsec_py_target *at, const rsec_py_path *path) {
    bool is_whole = true;
    unsigned level = path->depth;
    int rc = is_tagged(at) ? delete_tagged(at, path->holders[level], path->keys[level], &is_whole)
                           : PyDict_Contains(path->holders[level], path->keys[level]);
    if (rc != 1) {
        return rc;
    }
    if (is_whole) {
        while (level > 0 && PyDict_GET_SIZE(path->holders[level]) == 1) {
            level--; /* the container would be empty: it is what is deleted */
        }
        if (PyDict_DelItem(path->holders[level], path->keys[level]) < 0) {
            return -1;
        }
    }
    return (int)level > path->joint && rsec_py_path_join(path) < 0 ? -1 : 1;
}

static int delete_named(rsec_py_packet *self, PyObject *name) {
    rsec_py_target at;
    rsec_py_path path;
    int rc = rsec_py_target_find(self, name, &at);
    if (rc <= 0) {
        if (rc == 0) {
            PyErr_SetObject(PyExc_KeyError, name);
        }
        return -1;
    }
    rc = rsec_py_packet_materialise(self) == 0 ? rsec_py_path_open(self, self->store, &at.place, false, &path) : -1;
    if (rc == 1) {
        rc = delete_at(&at, &path);
        rsec_py_path_close(&path);
    }
    if (rc == 0) {
        fail_absent(&at.place);
    }
    rsec_py_target_release(&at);
    return rc == 1 ? 0 : -1;
}

int rsec_py_packet_ass_subscript(PyObject *op, PyObject *key, PyObject *value) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    if (PyUnicode_Check(key)) {
        return value != NULL ? set_named(self, key, value, false) : delete_named(self, key);
    }
    if (rsec_py_packet_materialise(self) < 0) {
        return -1;
    }
    PyObject *store = Py_NewRef(self->store);
    int rc = value != NULL ? PyDict_SetItem(store, key, value) : PyDict_DelItem(store, key);
    Py_DECREF(store);
    return rc;
}

/* --- the rest of the mapping --- */

/* Whether the store has `key`, whose own code may clear the packet meanwhile. */
static int stored(rsec_py_packet *self, PyObject *key) {
    if (rsec_py_packet_materialise(self) < 0) {
        return -1;
    }
    PyObject *store = Py_NewRef(self->store);
    int rc = PyDict_Contains(store, key);
    Py_DECREF(store);
    return rc;
}

/* Whether something is stored at `place`. A container that does not divide has nothing in it. */
static int is_stored(rsec_py_packet *self, const rsec_py_place *place) {
    PyObject *found;
    int rc = find_stored(self, place, &found);
    Py_XDECREF(found);
    if (rc < 0 && place->depth > 0 && PyErr_ExceptionMatches(self->state->packet_error)) {
        PyErr_Clear();
        rc = 0;
    }
    return rc;
}

int rsec_py_packet_contains(PyObject *op, PyObject *name) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    rsec_py_target at;
    if (!PyUnicode_Check(name)) {
        return stored(self, name);
    }
    int rc = rsec_py_target_find(self, name, &at);
    if (rc != 1) {
        return rc;
    }
    long type = is_direct(self, &at) && at.tag == RSEC_PY_NO_TAG ? PyLong_AsLong(at.place.key) : -1;
    if (is_tagged(&at)) {
        PyObject *list = read_values(self, &at);
        rc = list != NULL ? 1 : PyErr_Occurred() != NULL ? -1 : 0;
        Py_XDECREF(list);
    } else if (type >= 0 && type <= 255 && type != RSEC_ATTR_VENDOR_SPECIFIC) {
        rc = rsec_py_packet_has(self, (uint8_t)type);
    } else {
        rc = is_stored(self, &at.place);
    }
    rsec_py_target_release(&at);
    return rc;
}

int rsec_py_packet_has(rsec_py_packet *self, uint8_t type) {
    if (type == RSEC_ATTR_MESSAGE_AUTHENTICATOR && self->store == NULL && rsec_py_packet_is_v11(self)) {
        return 0; /* V11-3 */
    }
    if (self->store == NULL) {
        rsec_attr_walk walk = rsec_attr_walk_of(rsec_packet_attrs(rsec_py_bytes_view(self->raw_packet)));
        rsec_attr attr;
        return rsec_attr_next_of(&walk, type, &attr) == RSEC_OK;
    }
    PyObject *key = PyLong_FromLong(type);
    int rc = key != NULL ? stored(self, key) : -1;
    Py_XDECREF(key);
    return rc;
}

Py_ssize_t rsec_py_packet_length(PyObject *op) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    return rsec_py_packet_materialise(self) < 0 ? -1 : PyDict_GET_SIZE(self->store);
}

PyObject *rsec_py_packet_iter(PyObject *op) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    return rsec_py_packet_materialise(self) < 0 ? NULL : PyObject_GetIter(self->store);
}

PyObject *rsec_py_packet_richcompare(PyObject *op, PyObject *other, int how) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    if (how != Py_EQ && how != Py_NE) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (rsec_py_packet_materialise(self) < 0) {
        return NULL;
    }
    PyObject *store = Py_NewRef(self->store), *its = NULL; /* comparing may run code that clears the packets */
    if (rsec_py_packet_is(self->state, other)) {
        its = rsec_py_packet_materialise((rsec_py_packet *)other) < 0 ? NULL
                                                                      : Py_NewRef(((rsec_py_packet *)other)->store);
    } else {
        its = Py_NewRef(PyDict_Check(other) ? other : Py_NotImplemented);
    }
    PyObject *result = its == NULL || its == Py_NotImplemented ? Py_XNewRef(its)
                                                               : PyObject_RichCompare(store, its, how);
    Py_DECREF(store);
    Py_XDECREF(its);
    return result;
}

static PyObject *packet_keys(PyObject *op, PyObject *unused) {
    (void)unused;
    return rsec_py_packet_names((rsec_py_packet *)op);
}

static PyObject *packet_items(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_packet *self = (rsec_py_packet *)op;
    return rsec_py_packet_materialise(self) < 0 ? NULL : PyObject_CallMethod(self->store, "items", NULL);
}

static PyObject *packet_values(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_packet *self = (rsec_py_packet *)op;
    return rsec_py_packet_materialise(self) < 0 ? NULL : PyObject_CallMethod(self->store, "values", NULL);
}

static PyObject *packet_get(PyObject *op, PyObject *const *args, Py_ssize_t num, PyObject *names) {
    static const char *const argument_names[] = {"key", "failobj"};
    static const rsec_py_signature signature = {"get", argument_names, 2, 1};
    PyObject *given[2];
    if (rsec_py_arguments_take(&signature, args, num, names, given) < 0) {
        return NULL;
    }
    PyObject *value = rsec_py_packet_subscript(op, given[0]);
    if (value == NULL && PyErr_ExceptionMatches(PyExc_KeyError)) {
        PyErr_Clear();
        return Py_NewRef(given[1] != NULL ? given[1] : Py_None);
    }
    return value;
}

static PyObject *packet_has_key(PyObject *op, PyObject *const *args, Py_ssize_t num, PyObject *names) {
    static const char *const argument_names[] = {"key"};
    static const rsec_py_signature signature = {"has_key", argument_names, 1, 1};
    PyObject *key;
    int rc = rsec_py_arguments_take(&signature, args, num, names, &key);
    rc = rc == 0 ? rsec_py_packet_contains(op, key) : rc;
    return rc < 0 ? NULL : PyBool_FromLong(rc);
}

static PyObject *packet_add_attribute(PyObject *op, PyObject *const *args, Py_ssize_t num, PyObject *names) {
    static const char *const argument_names[] = {"key", "value"};
    static const rsec_py_signature signature = {"add_attribute", argument_names, 2, 2};
    PyObject *given[2];
    int rc = rsec_py_arguments_take(&signature, args, num, names, given);
    rc = rc == 0 ? rsec_py_packet_add((rsec_py_packet *)op, given[0], given[1]) : rc;
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *packet_clear_all(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_packet *self = (rsec_py_packet *)op;
    PyObject *store = PyDict_New();
    if (store == NULL) {
        return NULL;
    }
    Py_XSETREF(self->store, store);
    Py_CLEAR(self->obfuscated);
    Py_RETURN_NONE;
}

static PyObject *packet_take_store(PyObject *op, PyObject *store) {
    rsec_py_packet *self = (rsec_py_packet *)op;
    if (!PyDict_CheckExact(store)) {
        return PyErr_Format(PyExc_TypeError, "_take_store: expected a dict, found %.100s", Py_TYPE(store)->tp_name);
    }
    Py_XSETREF(self->store, Py_NewRef(store));
    Py_RETURN_NONE;
}

static PyObject *packet_store(PyObject *op, PyObject *unused) {
    (void)unused;
    rsec_py_packet *self = (rsec_py_packet *)op;
    return rsec_py_packet_materialise(self) < 0 ? NULL : Py_NewRef(self->store);
}

PyMethodDef rsec_py_packet_map_methods[] = {
    {"keys", packet_keys, METH_NOARGS,
     "keys()\n--\n\nA list: names where the dictionary knows the key, storage keys otherwise."},
    {"items", packet_items, METH_NOARGS, "items()\n--\n\nStorage keys and lists of octets."},
    {"values", packet_values, METH_NOARGS, "values()\n--\n\nLists of octets."},
    {"get", (PyCFunction)(void (*)(void))packet_get, METH_FASTCALL | METH_KEYWORDS,
     "get(key, failobj=None)\n--\n\nAs packet[key], with failobj instead of a KeyError."},
    {"has_key", (PyCFunction)(void (*)(void))packet_has_key, METH_FASTCALL | METH_KEYWORDS,
     "has_key(key)\n--\n\nThe same as `key in packet`."},
    {"add_attribute", (PyCFunction)(void (*)(void))packet_add_attribute, METH_FASTCALL | METH_KEYWORDS,
     "add_attribute(key, value)\n--\n\nAppends a value, or each of a list or tuple, to what is under the name `key`. "
     "KeyError for an unknown one."},
    {"clear", packet_clear_all, METH_NOARGS, "clear()\n--\n\nRemoves all attributes."},
    {"_store", packet_store, METH_NOARGS,
     "_store()\n--\n\nThe dict of storage key -> list of octets, or dict of a container, itself."},
    {"_take_store", packet_take_store, METH_O,
     "_take_store(store)\n--\n\nTakes a dict for the store, itself, in the place of the one there is."},
    {NULL, NULL, 0, NULL},
};
