#include "py/bidict.h"

#include <string.h>

typedef struct {
    PyObject_HEAD PyObject *forward, *backward; /* NULL before somebody asked for one of them */
    uint8_t *pending;                           /* entries that are in neither dict yet, or NULL */
    size_t pending_len, pending_cap;
} py_bidict;

/* --- entries that nobody looked at --- */

enum { ENTRY_HEADER = 6 }; /* length of the name in four octets, of the value in two, then both */

static int append_entry(py_bidict *self, rsec_view name, rsec_view octets) {
    size_t len = ENTRY_HEADER + name.len + octets.len;
    if (name.len > UINT32_MAX || octets.len > UINT16_MAX || len > SIZE_MAX / 4 - self->pending_len) {
        PyErr_SetString(PyExc_ValueError, "the name or the value of a VALUE is too long");
        return -1;
    }
    if (self->pending_cap - self->pending_len < len) {
        size_t cap = 2 * (self->pending_len + len);
        uint8_t *grown = PyMem_Realloc(self->pending, cap);
        if (grown == NULL) {
            (void)PyErr_NoMemory();
            return -1;
        }
        self->pending = grown;
        self->pending_cap = cap;
    }
    uint8_t *ptr = self->pending + self->pending_len;
    rsec_put_u32(ptr, (uint32_t)name.len);
    rsec_put_u16(ptr + 4, (uint16_t)octets.len);
    memcpy(ptr + ENTRY_HEADER, name.ptr, name.len);
    if (octets.len > 0) {
        memcpy(ptr + ENTRY_HEADER + name.len, octets.ptr, octets.len);
    }
    self->pending_len += len;
    return 0;
}

static int put_entry(PyObject *forward, PyObject *backward, rsec_view name, rsec_view octets) {
    PyObject *key = PyUnicode_DecodeUTF8((const char *)name.ptr, (Py_ssize_t)name.len, NULL);
    PyObject *value = key != NULL ? rsec_py_bytes(octets) : NULL;
    int rc = value != NULL && PyDict_SetItem(forward, key, value) == 0 ? PyDict_SetItem(backward, value, key) : -1;
    Py_XDECREF(key);
    Py_XDECREF(value);
    return rc;
}

/* Makes the dicts. When that fails everything is as it was. */
static int fill(py_bidict *self) {
    if (self->forward != NULL || self->backward != NULL) {
        return 0;
    }
    PyObject *forward = PyDict_New(), *backward = PyDict_New();
    int rc = forward != NULL && backward != NULL ? 0 : -1;
    for (size_t off = 0; rc == 0 && off < self->pending_len;) {
        const uint8_t *ptr = self->pending + off;
        rsec_view name = rsec_view_of(ptr + ENTRY_HEADER, rsec_get_u32(ptr));
        rsec_view octets = rsec_view_of(name.ptr + name.len, rsec_get_u16(ptr + 4));
        rc = put_entry(forward, backward, name, octets);
        off += ENTRY_HEADER + name.len + octets.len;
    }
    if (rc < 0) {
        Py_XDECREF(forward);
        Py_XDECREF(backward);
        return -1;
    }
    self->forward = forward;
    self->backward = backward;
    PyMem_Free(self->pending);
    self->pending = NULL;
    self->pending_len = self->pending_cap = 0;
    return 0;
}

/* --- reading and adding --- */

PyObject *rsec_py_bidict_new(rsec_py_state *state) {
    if (state->bidict_type == NULL) {
        PyObject *module = PyImport_ImportModule("pyradsec.bidict");
        state->bidict_type = module != NULL ? PyObject_GetAttrString(module, "BiDict") : NULL;
        Py_XDECREF(module);
        if (state->bidict_type != NULL && !PyObject_IsSubclass(state->bidict_type, (PyObject *)state->bidict_base)) {
            PyErr_SetString(PyExc_TypeError, "pyradsec.bidict.BiDict does not derive from BiDictBase");
            Py_CLEAR(state->bidict_type);
        }
    }
    /* Without __init__, which would make the dicts. */
    PyTypeObject *type = (PyTypeObject *)state->bidict_type;
    return type != NULL ? type->tp_alloc(type, 0) : NULL;
}

