#include "py/attribute.h"

#include "py/dictionary.h"

#include <string.h>
#include <structmember.h>

rsec_py_attribute *rsec_py_attribute_new(rsec_py_state *state, PyObject *name, PyObject *code, PyObject *vendor,
                                         rsec_data_type type) {
    bool is_container = type >= RSEC_TYPE_TLV && type <= RSEC_TYPE_EVS;
    PyObject *subs = is_container ? PyDict_New() : Py_NewRef(state->no_sub_attributes);
    if (subs == NULL) {
        return NULL;
    }
    rsec_py_attribute *self = (rsec_py_attribute *)state->attribute_type->tp_alloc(state->attribute_type, 0);
    if (self == NULL) {
        Py_DECREF(subs);
        return NULL;
    }
    PyObject_GC_UnTrack(self); /* see track */
    self->name = Py_NewRef(name);
    self->code = Py_NewRef(code);
    self->vendor = Py_NewRef(vendor);
    self->values = Py_NewRef(state->no_values);
    self->sub_attributes = subs;
    self->parent = Py_NewRef(Py_None);
    self->type = type;
    return self;
}

/* The BiDict of this attribute alone: new reference. */
static PyObject *own_values(rsec_py_state *state, rsec_py_attribute *self) {
    if (self->values == state->no_values) {
        PyObject *map = rsec_py_bidict_new(state);
        if (map == NULL) {
            return NULL;
        }
        Py_SETREF(self->values, map);
    }
    return Py_XNewRef(self->values);
}

int rsec_py_attribute_add_value(rsec_py_state *state, rsec_py_attribute *attribute, rsec_view name, rsec_view octets) {
    PyObject *values = own_values(state, attribute);
    if (values == NULL) {
        if (PyErr_Occurred() == NULL) {
            PyErr_Format(PyExc_AttributeError, "attribute %S: values is missing", attribute->name);
        }
        return -1;
    }
    int rc = rsec_py_bidict_add(state, values, name, octets);
    Py_DECREF(values);
    return rc;
}

/* Lets packets know that attributes of this kind exist: most programs have none, and then nothing is looked up for them. */
static void note_virtual(const rsec_py_attribute *attribute) {
    rsec_py_state *state = attribute->is_virtual ? rsec_py_state_of_type(Py_TYPE((PyObject *)attribute)) : NULL;
    if (state != NULL) {
        state->has_virtual = true;
    }
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
    rsec_py_state *state = rsec_py_state_of_type(Py_TYPE(op));
    PyObject *map = state != NULL ? rsec_py_bidict_new(state) : NULL;
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
    note_virtual(self);
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
    Py_TRASHCAN_BEGIN(op, attribute_dealloc) /* parents in a long chain */
        (void) attribute_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END
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

static PyObject *get_virtual(PyObject *op, void *closure) {
    (void)closure;
    return PyBool_FromLong(((rsec_py_attribute *)op)->is_virtual);
}

static int set_virtual(PyObject *op, PyObject *value, void *closure) {
    (void)closure;
    int is_virtual = value != NULL ? PyObject_IsTrue(value) : 0;
    if (is_virtual < 0) {
        return -1;
    }
    ((rsec_py_attribute *)op)->is_virtual = (char)is_virtual;
    note_virtual((rsec_py_attribute *)op);
    return 0;
}

/* Attributes are not the collector's business before somebody outside holds what could lead back to one: a dictionary has
 * thousands, and they refer to names, numbers and other attributes only. */
static void track(PyObject *op) {
    if (!PyObject_GC_IsTracked(op)) {
        PyObject_GC_Track(op);
    }
}

static PyObject **field(PyObject *op, void *offset) {
    return (PyObject **)((char *)op + (size_t)offset); // NOLINT(performance-no-int-to-ptr)
}

static PyObject *get_field(PyObject *op, void *offset) {
    PyObject *value = *field(op, offset);
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "this field of the Attribute was deleted");
    }
    return Py_XNewRef(value);
}

static int set_field(PyObject *op, PyObject *value, void *offset) {
    track(op);
    Py_XSETREF(*field(op, offset), Py_XNewRef(value));
    return 0;
}

static PyObject *get_values(PyObject *op, void *offset) {
    rsec_py_state *state = rsec_py_state_of_type(Py_TYPE(op));
    PyObject *values = state != NULL ? own_values(state, (rsec_py_attribute *)op) : NULL;
    track(op);
    return values != NULL || PyErr_Occurred() != NULL ? values : get_field(op, offset);
}

