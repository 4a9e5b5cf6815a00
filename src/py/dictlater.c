/* What refers to attributes that may come later: VALUEs before their ATTRIBUTE, ALIAS, enum= and clone=. */
#include "py/dictreader.h"

#include "py/bidict.h"

#include <string.h>

/* --- references --- */

/* The attribute of that name in that place of its own names, or NULL. */
static rsec_py_attribute *in_scope(rsec_py_reader *reader, PyObject *outer, PyObject *name) {
    PyObject *full = PyUnicode_FromFormat("%S.%S", outer, name);
    rsec_py_attribute *found = full != NULL ? rsec_py_dict_attribute(reader, full) : NULL;
    Py_XDECREF(full);
    return found;
}

/* The attribute of that name: inside of FreeRADIUS 4's blocks one that belongs to what is open goes first. */
static rsec_py_attribute *by_name(rsec_py_reader *reader, PyObject *name, PyObject *vendor) {
    rsec_py_attribute *found = NULL;
    if (reader->blocks_num > 0 && reader->blocks[reader->blocks_num - 1].attribute != NULL) {
        found = in_scope(reader, reader->blocks[reader->blocks_num - 1].attribute->name, name);
    }
    if (found == NULL && PyErr_Occurred() == NULL && PyUnicode_GET_LENGTH(vendor) > 0) {
        found = in_scope(reader, vendor, name);
    }
    return found == NULL && PyErr_Occurred() == NULL ? rsec_py_dict_attribute(reader, name) : found;
}

/* Whether `outer` is what the attribute belongs to: 1, 0, -1. */
static int belongs_to(rsec_py_reader *reader, const rsec_py_attribute *attribute, rsec_view outer) {
    PyObject *parent = attribute->parent, *names[] = {attribute->vendor, NULL};
    if (parent != NULL && PyObject_TypeCheck(parent, reader->state->attribute_type)) {
        names[1] = ((rsec_py_attribute *)parent)->name;
    }
    for (size_t i = 0; i < 2; i++) {
        Py_ssize_t len;
        const char *text = names[i] != NULL && PyUnicode_Check(names[i]) ? PyUnicode_AsUTF8AndSize(names[i], &len)
                                                                         : NULL;
        if (text != NULL && (size_t)len == outer.len && memcmp(text, outer.ptr, outer.len) == 0) {
            return 1;
        }
        if (PyErr_Occurred() != NULL && !PyErr_ExceptionMatches(PyExc_UnicodeError)) {
            return -1;
        }
        PyErr_Clear(); /* a name that no file could have */
    }
    return 0;
}

/* Vendor-Specific.Microsoft.CHAP-Challenge: the last name, when it belongs to the one before it. */
static rsec_py_attribute *by_path(rsec_py_reader *reader, rsec_view path) {
    rsec_view part, last = {NULL, 0}, outer = {NULL, 0};
    while (rsec_dictline_part(&path, '.', &part)) {
        outer = last;
        last = part;
    }
    PyObject *name = rsec_py_dict_str(last), *scope = rsec_py_dict_str(outer);
    rsec_py_attribute *found = NULL;
    if (name != NULL && scope != NULL) {
        found = outer.len > 0 ? in_scope(reader, scope, name) : NULL;
        if (found == NULL && PyErr_Occurred() == NULL) {
            found = rsec_py_dict_attribute(reader, name);
            if (found != NULL && outer.len > 0 && belongs_to(reader, found, outer) != 1) {
                Py_CLEAR(found); /* with an exception, or another one's */
            }
        }
    }
    Py_XDECREF(name);
    Py_XDECREF(scope);
    return found;
}

static rsec_py_attribute *by_key(rsec_py_reader *reader, PyObject *table, PyObject *key) {
    PyObject *name = key != NULL && table != NULL ? rsec_py_dict_get(table, key) : NULL;
    rsec_py_attribute *found = name != NULL ? rsec_py_dict_attribute(reader, name) : NULL;
    Py_XDECREF(name);
    return found;
}

/* What `vendor` and `code` are in the Vendor-Specific, or evs, attribute `around`. */
static rsec_py_attribute *in_vendor(rsec_py_reader *reader, const rsec_py_attribute *around, long long vendor,
                                    long long code) {
    PyObject *key, *wrapper = around->parent;
    if (around->type == RSEC_TYPE_EVS && wrapper != NULL &&
        PyObject_TypeCheck(wrapper, reader->state->attribute_type)) {
        key = Py_BuildValue("(OOLL)", ((rsec_py_attribute *)wrapper)->code, around->code, vendor, code);
    } else {
        key = Py_BuildValue("(LL)", vendor, code);
    }
    rsec_py_attribute *found = by_key(reader, reader->names, key);
    Py_XDECREF(key);
    return found;
}

