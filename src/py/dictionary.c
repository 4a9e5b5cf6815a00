#include "py/dictionary.h"

#include <structmember.h>

typedef struct {
    PyObject_HEAD PyObject *attributes, *attrindex, *vendors, *vendor_formats;
} py_dictionary;

/* --- reading --- */

/* `field`, or attribute `name` of `op` where the field is not set: another make, or a class that overrides it. */
static PyObject *field_of(PyObject *op, PyObject *field, PyObject *name) {
    return field != NULL ? Py_NewRef(field) : PyObject_GetAttr(op, name);
}

/* The fields of a dictionary of ours, or of none. */
static const py_dictionary *fields_of(const rsec_py_state *state, PyObject *dictionary) {
    static const py_dictionary none;
    return PyObject_TypeCheck(dictionary, state->dictionary_base) ? (const py_dictionary *)dictionary : &none;
}

PyObject *rsec_py_dictionary_attributes(rsec_py_state *state, PyObject *dictionary) {
    return field_of(dictionary, fields_of(state, dictionary)->attributes, state->name_attributes);
}

PyObject *rsec_py_dictionary_vendor_formats(rsec_py_state *state, PyObject *dictionary) {
    return field_of(dictionary, fields_of(state, dictionary)->vendor_formats, state->name_vendor_formats);
}

PyObject *rsec_py_dictionary_keys(rsec_py_state *state, PyObject *dictionary) {
    PyObject *index = field_of(dictionary, fields_of(state, dictionary)->attrindex, state->name_attrindex);
    PyObject *keys = index != NULL ? rsec_py_bidict_forward(state, index) : NULL;
    Py_XDECREF(index);
    return keys;
}

PyObject *rsec_py_dictionary_names(rsec_py_state *state, PyObject *dictionary) {
    PyObject *index = field_of(dictionary, fields_of(state, dictionary)->attrindex, state->name_attrindex);
    PyObject *names = index != NULL ? rsec_py_bidict_backward(state, index) : NULL;
    Py_XDECREF(index);
    return names;
}

/* --- the type --- */

static int dictionary_traverse(PyObject *op, visitproc visit, void *arg) {
    py_dictionary *self = (py_dictionary *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->attributes);
    Py_VISIT(self->attrindex);
    Py_VISIT(self->vendors);
    Py_VISIT(self->vendor_formats);
    return 0;
}

static int dictionary_clear(PyObject *op) {
    py_dictionary *self = (py_dictionary *)op;
    Py_CLEAR(self->attributes);
    Py_CLEAR(self->attrindex);
    Py_CLEAR(self->vendors);
    Py_CLEAR(self->vendor_formats);
    return 0;
}

static void dictionary_dealloc(PyObject *op) {
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)dictionary_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMemberDef dictionary_members[] = {
    {"attributes", T_OBJECT_EX, offsetof(py_dictionary, attributes), 0, "dict: name -> Attribute."},
    {"attrindex", T_OBJECT_EX, offsetof(py_dictionary, attrindex), 0, "BiDict: name -> storage key."},
    {"vendors", T_OBJECT_EX, offsetof(py_dictionary, vendors), 0, "BiDict: vendor name -> enterprise number."},
    {"vendor_formats", T_OBJECT_EX, offsetof(py_dictionary, vendor_formats), 0,
     "dict: enterprise number -> widths of type and length in octets, and whether a continuation octet follows."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot dictionary_slots[] = {
    {Py_tp_doc, "The tables of a Dictionary."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, dictionary_dealloc},
    {Py_tp_traverse, dictionary_traverse},
    {Py_tp_clear, dictionary_clear},
    {Py_tp_members, dictionary_members},
    {0, NULL},
};

static PyType_Spec dictionary_spec = {
    .name = "pyradsec._core.DictionaryBase",
    .basicsize = sizeof(py_dictionary),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = dictionary_slots,
};

int rsec_py_dictionary_register(PyObject *module, rsec_py_state *state) {
    state->dictionary_base = (PyTypeObject *)PyType_FromModuleAndSpec(module, &dictionary_spec, NULL);
    if (state->dictionary_base == NULL || rsec_py_bidict_register(module, state) < 0) {
        return -1;
    }
    return PyModule_AddType(module, state->dictionary_base);
}
