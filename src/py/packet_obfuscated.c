/* set_obfuscated(): values that are kept in clear and encoded each time the packet is serialised (contract §8.4). */
#include "py/packet_values.h"

PyDoc_STRVAR(
    set_obfuscated_doc,
    "set_obfuscated(name, value)\n--\n\n"
    "Keeps one more clear value for `name`, encoded each time the packet is serialised and for the version that it then\n"
    "has: hidden as User-Password (RFC 2865 §5.2) for `encrypt=1` and for User-Password itself, salted (RFC 2868 §3.5)\n"
    "for `encrypt=2`, else plain; RADIUS/1.1 hides nothing. Such values come behind all others and instead of those\n"
    "assigned to the same attribute; reading does not show them. What does not fit, and an unknown name, is found when\n"
    "the packet is serialised.");

static PyObject *packet_set_obfuscated(PyObject *op, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"name", "value", NULL};
    rsec_py_packet *self = (rsec_py_packet *)op;
    PyObject *name, *value;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "UO:set_obfuscated", keywords, &name, &value)) {
        return NULL;
    }
    /* What is new is filled before it is put in its place: a name without values would take those assigned away. */
    bool is_there = self->obfuscated != NULL && PyDict_Check(self->obfuscated);
    PyObject *obfuscated = is_there ? Py_NewRef(self->obfuscated) : PyDict_New(); /* a name may have code of its own */
    PyObject *values = obfuscated != NULL ? Py_XNewRef(PyDict_GetItemWithError(obfuscated, name)) : NULL;
    int rc = values == NULL && PyErr_Occurred() != NULL ? -1 : 0;
    if (rc == 0 && values == NULL) {
        values = PyList_New(1);
        if (values != NULL) {
            PyList_SET_ITEM(values, 0, Py_NewRef(value));
        }
        rc = values != NULL ? PyDict_SetItem(obfuscated, name, values) : -1;
    } else if (rc == 0 && !PyList_Check(values)) {
        PyErr_Format(PyExc_TypeError, "set_obfuscated(): expected a list under %R", name);
        rc = -1;
    } else if (rc == 0) {
        rc = PyList_Append(values, value);
    }
    if (rc == 0 && !is_there) {
        Py_XSETREF(self->obfuscated, Py_NewRef(obfuscated));
    }
    Py_XDECREF(values);
    Py_XDECREF(obfuscated);
    return rc == 0 ? Py_NewRef(Py_None) : NULL;
}

/* A copy of a container in the store: dicts and lists of its own. */
static PyObject *copy_of(PyObject *stored, unsigned depth) {
    if (PyList_Check(stored)) {
        return PyList_GetSlice(stored, 0, PyList_GET_SIZE(stored));
    }
    if (!PyDict_Check(stored) || depth > RSEC_TLV_DEPTH_MAX) {
        return PyErr_Format(PyExc_TypeError, "expected a container's dict in the packet, found %.100s",
                            Py_TYPE(stored)->tp_name);
    }
    PyObject *copy = PyDict_New(), *key, *value;
    Py_ssize_t pos = 0;
    while (copy != NULL && PyDict_Next(stored, &pos, &key, &value)) {
        Py_INCREF(key);
        Py_INCREF(value);
        PyObject *inside = copy_of(value, depth + 1);
        if (inside == NULL || PyDict_SetItem(copy, key, inside) < 0) {
            Py_CLEAR(copy);
        }
        Py_XDECREF(inside);
        Py_DECREF(key);
        Py_DECREF(value);
    }
    return copy;
}

/* The container around `place` as the store has it, into `pending`: what else is in there goes along. */
static int take_container(rsec_py_packet *self, const rsec_py_place *place, PyObject *pending) {
    int rc = PyDict_Contains(pending, place->key);
    if (rc != 0 || place->depth == 0) {
        return rc < 0 ? -1 : 0;
    }
    PyObject *store = Py_NewRef(self->store); /* comparing keys may run code that clears the packet */
    PyObject *stored = Py_XNewRef(PyDict_GetItemWithError(store, place->key));
    Py_DECREF(store);
    if (stored == NULL) {
        return PyErr_Occurred() != NULL ? -1 : 0;
    }
    PyObject *copy = copy_of(stored, 0);
    rc = copy != NULL ? PyDict_SetItem(pending, place->key, copy) : -1;
    Py_XDECREF(copy);
    Py_DECREF(stored);
    return rc;
}