/* 241.5.1, 26.311.11. */
static rsec_py_attribute *by_code(rsec_py_reader *reader, rsec_view path) {
    rsec_py_attribute *found = NULL;
    rsec_view part;
    int64_t number, code;
    for (bool is_first = true; rsec_dictline_part(&path, '.', &part); is_first = false) {
        if (rsec_dictline_number(part, &number) != RSEC_OK) {
            Py_XDECREF(found);
            return NULL;
        }
        rsec_py_attribute *next;
        if (!is_first && (found->type == RSEC_TYPE_VSA || found->type == RSEC_TYPE_EVS)) {
            bool is_whole = rsec_dictline_part(&path, '.', &part) && rsec_dictline_number(part, &code) == RSEC_OK;
            next = is_whole ? in_vendor(reader, found, number, code) : NULL;
        } else {
            PyObject *key = PyLong_FromLongLong(number);
            next = by_key(reader, is_first ? reader->names : found->sub_attributes, key);
            Py_XDECREF(key);
        }
        Py_XDECREF(found);
        found = next;
        if (found == NULL) {
            return NULL;
        }
    }
    return found;
}

rsec_py_attribute *rsec_py_dict_resolve(rsec_py_reader *reader, rsec_view text, PyObject *vendor) {
    PyObject *name = rsec_py_dict_str(text);
    rsec_py_attribute *found = NULL;
    if (name != NULL) {
        found = reader->protocol != NULL ? by_name(reader, name, vendor) : rsec_py_dict_attribute(reader, name);
    }
    Py_XDECREF(name);
    if (found != NULL || PyErr_Occurred() != NULL || text.len == 0) {
        return found;
    }
    if (text.ptr[0] >= '0' && text.ptr[0] <= '9') {
        return by_code(reader, text);
    }
    return memchr(text.ptr, '.', text.len) != NULL ? by_path(reader, text) : NULL;
}

/* --- notes --- */

int rsec_py_dict_later(rsec_py_reader *reader, rsec_py_dict_job job, rsec_view one, rsec_view two, rsec_view three) {
    if (reader->later == NULL) {
        reader->later = PyList_New(0);
    }
    PyObject *note = reader->later == NULL
                         ? NULL
                         : Py_BuildValue(
                               "(iyns#s#s#O)", (int)job, reader->file->name, (Py_ssize_t)reader->file->line.number,
                               (const char *)one.ptr, (Py_ssize_t)one.len, (const char *)two.ptr, (Py_ssize_t)two.len,
                               three.ptr != NULL ? (const char *)three.ptr : "", (Py_ssize_t)three.len, reader->vendor);
    int rc = note != NULL ? PyList_Append(reader->later, note) : -1;
    Py_XDECREF(note);
    return rc;
}

/* --- what the notes ask for --- */

static rsec_view view_of(PyObject *text) {
    Py_ssize_t len;
    const char *utf8 = PyUnicode_AsUTF8AndSize(text, &len);
    return utf8 != NULL ? rsec_view_of(utf8, (size_t)len) : (rsec_view){NULL, 0};
}

static int late_value(rsec_py_reader *reader, PyObject *attribute, PyObject *name, PyObject *text, PyObject *vendor) {
    rsec_view wanted = view_of(attribute), one = view_of(name), two = view_of(text);
    if (wanted.ptr == NULL || one.ptr == NULL || two.ptr == NULL) {
        return -1;
    }
    rsec_py_attribute *found = rsec_py_dict_resolve(reader, wanted, vendor);
    if (found != NULL) {
        int rc = rsec_py_dict_add_value(reader, found, one, two);
        Py_DECREF(found);
        return rc;
    }
    int is_known = PyErr_Occurred() != NULL   ? -1
                   : reader->left_out != NULL ? PySet_Contains(reader->left_out, attribute)
                                              : 0;
    if (is_known != 0) {
        return is_known < 0 ? -1 : 0;
    }
    return rsec_py_dict_fail(reader, "VALUE for unknown attribute %R", attribute);
}