static PyObject *side_of(rsec_py_state *state, PyObject *map, bool is_forward) {
    PyObject *name = is_forward ? state->name_forward : state->name_backward;
    PyObject *side = NULL;
    if (PyObject_TypeCheck(map, state->bidict_base)) {
        py_bidict *self = (py_bidict *)map;
        if (self->pending != NULL && fill(self) < 0) {
            return NULL;
        }
        side = Py_XNewRef(is_forward ? self->forward : self->backward);
    }
    if (side == NULL) { /* another make, or a class that overrides it */
        side = PyObject_GetAttr(map, name);
    }
    if (side != NULL && !PyDict_Check(side)) {
        PyErr_Format(PyExc_TypeError, "BiDict.%U: expected a dict, found %.100s", name, Py_TYPE(side)->tp_name);
        Py_CLEAR(side);
    }
    return side;
}

PyObject *rsec_py_bidict_forward(rsec_py_state *state, PyObject *map) {
    return side_of(state, map, true);
}

PyObject *rsec_py_bidict_backward(rsec_py_state *state, PyObject *map) {
    return side_of(state, map, false);
}

int rsec_py_bidict_add(rsec_py_state *state, PyObject *map, rsec_view name, rsec_view octets) {
    if (Py_IS_TYPE(map, (PyTypeObject *)state->bidict_type)) {
        py_bidict *self = (py_bidict *)map;
        if (self->forward == NULL && self->backward == NULL) {
            return append_entry(self, name, octets);
        }
        if (self->forward != NULL && self->backward != NULL && PyDict_CheckExact(self->forward) &&
            PyDict_CheckExact(self->backward)) {
            return put_entry(self->forward, self->backward, name, octets);
        }
    }
    PyObject *done = PyObject_CallMethod(map, "add", "s#y#", (const char *)name.ptr, (Py_ssize_t)name.len,
                                         octets.len > 0 ? (const char *)octets.ptr : "", (Py_ssize_t)octets.len);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

/* --- the type --- */

static PyObject *get_forward(PyObject *op, void *closure) {
    (void)closure;
    py_bidict *self = (py_bidict *)op;
    return fill(self) == 0 ? Py_XNewRef(self->forward != NULL ? self->forward : Py_None) : NULL;
}

static PyObject *get_backward(PyObject *op, void *closure) {
    (void)closure;
    py_bidict *self = (py_bidict *)op;
    return fill(self) == 0 ? Py_XNewRef(self->backward != NULL ? self->backward : Py_None) : NULL;
}

static int set_side(py_bidict *self, PyObject **side, PyObject *value) {
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the dicts of a BiDict can be replaced, not deleted");
        return -1;
    }
    if (fill(self) < 0) {
        return -1;
    }
    Py_XSETREF(*side, Py_NewRef(value));
    return 0;
}

static int set_forward(PyObject *op, PyObject *value, void *closure) {
    (void)closure;
    return set_side((py_bidict *)op, &((py_bidict *)op)->forward, value);
}

static int set_backward(PyObject *op, PyObject *value, void *closure) {
    (void)closure;
    return set_side((py_bidict *)op, &((py_bidict *)op)->backward, value);
}

static int bidict_traverse(PyObject *op, visitproc visit, void *arg) {
    py_bidict *self = (py_bidict *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->forward);
    Py_VISIT(self->backward);
    return 0;
}

static int bidict_clear(PyObject *op) {
    py_bidict *self = (py_bidict *)op;
    Py_CLEAR(self->forward);
    Py_CLEAR(self->backward);
    return 0;
}

static void bidict_dealloc(PyObject *op) {
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)bidict_clear(op);
    PyMem_Free(((py_bidict *)op)->pending);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyGetSetDef bidict_getset[] = {
    {"forward", get_forward, set_forward, "dict: first side -> second.", NULL},
    {"backward", get_backward, set_backward, "dict: second side -> first, the later one.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot bidict_slots[] = {
    {Py_tp_doc, "The two dicts of a BiDict."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, bidict_dealloc},
    {Py_tp_traverse, bidict_traverse},
    {Py_tp_clear, bidict_clear},
    {Py_tp_getset, bidict_getset},
    {0, NULL},
};

static PyType_Spec bidict_spec = {
    .name = "pyradsec._core.BiDictBase",
    .basicsize = sizeof(py_bidict),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = bidict_slots,
};

int rsec_py_bidict_register(PyObject *module, rsec_py_state *state) {
    state->bidict_base = (PyTypeObject *)PyType_FromModuleAndSpec(module, &bidict_spec, NULL);
    if (state->bidict_base == NULL || PyModule_AddType(module, state->bidict_base) < 0) {
        return -1;
    }
    /* What attributes without a VALUE share; nobody gets to see it, so that nobody can add to it. */
    state->no_values = state->bidict_base->tp_alloc(state->bidict_base, 0);
    return state->no_values != NULL ? 0 : -1;
}