/* What goes out for one clear value: a new list of one. */
static PyObject *hide(rsec_py_packet *self, const rsec_py_target *at, PyObject *value) {
    const rsec_py_attribute *attribute = at->place.attribute;
    bool is_password = at->place.depth == 0 && PyLong_Check(at->place.key) &&
                       PyLong_AsLong(at->place.key) == RSEC_ATTR_USER_PASSWORD;
    if ((!is_password && attribute->encrypt != 1) || rsec_py_packet_is_v11(self)) {
        if (attribute->encrypt != 1 || !PyUnicode_Check(value)) {
            return rsec_py_values_encode(self, at, value);
        }
    } else {
        PyObject *pw_crypt = PyObject_GetAttrString((PyObject *)self, "pw_crypt");
        if (pw_crypt == NULL) {
            if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
                PyErr_Clear();
                PyErr_Format(self->state->packet_error,
                             "attribute %S: expected an AuthPacket to hide a password in, found %.100s",
                             attribute->name, Py_TYPE(self)->tp_name);
            }
            return NULL;
        }
        Py_DECREF(pw_crypt);
    }
    PyObject *clear = rsec_py_encode(RSEC_TYPE_STRING, value, RSEC_ATTR_VALUE_MAX);
    PyObject *hidden = clear != NULL ? rsec_py_password_hide(self, attribute->name, rsec_py_bytes_view(clear)) : NULL;
    Py_XDECREF(clear);
    if (hidden == NULL) {
        return NULL;
    }
    rsec_py_target plain = *at; /* octets are taken as hidden already; a tag still goes in front */
    PyObject *list = rsec_py_values_encode(self, &plain, hidden);
    Py_DECREF(hidden);
    return list;
}

/* The values of one name into `pending`; `owned` is a set of the places that were met. */
static int add_name(rsec_py_packet *self, PyObject *name, PyObject *values, PyObject *pending, PyObject *owned) {
    rsec_py_target at;
    int rc = rsec_py_target_find(self, name, &at);
    if (rc <= 0) {
        if (rc == 0) {
            PyErr_SetObject(PyExc_KeyError, name);
        }
        return -1;
    }
    rsec_py_path path;
    PyObject *list = NULL;
    PyObject *place = Py_BuildValue("(Oy#)", at.place.key, (const char *)at.place.codes, (Py_ssize_t)at.place.depth);
    rc = place != NULL ? take_container(self, &at.place, pending) : -1;
    rc = rc == 0 ? rsec_py_path_open(self, pending, &at.place, true, &path) : rc;
    if (rc == 1) {
        PyObject *holder = path.holders[path.depth], *key = path.keys[path.depth];
        rc = rsec_py_path_join(&path) == 0 ? PySet_Contains(owned, place) : -1;
        if (rc == 0) { /* stored values of the same attribute are left out */
            list = PyList_New(0);
            rc = list != NULL && PySet_Add(owned, place) == 0 ? PyDict_SetItem(holder, key, list) : -1;
        } else if (rc == 1) {
            list = Py_XNewRef(PyDict_GetItemWithError(holder, key));
            rc = list != NULL && PyList_Check(list) ? 0 : -1;
        }
        rsec_py_path_close(&path);
    }
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(values); i++) {
        PyObject *value = Py_NewRef(PyList_GET_ITEM(values, i));
        PyObject *hidden = hide(self, &at, value);
        Py_DECREF(value);
        rc = hidden != NULL ? PyList_SetSlice(list, PyList_GET_SIZE(list), PyList_GET_SIZE(list), hidden) : -1;
        Py_XDECREF(hidden);
    }
    Py_XDECREF(list);
    Py_XDECREF(place);
    rsec_py_target_release(&at);
    return rc;
}

int rsec_py_packet_obfuscate(rsec_py_packet *self, PyObject **pending) {
    *pending = NULL;
    if (self->obfuscated == NULL || !PyDict_Check(self->obfuscated) || PyDict_GET_SIZE(self->obfuscated) == 0) {
        return 0;
    }
    PyObject *obfuscated = Py_NewRef(self->obfuscated), *owned = PySet_New(NULL), *name, *values;
    PyObject *made = owned != NULL ? PyDict_New() : NULL;
    Py_ssize_t pos = 0;
    int rc = made != NULL ? 0 : -1;
    while (rc == 0 && PyDict_Next(obfuscated, &pos, &name, &values)) {
        if (!PyUnicode_Check(name) || !PyList_Check(values)) {
            PyErr_Format(PyExc_TypeError, "set_obfuscated(): expected a name and a list, found %R", name);
            rc = -1;
            break;
        }
        Py_INCREF(name);
        Py_INCREF(values);
        rc = add_name(self, name, values, made, owned);
        Py_DECREF(name);
        Py_DECREF(values);
    }
    Py_DECREF(obfuscated);
    Py_XDECREF(owned);
    if (rc < 0) {
        Py_CLEAR(made);
    }
    *pending = made;
    return rc;
}

PyMethodDef rsec_py_packet_obfuscated_methods[] = {
    {"set_obfuscated", (PyCFunction)(void (*)(void))packet_set_obfuscated, METH_VARARGS | METH_KEYWORDS,
     set_obfuscated_doc},
    {NULL, NULL, 0, NULL},
};