/* An alias is one more name for the same Attribute; decoding goes on to report the first one. */
static int add_alias(rsec_py_reader *reader, PyObject *name, PyObject *reference, PyObject *vendor) {
    rsec_view wanted = view_of(reference);
    rsec_py_attribute *found = wanted.ptr != NULL ? rsec_py_dict_resolve(reader, wanted, vendor) : NULL;
    if (found == NULL) {
        return PyErr_Occurred() != NULL
                   ? -1
                   : rsec_py_dict_fail(reader, "alias %U for the unknown attribute %R", name, reference);
    }
    rsec_py_attribute *known = rsec_py_dict_attribute(reader, name);
    int rc = PyErr_Occurred() != NULL ? -1 : 0;
    if (rc == 0 && (known == NULL || known == found)) {
        PyObject *key = rsec_py_dict_get(reader->keys, found->name);
        rc = key != NULL && rsec_py_dict_put(reader->attributes, name, (PyObject *)found) == 0
                 ? rsec_py_dict_put(reader->keys, name, key)
                 : -1;
        if (key == NULL && PyErr_Occurred() == NULL) {
            (void)rsec_py_dict_fail(reader, "alias %U: %R has no key in attrindex", name, reference);
        }
        Py_XDECREF(key);
    } else if (rc == 0 && reader->is_strict) {
        rc = rsec_py_dict_fail(reader, "alias %U is the name of another attribute", name);
    } /* otherwise the attribute keeps its name */
    Py_XDECREF(known);
    Py_DECREF(found);
    return rc;
}

/* VALUEs of the one for the other one. */
static int copy_values(rsec_py_reader *reader, const rsec_py_attribute *from, rsec_py_attribute *to) {
    if (from->values == NULL || from->values == reader->state->no_values || from == to) {
        return 0;
    }
    PyObject *forward = rsec_py_bidict_forward(reader->state, from->values);
    PyObject *items = forward != NULL ? PyDict_Items(forward) : NULL;
    int rc = items != NULL ? 0 : -1;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *name = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0);
        PyObject *octets = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 1);
        if (PyUnicode_Check(name) && PyBytes_Check(octets)) {
            rsec_view text = view_of(name);
            rc = text.ptr != NULL ? rsec_py_attribute_add_value(reader->state, to, text, rsec_py_bytes_view(octets))
                                  : -1;
        }
    }
    Py_XDECREF(items);
    Py_XDECREF(forward);
    return rc;
}

static PyObject *clone_name(const rsec_py_attribute *from, const rsec_py_attribute *child,
                            const rsec_py_attribute *to) {
    PyObject *prefix = PyUnicode_FromFormat("%S.", from->name), *rest = NULL, *made = NULL;
    if (prefix != NULL && PyUnicode_Check(child->name)) {
        Py_ssize_t is_qualified = PyUnicode_Tailmatch(child->name, prefix, 0, PY_SSIZE_T_MAX, -1);
        rest = is_qualified < 0
                   ? NULL
                   : PyUnicode_Substring(child->name, is_qualified ? PyUnicode_GET_LENGTH(prefix) : 0, PY_SSIZE_T_MAX);
    }
    if (rest != NULL) {
        made = PyUnicode_FromFormat("%S.%U", to->name, rest);
    }
    Py_XDECREF(prefix);
    Py_XDECREF(rest);
    return made;
}

static int copy_children(rsec_py_reader *reader, const rsec_py_attribute *from, rsec_py_attribute *to);

static int copy_child(rsec_py_reader *reader, const rsec_py_attribute *from, const rsec_py_attribute *child,
                      rsec_py_attribute *to) {
    PyObject *codes[RSEC_DICT_CODES];
    if (reader->clones++ == RSEC_DICT_CLONES) {
        return rsec_py_dict_fail(reader, "clone= makes more than %d attributes", RSEC_DICT_CLONES);
    }
    PyObject *name = clone_name(from, child, to);
    rsec_py_attribute *made = NULL;
    int rc = -1;
    if (name != NULL && child->code != NULL) {
        made = rsec_py_attribute_new(reader->state, name, child->code, to->vendor, child->type);
    }
    if (made != NULL) {
        made->encrypt = child->encrypt;
        made->has_tag = child->has_tag;
        made->concat = child->concat;
        made->is_virtual = child->is_virtual;
        made->array = child->array;
        made->number_len = child->number_len;
        made->is_sub_attribute = true;
        Py_SETREF(made->parent, Py_NewRef(to));
        int num = copy_values(reader, child, made) == 0 ? rsec_py_dict_path(reader, made, codes) : -1;
        rc = num > 0 ? rsec_py_dict_file_attribute(reader, made, name, codes, num) : -1;
        if (rc == 0 && rsec_py_attribute_is_container(child)) {
            rc = copy_children(reader, child, made);
        }
    }
    Py_XDECREF(name);
    Py_XDECREF(made);
    return rc;
}

