#include "py/attribute.h"

#include "py/dictionary.h"

#include "wire/code.h"

#include <structmember.h>

/* values is a BiDict of pyradsec.bidict: name -> encoded octets. Its type is looked up once a module. */
static PyObject *new_values(PyTypeObject *type) {
    rsec_py_state *state = rsec_py_state_of_type(type);
    if (state == NULL) {
        return NULL;
    }
    if (state->bidict_type == NULL) {
        PyObject *module = PyImport_ImportModule("pyradsec.bidict");
        state->bidict_type = module != NULL ? PyObject_GetAttrString(module, "BiDict") : NULL;
        Py_XDECREF(module);
    }
    return state->bidict_type != NULL ? PyObject_CallNoArgs(state->bidict_type) : NULL;
}

static int attribute_init(PyObject *op, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"name",    "code",    "datatype", "is_sub_attribute", "vendor", "values",
                               "encrypt", "has_tag", "concat",   "virtual",          "array",  NULL};
    rsec_py_attribute *self = (rsec_py_attribute *)op;
    PyObject *name, *code, *vendor = NULL, *values = NULL;
    PyObject *datatype;
    int is_sub = 0, encrypt = 0, has_tag = 0, concat = 0, is_virtual = 0, array = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOU|pOOipppp:Attribute", keywords, &name, &code, &datatype, &is_sub,
                                     &vendor, &values, &encrypt, &has_tag, &concat, &is_virtual, &array)) {
        return -1;
    }
    const char *type_name = PyUnicode_AsUTF8(datatype);
    if (type_name == NULL) {
        return -1;
    }
    rsec_data_type type = rsec_data_type_of(type_name);
    if (type == RSEC_TYPE_COUNT) {
        PyErr_Format(PyExc_ValueError, "Invalid data type %R for attribute %R", datatype, name);
        return -1;
    }
    PyObject *map = new_values(Py_TYPE(op));
    PyObject *subs = PyDict_New();
    PyObject *none = vendor == NULL ? PyUnicode_FromString("") : NULL;
    if (map == NULL || subs == NULL || (vendor == NULL && none == NULL)) {
        goto failed;
    }
    if (values != NULL && values != Py_None) {
        PyObject *items = PyMapping_Items(values);
        if (items == NULL) {
            goto failed;
        }
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
            PyObject *pair = PyList_GET_ITEM(items, i), *done;
            done = PyObject_CallMethod(map, "add", "OO", PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1));
            if (done == NULL) {
                Py_DECREF(items);
                goto failed;
            }
            Py_DECREF(done);
        }
        Py_DECREF(items);
    }
    Py_XSETREF(self->name, Py_NewRef(name));
    Py_XSETREF(self->code, Py_NewRef(code));
    Py_XSETREF(self->vendor, vendor != NULL ? Py_NewRef(vendor) : none);
    Py_XSETREF(self->values, map);
    Py_XSETREF(self->sub_attributes, subs);
    Py_XSETREF(self->parent, Py_NewRef(Py_None));
    self->type = type;
    self->encrypt = encrypt;
    self->is_sub_attribute = (char)is_sub;
    self->has_tag = (char)has_tag;
    self->concat = (char)concat;
    self->is_virtual = (char)is_virtual;
    self->array = (char)array;
    return 0;
failed:
    Py_XDECREF(map);
    Py_XDECREF(subs);
    Py_XDECREF(none);
    return -1;
}

static int attribute_traverse(PyObject *op, visitproc visit, void *arg) {
    rsec_py_attribute *self = (rsec_py_attribute *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->name);
    Py_VISIT(self->code);
    Py_VISIT(self->vendor);
    Py_VISIT(self->values);
    Py_VISIT(self->sub_attributes);
    Py_VISIT(self->parent);
    return 0;
}

static int attribute_clear(PyObject *op) {
    rsec_py_attribute *self = (rsec_py_attribute *)op;
    Py_CLEAR(self->name);
    Py_CLEAR(self->code);
    Py_CLEAR(self->vendor);
    Py_CLEAR(self->values);
    Py_CLEAR(self->sub_attributes);
    Py_CLEAR(self->parent);
    return 0;
}