static PyObject *get_sub_attributes(PyObject *op, void *offset) {
    rsec_py_state *state = rsec_py_state_of_type(Py_TYPE(op));
    PyObject **subs = field(op, offset);
    if (state == NULL) {
        return NULL;
    }
    if (*subs == state->no_sub_attributes) {
        PyObject *own = PyDict_New();
        if (own == NULL) {
            return NULL;
        }
        Py_SETREF(*subs, own);
    }
    track(op);
    return get_field(op, offset);
}

static PyObject *attribute_repr(PyObject *op) {
    rsec_py_attribute *self = (rsec_py_attribute *)op;
    return PyUnicode_FromFormat("<Attribute %S code %S type %s>", self->name, self->code,
                                rsec_data_type_name(self->type));
}

static PyMemberDef attribute_members[] = {
    {"encrypt", T_INT, offsetof(rsec_py_attribute, encrypt), 0, "0: none, 1: User-Password, 2: salted, 3: Ascend."},
    {"has_tag", T_BOOL, offsetof(rsec_py_attribute, has_tag), 0, "Carries a tag (RFC 2868 §3.1)."},
    {"concat", T_BOOL, offsetof(rsec_py_attribute, concat), 0, "One value over several attributes (EAP-Message)."},
    {"array", T_BOOL, offsetof(rsec_py_attribute, array), 0, "Several values in one attribute."},
    {"is_sub_attribute", T_BOOL, offsetof(rsec_py_attribute, is_sub_attribute), 0, "Lives inside another one."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef attribute_getset[] = {
    {"virtual", get_virtual, set_virtual, "Never sent.", NULL},
    {"type", get_type, set_type, "The data type's name: \"string\", \"integer\" and so on.", NULL},
    {"name", get_field, set_field, "The attribute's name.", (void *)offsetof(rsec_py_attribute, name)},
    {"code", get_field, set_field, "Its number (the last one of a dotted code).",
     (void *)offsetof(rsec_py_attribute, code)},
    {"vendor", get_field, set_field, "The vendor's name, \"\" for none.", (void *)offsetof(rsec_py_attribute, vendor)},
    {"parent", get_field, set_field, "The Attribute that contains it, or None.",
     (void *)offsetof(rsec_py_attribute, parent)},
    {"values", get_values, set_field, "BiDict: VALUE name -> octets.", (void *)offsetof(rsec_py_attribute, values)},
    {"sub_attributes", get_sub_attributes, set_field, "dict: code -> name.",
     (void *)offsetof(rsec_py_attribute, sub_attributes)},
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
    state->no_sub_attributes = PyDict_New();
    return state->attribute_type != NULL && state->no_sub_attributes != NULL
               ? PyModule_AddType(module, state->attribute_type)
               : -1;
}

/* --- where a name's values are --- */

/* `found` as an Attribute with everything that the packet path relies on; TypeError otherwise. */
static int check_entry(rsec_py_state *state, PyObject *found, PyObject *name) {
    if (!PyObject_TypeCheck(found, state->attribute_type)) {
        PyErr_Format(PyExc_TypeError, "Dictionary.attributes[%R]: expected an Attribute, found %.100s", name,
                     Py_TYPE(found)->tp_name);
        return -1;
    }
    const rsec_py_attribute *attribute = (const rsec_py_attribute *)found;
    if (attribute->name == NULL || attribute->code == NULL || attribute->values == NULL || attribute->vendor == NULL ||
        attribute->sub_attributes == NULL || attribute->parent == NULL || !PyUnicode_Check(attribute->vendor)) {
        PyErr_Format(PyExc_TypeError,
                     "Dictionary.attributes[%R]: name, code, vendor, values, sub_attributes or parent is "
                     "missing or of another type",
                     name);
        return -1;
    }
    return 0;
}

/* The code of a sub-attribute into the front of place->codes. */
static int add_code(rsec_py_place *place, const rsec_py_attribute *attribute) {
    long code = PyLong_Check(attribute->code) ? PyLong_AsLong(attribute->code) : -1;
    if (code < 0 || code > 255 || place->depth == RSEC_TLV_DEPTH_MAX) {
        PyErr_Clear();
        PyErr_Format(PyExc_ValueError,
                     "attribute %S: expected codes of 0 to 255 in at most %d containers, found code %R",
                     place->attribute->name, RSEC_TLV_DEPTH_MAX, attribute->code);
        return -1;
    }
    memmove(place->codes + 1, place->codes, place->depth);
    place->codes[0] = (uint8_t)code;
    place->depth++;
    return 0;
}

/* The outermost attribute around place->attribute, itself when there is none: a new reference; codes on the way are noted. */
static rsec_py_attribute *find_root(rsec_py_state *state, rsec_py_place *place) {
    rsec_py_attribute *at = (rsec_py_attribute *)Py_NewRef(place->attribute);
    while (at->is_sub_attribute && PyObject_TypeCheck(at->parent, state->attribute_type)) {
        rsec_py_attribute *parent = (rsec_py_attribute *)Py_NewRef(at->parent);
        int rc = check_entry(state, (PyObject *)parent, place->attribute->name);
        if (rc == 0 && parent->type == RSEC_TYPE_EVS) {
            Py_DECREF(parent); /* what is inside an evs has a storage key of its own */
            return at;
        }
        rc = rc == 0 ? add_code(place, at) : rc;
        Py_DECREF(at);
        at = parent;
        if (rc < 0) {
            Py_DECREF(at);
            return NULL;
        }
    }
    return at;
}

/* The storage key of an attribute that is not inside a container: of the top level, a vendor's, or in an evs. */
static PyObject *root_key(rsec_py_state *state, PyObject *dictionary, const rsec_py_attribute *root) {
    if (!root->is_sub_attribute && PyUnicode_GetLength(root->vendor) == 0) {
        return Py_NewRef(root->code);
    }
    /* The key holds the vendor's number, which the dictionary's index knows. */
    PyObject *name = Py_NewRef(root->name); /* comparing keys may run code that replaces it */
    PyObject *forward = rsec_py_dictionary_keys(state, dictionary);
    PyObject *key = forward != NULL ? Py_XNewRef(PyDict_GetItemWithError(forward, name)) : NULL;
    if (forward != NULL && key == NULL && PyErr_Occurred() == NULL) {
        PyErr_SetObject(PyExc_KeyError, name);
    }
    Py_XDECREF(forward);
    Py_DECREF(name);
    return key;
}

int rsec_py_place_find(rsec_py_state *state, PyObject *dictionary, PyObject *name, rsec_py_place *place) {
    place->attribute = NULL;
    place->key = NULL;
    place->depth = 0;
    PyObject *attributes = rsec_py_dictionary_attributes(state, dictionary);
    if (attributes == NULL) {
        return -1;
    }
    PyObject *found = PyDict_Check(attributes) ? Py_XNewRef(PyDict_GetItemWithError(attributes, name)) : NULL;
    Py_DECREF(attributes);
    if (found == NULL) {
        return PyErr_Occurred() != NULL ? -1 : 0;
    }
    if (check_entry(state, found, name) < 0) {
        Py_DECREF(found);
        return -1;
    }
    place->attribute = (rsec_py_attribute *)found;
    if (!place->attribute->is_sub_attribute && PyUnicode_GET_LENGTH(place->attribute->vendor) == 0) {
        place->key = Py_NewRef(place->attribute->code); /* of the top level, as most are */
        return 1;
    }
    rsec_py_attribute *root = find_root(state, place);
    place->key = root != NULL ? root_key(state, dictionary, root) : NULL;
    Py_XDECREF(root);
    if (place->key == NULL) {
        Py_CLEAR(place->attribute);
        return -1;
    }
    return 1;
}

void rsec_py_place_release(rsec_py_place *place) {
    Py_CLEAR(place->attribute);
    Py_CLEAR(place->key);
}

/* --- what storage keys mean --- */

int rsec_py_tables_open(rsec_py_state *state, PyObject *dictionary, rsec_py_tables *tables) {
    *tables = (rsec_py_tables){state, NULL, NULL};
    if (dictionary == NULL || dictionary == Py_None) {
        return 0;
    }
    tables->names = rsec_py_dictionary_names(state, dictionary);
    tables->attributes = tables->names != NULL ? rsec_py_dictionary_attributes(state, dictionary) : NULL;
    if (tables->attributes == NULL || !PyDict_Check(tables->attributes)) {
        rsec_py_tables_close(tables);
        if (PyErr_Occurred() != NULL && PyErr_ExceptionMatches(PyExc_MemoryError)) {
            return -1;
        }
        PyErr_Clear(); /* a dictionary of some other make */
    }
    return 0;
}

void rsec_py_tables_close(rsec_py_tables *tables) {
    Py_CLEAR(tables->names);
    Py_CLEAR(tables->attributes);
}

/* The entry of that name; what is no Attribute counts as none. */
static int entry_of(const rsec_py_tables *tables, PyObject *name, rsec_py_attribute **attribute) {
    PyObject *found = name != NULL ? Py_XNewRef(PyDict_GetItemWithError(tables->attributes, name)) : NULL;
    if (found == NULL) {
        return PyErr_Occurred() != NULL ? -1 : 0;
    }
    if (check_entry(tables->state, found, name) < 0) {
        Py_DECREF(found);
        if (PyErr_ExceptionMatches(PyExc_MemoryError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    *attribute = (rsec_py_attribute *)found;
    return 1;
}

int rsec_py_tables_at(const rsec_py_tables *tables, PyObject *key, rsec_py_attribute **attribute) {
    *attribute = NULL;
    if (tables->names == NULL) {
        return 0;
    }
    PyObject *name = Py_XNewRef(PyDict_GetItemWithError(tables->names, key));
    int rc = entry_of(tables, name, attribute);
    Py_XDECREF(name);
    if (rc == 1 && (*attribute)->is_sub_attribute) {
        rsec_py_attribute *parent = (rsec_py_attribute *)(*attribute)->parent;
        bool is_evs = PyObject_TypeCheck((PyObject *)parent, tables->state->attribute_type) &&
                      parent->type == RSEC_TYPE_EVS;
        if (!is_evs) { /* 90.1 and attribute 1 of vendor 90 are both (90, 1) in the index */
            Py_CLEAR(*attribute);
            rc = 0;
        }
    }
    return rc;
}

int rsec_py_tables_inside(const rsec_py_tables *tables, const rsec_py_attribute *parent, long code,
                          rsec_py_attribute **attribute) {
    *attribute = NULL;
    PyObject *subs = parent != NULL ? parent->sub_attributes : NULL;
    if (tables->attributes == NULL || subs == NULL || !PyDict_Check(subs)) {
        return 0;
    }
    Py_INCREF(subs); /* comparing keys may run code that replaces it */
    PyObject *number = PyLong_FromLong(code);
    PyObject *name = number != NULL ? Py_XNewRef(PyDict_GetItemWithError(subs, number)) : NULL;
    Py_XDECREF(number);
    Py_DECREF(subs);
    int rc = entry_of(tables, name, attribute);
    Py_XDECREF(name);
    return rc;
}

size_t rsec_py_attribute_width(const rsec_py_attribute *attribute) {
    switch (attribute->type) {
    case RSEC_TYPE_BYTE:
        return 1;
    case RSEC_TYPE_SHORT:
        return 2;
    case RSEC_TYPE_INTEGER:
    case RSEC_TYPE_SIGNED:
    case RSEC_TYPE_DATE:
    case RSEC_TYPE_IPADDR:
        return 4;
    case RSEC_TYPE_ETHER:
        return 6;
    case RSEC_TYPE_INTEGER64:
    case RSEC_TYPE_IFID:
        return 8;
    case RSEC_TYPE_IPV6ADDR:
        return 16;
    default:
        return 0;
    }
}

/* --- values --- */

/* Puts the attribute's name in front of a TypeError's or ValueError's words; those about a password or a key would tell it and
 * are left out. Returns NULL. */
static PyObject *name_error(const rsec_py_attribute *attribute) {
    if (PyErr_ExceptionMatches(PyExc_ValueError) || PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyObject *type, *value, *trace;
        PyErr_Fetch(&type, &value, &trace);
        PyObject *kind = PyErr_GivenExceptionMatches(type, PyExc_ValueError) ? PyExc_ValueError : PyExc_TypeError;
        if (attribute->encrypt != 0) {
            PyErr_Format(kind, "attribute %S: expected a value that fits %s, found another one, not shown",
                         attribute->name, rsec_data_type_name(attribute->type));
        } else {
            PyErr_Format(kind, "attribute %S: %S", attribute->name, value != NULL ? value : Py_None);
        }
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(trace);
    }
    return NULL;
}

PyObject *rsec_py_attribute_encode(rsec_py_state *state, const rsec_py_attribute *attribute, PyObject *value,
                                   size_t max) {
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
    PyObject *bytes = rsec_py_encode(attribute->type, value, max);
    return bytes != NULL ? bytes : name_error(attribute);
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
    PyObject *value = rsec_py_decode(attribute->type, octets);
    return value != NULL ? value : name_error(attribute);
}