/* What `to` does not hold and `from` does. */
static int copy_children(rsec_py_reader *reader, const rsec_py_attribute *from, rsec_py_attribute *to) {
    if (from->sub_attributes == NULL || to->sub_attributes == NULL || from == to) {
        return 0;
    }
    PyObject *items = PyMapping_Items(from->sub_attributes);
    int rc = items != NULL ? 0 : -1;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *code = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0);
        PyObject *name = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 1);
        PyObject *own = rsec_py_dict_get(to->sub_attributes, code);
        rsec_py_attribute *child = own == NULL && PyErr_Occurred() == NULL ? rsec_py_dict_attribute(reader, name)
                                                                           : NULL;
        rc = PyErr_Occurred() != NULL ? -1 : child != NULL ? copy_child(reader, from, child, to) : 0;
        Py_XDECREF(own);
        Py_XDECREF(child);
    }
    Py_XDECREF(items);
    return rc;
}

/* Whether `inner` is `outer`, or lies in it. */
static bool contains(rsec_py_reader *reader, const rsec_py_attribute *outer, const rsec_py_attribute *inner) {
    for (int depth = 0; inner != outer && depth < RSEC_DICT_CODES; depth++) {
        PyObject *parent = inner->parent;
        if (parent == NULL || !PyObject_TypeCheck(parent, reader->state->attribute_type)) {
            return false;
        }
        inner = (const rsec_py_attribute *)parent;
    }
    return inner == outer;
}

/* enum= and clone=. */
static int take_over(rsec_py_reader *reader, bool is_clone, PyObject *name, PyObject *reference, PyObject *vendor) {
    rsec_view wanted = view_of(reference);
    rsec_py_attribute *to = rsec_py_dict_attribute(reader, name);
    rsec_py_attribute *from = wanted.ptr != NULL && PyErr_Occurred() == NULL
                                  ? rsec_py_dict_resolve(reader, wanted, vendor)
                                  : NULL;
    int rc = PyErr_Occurred() != NULL ? -1 : 0;
    if (rc == 0 && to != NULL && from != NULL && is_clone && contains(reader, from, to)) {
        rc = rsec_py_dict_fail(reader, "attribute %U is a clone of %R, which it is a part of", name, reference);
    } else if (rc == 0 && to != NULL && from != NULL && is_clone && rsec_py_attribute_is_container(from)) {
        rc = copy_children(reader, from, to);
    } else if (rc == 0 && to != NULL && from != NULL && !is_clone && from->type == to->type &&
               from->number_len == to->number_len) {
        rc = copy_values(reader, from, to);
    } else if (rc == 0 && to != NULL && reader->is_strict) {
        rc = rsec_py_dict_fail(reader, "attribute %U: %R is no attribute of its type", name, reference);
    }
    Py_XDECREF(to);
    Py_XDECREF(from);
    return rc;
}

static int do_job(rsec_py_reader *reader, PyObject *note, rsec_py_dict_job job) {
    PyObject *one = PyTuple_GET_ITEM(note, 3), *two = PyTuple_GET_ITEM(note, 4), *vendor = PyTuple_GET_ITEM(note, 6);
    switch (job) {
    case RSEC_DICT_VALUE:
        return late_value(reader, one, two, PyTuple_GET_ITEM(note, 5), vendor);
    case RSEC_DICT_ALIAS:
        return add_alias(reader, one, two, vendor);
    default:
        return take_over(reader, job == RSEC_DICT_CLONE, one, two, vendor);
    }
}

int rsec_py_dict_finish(rsec_py_reader *reader) {
    /* VALUEs may name an alias, and what is copied is complete. */
    static const rsec_py_dict_job order[] = {RSEC_DICT_ALIAS, RSEC_DICT_VALUE, RSEC_DICT_ENUM, RSEC_DICT_CLONE};
    int rc = 0;
    for (size_t i = 0; reader->later != NULL && i < sizeof order / sizeof *order; i++) {
        for (Py_ssize_t at = 0; rc == 0 && at < PyList_GET_SIZE(reader->later); at++) {
            PyObject *note = PyList_GET_ITEM(reader->later, at);
            if (PyLong_AsLong(PyTuple_GET_ITEM(note, 0)) == (long)order[i]) {
                rsec_py_dict_file place = {.name = PyBytes_AS_STRING(PyTuple_GET_ITEM(note, 1)),
                                           .line.number = PyLong_AsSize_t(PyTuple_GET_ITEM(note, 2))};
                reader->file = &place; /* what is wrong is wrong there */
                rc = do_job(reader, note, order[i]);
                reader->file = NULL;
            }
        }
    }
    return rc;
}