static void attribute_dealloc(PyObject *op) {
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)attribute_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *get_type(PyObject *op, void *closure) {
    (void)closure;
    return PyUnicode_FromString(rsec_data_type_name(((rsec_py_attribute *)op)->type));
}

static int set_type(PyObject *op, PyObject *value, void *closure) {
    (void)closure;
    const char *name = value != NULL && PyUnicode_Check(value) ? PyUnicode_AsUTF8(value) : NULL;
    rsec_data_type type = name != NULL ? rsec_data_type_of(name) : RSEC_TYPE_COUNT;
    if (type == RSEC_TYPE_COUNT) {
        PyErr_Format(PyExc_ValueError, "Invalid data type %R", value != NULL ? value : Py_None);
        return -1;
    }
    ((rsec_py_attribute *)op)->type = type;
    return 0;
}

static PyObject *attribute_repr(PyObject *op) {
    rsec_py_attribute *self = (rsec_py_attribute *)op;
    return PyUnicode_FromFormat("<Attribute %S code %S type %s>", self->name, self->code,
                                rsec_data_type_name(self->type));
}

static PyMemberDef attribute_members[] = {
    {"name", T_OBJECT_EX, offsetof(rsec_py_attribute, name), 0, "The attribute's name."},
    {"code", T_OBJECT_EX, offsetof(rsec_py_attribute, code), 0, "Its number (the last one of a dotted code)."},
    {"vendor", T_OBJECT_EX, offsetof(rsec_py_attribute, vendor), 0, "The vendor's name, \"\" for none."},
    {"values", T_OBJECT_EX, offsetof(rsec_py_attribute, values), 0, "BiDict: VALUE name -> octets."},
    {"sub_attributes", T_OBJECT_EX, offsetof(rsec_py_attribute, sub_attributes), 0, "dict: code -> name."},
    {"parent", T_OBJECT_EX, offsetof(rsec_py_attribute, parent), 0, "The Attribute that contains it, or None."},
    {"encrypt", T_INT, offsetof(rsec_py_attribute, encrypt), 0, "0: none, 1: User-Password, 2: salted, 3: Ascend."},
    {"has_tag", T_BOOL, offsetof(rsec_py_attribute, has_tag), 0, "Carries a tag (RFC 2868 §3.1)."},
    {"concat", T_BOOL, offsetof(rsec_py_attribute, concat), 0, "One value over several attributes (EAP-Message)."},
    {"virtual", T_BOOL, offsetof(rsec_py_attribute, is_virtual), 0, "Never sent."},
    {"array", T_BOOL, offsetof(rsec_py_attribute, array), 0, "Several values in one attribute."},
    {"is_sub_attribute", T_BOOL, offsetof(rsec_py_attribute, is_sub_attribute), 0, "Lives inside another one."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef attribute_getset[] = {
    {"type", get_type, set_type, "The data type's name: \"string\", \"integer\" and so on.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(
    attribute_doc,
    "Attribute(name, code, datatype, is_sub_attribute=False, vendor='', values=None, encrypt=0, has_tag=False,\n"
    "          concat=False, virtual=False, array=False)\n--\n\n"
    "One attribute of a Dictionary. ValueError when datatype is none of DATATYPES.");

static PyType_Slot attribute_slots[] = {
    {Py_tp_doc, (void *)attribute_doc},   {Py_tp_init, attribute_init},
    {Py_tp_new, PyType_GenericNew},       {Py_tp_dealloc, attribute_dealloc},
    {Py_tp_traverse, attribute_traverse}, {Py_tp_clear, attribute_clear},
    {Py_tp_repr, attribute_repr},         {Py_tp_members, attribute_members},
    {Py_tp_getset, attribute_getset},     {0, NULL},
};

static PyType_Spec attribute_spec = {
    .name = "pyradsec._core.Attribute",
    .basicsize = sizeof(rsec_py_attribute),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = attribute_slots,
};

int rsec_py_attribute_register(PyObject *module, rsec_py_state *state) {
    state->attribute_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &attribute_spec, NULL);
    return state->attribute_type != NULL ? PyModule_AddType(module, state->attribute_type) : -1;
}

static int find_key(rsec_py_state *state, PyObject *dictionary, PyObject *name, rsec_py_attribute **attribute,
                    PyObject **key) {
    *attribute = NULL;
    *key = NULL;
    PyObject *attributes = rsec_py_dictionary_attributes(state, dictionary);
    if (attributes == NULL) {
        return -1;
    }
    PyObject *found = PyDict_Check(attributes) ? Py_XNewRef(PyDict_GetItemWithError(attributes, name)) : NULL;
    Py_DECREF(attributes);
    if (found == NULL) {
        return PyErr_Occurred() != NULL ? -1 : 0;
    }
    if (!PyObject_TypeCheck(found, state->attribute_type)) {
        PyErr_Format(PyExc_TypeError, "Dictionary.attributes[%R]: expected an Attribute, found %.100s", name,
                     Py_TYPE(found)->tp_name);
        Py_DECREF(found);
        return -1;
    }
    *attribute = (rsec_py_attribute *)found;
    if ((*attribute)->name == NULL || (*attribute)->code == NULL || (*attribute)->values == NULL ||
        (*attribute)->vendor == NULL || !PyUnicode_Check((*attribute)->vendor)) {
        PyErr_Format(PyExc_TypeError, "Dictionary.attributes[%R]: name, code, vendor or values is missing", name);
        return -1;
    }
    if (!(*attribute)->is_sub_attribute && PyUnicode_GetLength((*attribute)->vendor) == 0) {
        *key = Py_NewRef((*attribute)->code);
        return 1;
    }
    if (PyUnicode_GetLength((*attribute)->vendor) == 0) {
        return 0; /* part of a TLV or of an extended attribute, which packets carry as octets */
    }
    /* A vendor's: the key holds the vendor's number, which the dictionary's index knows. */
    PyObject *forward = rsec_py_dictionary_keys(state, dictionary);
    if (forward == NULL) {
        return -1;
    }
    *key = Py_XNewRef(PyDict_GetItemWithError(forward, name));
    Py_DECREF(forward);
    if (*key == NULL && PyErr_Occurred() == NULL) {
        PyErr_SetObject(PyExc_KeyError, name);
    }
    if (*key != NULL && PyTuple_Check(*key) && PyTuple_GET_SIZE(*key) != 2) {
        Py_CLEAR(*key); /* part of a vendor's TLV, or in an extended attribute */
        return 0;
    }
    return *key != NULL ? 1 : -1;
}

int rsec_py_attribute_find(rsec_py_state *state, PyObject *dictionary, PyObject *name, rsec_py_attribute **attribute,
                           PyObject **key) {
    int rc = find_key(state, dictionary, name, attribute, key);
    if (rc != 1) {
        Py_CLEAR(*attribute);
    }
    return rc;
}

PyObject *rsec_py_attribute_encode(rsec_py_state *state, const rsec_py_attribute *attribute, PyObject *value) {
    if (PyUnicode_Check(value)) {
        PyObject *values = rsec_py_bidict_forward(state, attribute->values);
        PyObject *found = NULL;
        if (values != NULL && PyDict_GET_SIZE(values) > 0) {
            found = Py_XNewRef(PyDict_GetItemWithError(values, value));
        }
        Py_XDECREF(values);
        if (found != NULL && !PyBytes_Check(found)) {
            Py_DECREF(found);
            return PyErr_Format(PyExc_TypeError, "attribute %S: expected the octets of %R, found %.100s",
                                attribute->name, value, "something else");
        }
        if (found != NULL || PyErr_Occurred() != NULL) {
            return found;
        }
    }
    size_t max = attribute->concat ? RSEC_PACKET_MAX : RSEC_ATTR_VALUE_MAX;
    return rsec_py_encode(attribute->type, value, max);
}

PyObject *rsec_py_attribute_decode(rsec_py_state *state, const rsec_py_attribute *attribute, rsec_view octets) {
    PyObject *dict = rsec_py_bidict_backward(state, attribute->values);
    if (dict == NULL) {
        return NULL;
    }
    PyObject *found = NULL;
    if (PyDict_GET_SIZE(dict) > 0) {
        PyObject *bytes = rsec_py_bytes(octets);
        found = bytes != NULL ? Py_XNewRef(PyDict_GetItemWithError(dict, bytes)) : NULL;
        Py_XDECREF(bytes);
    }
    Py_DECREF(dict);
    if (found != NULL || PyErr_Occurred() != NULL) {
        return found;
    }
    return rsec_py_decode(attribute->type, octets);
}
