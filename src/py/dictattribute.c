/* ATTRIBUTE and its kin: what an attribute is, where it belongs, and the name and key it is found by. */
#include "py/dictoptions.h"

#include <string.h>

/* --- codes --- */

PyObject *rsec_py_dict_number(rsec_py_reader *reader, rsec_view text, const char *what, PyObject *name) {
    int64_t number;
    if (rsec_dictline_number(text, &number) == RSEC_OK) {
        return PyLong_FromLongLong(number);
    }
    PyObject *shown = rsec_py_dict_str(text);
    PyObject *value = shown != NULL ? PyLong_FromUnicodeObject(shown, 0) : NULL;
    if (value == NULL && shown != NULL && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        value = PyLong_FromUnicodeObject(shown, 10); /* leading zeros */
    }
    if (value == NULL && shown != NULL && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyObject *file = PyUnicode_DecodeFSDefault(reader->file->name);
        if (file != NULL) {
            (void)rsec_py_dict_raise("NumberError",
                                     PyUnicode_FromFormat("%s of %S: %R is no number", what, name, shown), file,
                                     (long long)reader->file->line.number);
            Py_DECREF(file);
        }
    }
    Py_XDECREF(shown);
    return value;
}

static rsec_py_attribute *parent_of(rsec_py_reader *reader, const rsec_py_attribute *attribute) {
    PyObject *parent = attribute->parent;
    return parent != NULL && PyObject_TypeCheck(parent, reader->state->attribute_type) ? (rsec_py_attribute *)parent
                                                                                       : NULL;
}

int rsec_py_dict_path(rsec_py_reader *reader, rsec_py_attribute *attribute, PyObject *codes[RSEC_DICT_CODES]) {
    PyObject *found[RSEC_DICT_CODES];
    int num = 0;
    do {
        if (num == RSEC_DICT_CODES || attribute->code == NULL) {
            return rsec_py_dict_fail(reader, "Attributes are nested more than %d deep", RSEC_DICT_CODES);
        }
        found[num++] = attribute->code;
        attribute = parent_of(reader, attribute);
    } while (attribute != NULL && rsec_py_attribute_is_container(attribute));
    for (int i = 0; i < num; i++) {
        codes[i] = found[num - 1 - i];
    }
    return num;
}

/* The numbers of a dotted code, new references, behind the `num` that are there. How many then, or -1. */
static int read_codes(rsec_py_reader *reader, PyObject *name, rsec_view text, PyObject *codes[], int num) {
    rsec_view part;
    while (rsec_dictline_part(&text, '.', &part)) {
        if (num == RSEC_DICT_CODES) {
            return rsec_py_dict_fail(reader, "%U: a code of more than %d numbers", name, RSEC_DICT_CODES);
        }
        codes[num] = rsec_py_dict_number(reader, part, "code of attribute", name);
        if (codes[num] == NULL) {
            return -1;
        }
        num++;
    }
    return num;
}

/* --- keys --- */

/* The key of what lies at `codes` in that vendor's space, or in the evs around it. */
static PyObject *make_key(rsec_py_reader *reader, PyObject *vendor, const rsec_py_attribute *evs,
                          PyObject *const codes[], int num) {
    const rsec_py_attribute *wrapper = evs != NULL && evs->type == RSEC_TYPE_EVS ? parent_of(reader, evs) : NULL;
    Py_ssize_t prefix = wrapper != NULL ? 2 : 0, has_vendor = PyUnicode_GET_LENGTH(vendor) > 0;
    if (num == 1 && prefix == 0 && !has_vendor) {
        return Py_NewRef(codes[0]);
    }
    PyObject *id = NULL;
    if (has_vendor) {
        id = vendor == reader->vendor ? Py_XNewRef(reader->vendor_id) : rsec_py_dict_get(reader->vendors, vendor);
        if (id == NULL) {
            if (PyErr_Occurred() == NULL) {
                (void)rsec_py_dict_fail(reader, "Unknown vendor %R", vendor);
            }
            return NULL;
        }
    }
    PyObject *key = PyTuple_New(prefix + has_vendor + num);
    if (key == NULL) {
        Py_XDECREF(id);
        return NULL;
    }
    if (wrapper != NULL) {
        PyTuple_SET_ITEM(key, 0, Py_NewRef(wrapper->code));
        PyTuple_SET_ITEM(key, 1, Py_NewRef(evs->code));
    }
    if (has_vendor) {
        PyTuple_SET_ITEM(key, prefix, id);
    }
    for (int i = 0; i < num; i++) {
        PyTuple_SET_ITEM(key, prefix + has_vendor + i, Py_NewRef(codes[i]));
    }
    bool is_plain = true;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key); i++) {
        is_plain &= PyLong_CheckExact(PyTuple_GET_ITEM(key, i)) != 0;
    }
    if (is_plain) {
        PyObject_GC_UnTrack(key); /* the collector does the same when it meets a tuple of numbers */
    }
    return key;
}

/* Packets nest these, so that nobody looks their names up by this key. It may be the key of a vendor's attribute, though,
 * which packets do store under it: 90.1 is (90, 1), and so is attribute 1 of vendor 90. */
static int add_nested_key(rsec_py_reader *reader, PyObject *name, PyObject *key) {
    PyObject *known = rsec_py_dict_get(reader->names, key);
    rsec_py_attribute *owner = known != NULL ? rsec_py_dict_attribute(reader, known) : NULL;
    bool is_taken = owner != NULL && !owner->is_sub_attribute && PyUnicode_Check(owner->vendor) &&
                    PyUnicode_GET_LENGTH(owner->vendor) > 0;
    Py_XDECREF(known);
    Py_XDECREF(owner);
    if (PyErr_Occurred() != NULL || rsec_py_dict_put(reader->keys, name, key) < 0) {
        return -1;
    }
    return is_taken ? 0 : rsec_py_dict_put(reader->names, key, name);
}

int rsec_py_dict_file_attribute(rsec_py_reader *reader, rsec_py_attribute *attribute, PyObject *name,
                                PyObject *const codes[], int num) {
    rsec_py_attribute *parent = parent_of(reader, attribute), *root = attribute;
    if (parent != NULL && rsec_py_attribute_is_container(parent)) {
        if (parent->sub_attributes == NULL || rsec_py_dict_put(parent->sub_attributes, attribute->code, name) < 0) {
            return -1;
        }
        for (rsec_py_attribute *outer = parent; outer != NULL && rsec_py_attribute_is_container(outer);
             outer = parent_of(reader, outer)) {
            root = outer;
        }
    }
    PyObject *key = make_key(reader, attribute->vendor, parent_of(reader, root), codes, num);
    int rc = key != NULL ? rsec_py_dict_put(reader->attributes, name, (PyObject *)attribute) : -1;
    if (rc == 0 && num > 1) {
        rc = add_nested_key(reader, name, key);
    } else if (rc == 0) {
        rc = rsec_py_dict_put(reader->keys, name, key) == 0 ? rsec_py_dict_put(reader->names, key, name) : -1;
    }
    Py_XDECREF(key);
    return rc;
}

/* --- where it belongs --- */

/* `found` as the attribute around `name`, which is not at that place if it is none; `found` is stolen. */
static rsec_py_attribute *check_container(rsec_py_reader *reader, rsec_py_attribute *found, PyObject *name,
                                          PyObject *vendor, PyObject *const codes[], int num) {
    if (PyErr_Occurred() != NULL) {
        Py_XDECREF(found);
        return NULL;
    }
    if (found != NULL && rsec_py_attribute_is_container(found) && PyUnicode_Check(found->vendor) &&
        PyUnicode_Compare(found->vendor, vendor) == 0) {
        return found;
    }
    Py_XDECREF(found);
    PyObject *path = PyUnicode_FromFormat("%S", codes[0]);
    for (int i = 1; path != NULL && i < num; i++) {
        Py_SETREF(path, PyUnicode_FromFormat("%U.%S", path, codes[i]));
    }
    if (path != NULL) {
        (void)rsec_py_dict_fail(reader, "%U: %U is no attribute of type tlv, extended or long-extended", name, path);
        Py_DECREF(path);
    }
    return NULL;
}

static rsec_py_attribute *attribute_at(rsec_py_reader *reader, PyObject *table, PyObject *key) {
    PyObject *name = table != NULL ? rsec_py_dict_get(table, key) : NULL;
    rsec_py_attribute *found = name != NULL ? rsec_py_dict_attribute(reader, name) : NULL;
    Py_XDECREF(name);
    return found;
}

/* The attribute around the last one of `codes`: new reference. The first `inner` codes lead to `place`, or it is NULL. */
static rsec_py_attribute *find_container(rsec_py_reader *reader, PyObject *name, PyObject *vendor,
                                         const rsec_py_attribute *evs, rsec_py_attribute *place, int inner,
                                         PyObject *const codes[], int num) {
    rsec_py_attribute *found = (rsec_py_attribute *)Py_XNewRef(place);
    int depth = inner;
    if (place == NULL) {
        PyObject *key = make_key(reader, vendor, evs, codes, 1);
        if (key == NULL) {
            return NULL;
        }
        found = attribute_at(reader, reader->names, key);
        Py_DECREF(key);
        depth = 1;
    }
    found = check_container(reader, found, name, vendor, codes, depth);
    while (found != NULL && depth < num - 1) {
        rsec_py_attribute *next = attribute_at(reader, found->sub_attributes, codes[depth++]);
        Py_DECREF(found);
        found = check_container(reader, next, name, vendor, codes, depth);
    }
    return found;
}

/* --- names --- */

static bool is_same_place(rsec_py_reader *reader, const rsec_py_attribute *known, PyObject *vendor,
                          rsec_py_attribute *parent) {
    return parent_of(reader, known) == parent && PyUnicode_Check(known->vendor) &&
           PyUnicode_Compare(known->vendor, vendor) == 0;
}

/* "Vendor.Name", or "Container.Name". */
static PyObject *qualified(PyObject *name, PyObject *vendor, rsec_py_attribute *parent) {
    PyObject *outer = parent != NULL && rsec_py_attribute_is_container(parent) ? parent->name : vendor;
    return PyUnicode_FromFormat("%S.%S", outer, name);
}

/* Gives `known`, which is filed under `name`, its qualified name. */
static int move_away(rsec_py_reader *reader, rsec_py_attribute *known, PyObject *name) {
    PyObject *codes[RSEC_DICT_CODES];
    int num = rsec_py_dict_path(reader, known, codes);
    PyObject *moved = num > 0 ? qualified(name, known->vendor, parent_of(reader, known)) : NULL;
    if (moved == NULL) {
        return -1;
    }
    Py_SETREF(known->name, Py_NewRef(moved));
    int rc = rsec_py_dict_file_attribute(reader, known, moved, codes, num);
    Py_DECREF(moved);
    return rc;
}

/* The name that a new attribute is filed under: a new reference. In FreeRADIUS 4 every vendor and every TLV has its own
 * names, so that Microsoft's CHAP-Challenge is another attribute than CHAP-Challenge. Here one of the two stays what it is,
 * the IETF's if it is one, and the other one is Microsoft.CHAP-Challenge. */
static PyObject *choose_name(rsec_py_reader *reader, PyObject *name, PyObject *vendor, rsec_py_attribute *parent) {
    rsec_py_attribute *known = reader->protocol != NULL ? rsec_py_dict_attribute(reader, name) : NULL;
    PyObject *chosen = NULL;
    if (known == NULL) {
        return PyErr_Occurred() == NULL ? Py_NewRef(name) : NULL;
    }
    bool is_alias = !PyUnicode_Check(known->name) || PyUnicode_Compare(known->name, name) != 0;
    bool is_free = is_alias || is_same_place(reader, known, vendor, parent);
    if (!is_free && (parent != NULL || PyUnicode_GET_LENGTH(vendor) > 0)) {
        chosen = qualified(name, vendor, parent);
    } else if (is_free || move_away(reader, known, name) == 0) {
        chosen = Py_NewRef(name);
    }
    Py_DECREF(known);
    return chosen;
}

int rsec_py_dict_leave_out(rsec_py_reader *reader, rsec_view name) {
    if (reader->left_out == NULL) {
        reader->left_out = PySet_New(NULL);
    }
    PyObject *text = reader->left_out != NULL ? rsec_py_dict_str(name) : NULL;
    int rc = text != NULL ? PySet_Add(reader->left_out, text) : -1;
    Py_XDECREF(text);
    return rc;
}

/* --- directives --- */

/* A number for what is the server's own business: no packet has room for a negative one. */
static PyObject *private_code(rsec_py_reader *reader) {
    for (;;) {
        PyObject *code = PyLong_FromLongLong(-(1LL << 32) - reader->names_only++);
        PyObject *known = code != NULL ? rsec_py_dict_get(reader->names, code) : NULL;
        if (known == NULL && PyErr_Occurred() == NULL) {
            return code;
        }
        Py_XDECREF(code);
        if (known == NULL) {
            return NULL;
        }
        Py_DECREF(known); /* from an earlier file */
    }
}

/* Whether `code` could be on the wire. */
static bool fits_octet(PyObject *code) {
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(code, &overflow);
    return overflow == 0 && number >= 0 && number <= 255;
}

typedef struct {
    rsec_view name, code, type, column; /* the code and the last column may be missing: ptr is NULL */
} definition;

/* Makes and files the attribute. `place` is what the code is relative to, or NULL. */
static int define_at(rsec_py_reader *reader, const definition *line, PyObject *name, const rsec_py_dict_options *set,
                     const rsec_py_dict_kind *is, rsec_py_attribute *place) {
    PyObject *codes[RSEC_DICT_CODES], *filed = NULL;
    PyObject *vendor = set->vendor != NULL ? set->vendor : place != NULL ? place->vendor : reader->vendor;
    rsec_py_attribute *made = NULL, *parent = NULL;
    const rsec_py_attribute *evs =
        reader->evs != NULL && place == NULL && PyUnicode_Compare(vendor, reader->vendor) == 0 ? reader->evs : NULL;
    bool is_internal = set->is_internal || reader->file->is_internal || line->code.ptr == NULL;
    int inner = place != NULL ? rsec_py_dict_path(reader, place, codes) : 0, num = inner, rc = -1;
    if (inner < 0) {
        return -1;
    }
    if (evs != NULL && parent_of(reader, evs) == NULL) {
        return rsec_py_dict_fail(reader, "%S is of type evs without an attribute around it", evs->name);
    }
    for (int i = inner; i < RSEC_DICT_CODES; i++) {
        codes[i] = NULL; /* those that are ours to free */
    }
    if (line->code.ptr != NULL) {
        num = read_codes(reader, name, line->code, codes, inner);
    } else if (inner < RSEC_DICT_CODES && (codes[inner] = private_code(reader)) != NULL) {
        num = inner + 1;
    }
    if (num <= inner) {
        goto done;
    }
    if (num > 1) {
        parent = find_container(reader, name, vendor, evs, place, inner, codes, num);
        if (parent == NULL) {
            goto done;
        }
    } else {
        parent = (rsec_py_attribute *)Py_XNewRef(evs);
    }
    if (is_internal && fits_octet(codes[num - 1])) {
        PyObject *code = private_code(reader);
        if (code == NULL) {
            goto done;
        }
        Py_SETREF(codes[num - 1], code);
    }
    rsec_data_type type = is->type;
    if (type == RSEC_TYPE_VSA && parent != NULL && !is_internal && parent->type != RSEC_TYPE_TLV) {
        type = RSEC_TYPE_EVS; /* in an extended attribute: FreeRADIUS 4 */
    }
    filed = choose_name(reader, name, vendor, parent);
    made = filed != NULL ? rsec_py_attribute_new(reader->state, filed, codes[num - 1], vendor, type) : NULL;
    if (made == NULL) {
        goto done;
    }
    made->encrypt = set->encrypt;
    made->has_tag = (char)set->has_tag;
    made->concat = (char)set->concat;
    made->is_virtual = (char)(set->is_virtual || is_internal || is->is_group);
    reader->state->has_virtual |= made->is_virtual != 0;
    made->array = (char)set->array;
    made->number_len = is->number_len;
    if (parent != NULL) {
        made->is_sub_attribute = true;
        Py_SETREF(made->parent, Py_NewRef(parent));
    }
    rc = rsec_py_dict_file_attribute(reader, made, filed, codes, num);
    if (rc == 0) {
        Py_XSETREF(reader->last, (rsec_py_attribute *)Py_NewRef(made));
        reader->last_name = line->name;
    }
done:
    for (int i = inner; i < RSEC_DICT_CODES && codes[i] != NULL; i++) {
        Py_DECREF(codes[i]);
    }
    Py_XDECREF(filed);
    Py_XDECREF(made);
    Py_XDECREF(parent);
    return rc;
}

/* What enum= and clone= ask for, at the end, when everything is there. */
static int note_references(rsec_py_reader *reader, const rsec_py_dict_options *set) {
    Py_ssize_t len;
    const char *name = set->values_of.ptr != NULL || set->clone_of.ptr != NULL
                           ? PyUnicode_AsUTF8AndSize(reader->last->name, &len)
                           : NULL;
    if (name == NULL) {
        return PyErr_Occurred() == NULL ? 0 : -1;
    }
    rsec_view filed = rsec_view_of(name, (size_t)len), none = {NULL, 0};
    if (set->values_of.ptr != NULL && rsec_py_dict_later(reader, RSEC_DICT_ENUM, filed, set->values_of, none) < 0) {
        return -1;
    }
    return set->clone_of.ptr != NULL && rsec_py_attribute_is_container(reader->last)
               ? rsec_py_dict_later(reader, RSEC_DICT_CLONE, filed, set->clone_of, none)
               : 0;
}

static int define(rsec_py_reader *reader, definition *line) {
    bool is_relative = line->code.ptr != NULL && line->code.ptr[0] == '.';
    rsec_py_attribute *place = NULL;
    rsec_py_dict_options set = {0};
    rsec_py_dict_kind is = {0};
    if (reader->blocks_num > 0) {
        place = reader->blocks[reader->blocks_num - 1].attribute;
    }
    if ((reader->blocks_num > 0 && place == NULL) ||
        (is_relative && reader->relative == NULL && reader->members != NULL)) {
        return rsec_py_dict_leave_out(reader, line->name); /* part of something that is octets here */
    }
    if (is_relative && reader->relative != NULL) {
        place = reader->relative;
        line->code = rsec_view_part(line->code, 1, line->code.len - 1);
    }
    PyObject *name = rsec_py_dict_str(line->name);
    Py_XINCREF(place); /* whatever a table of the user's does */
    int rc = name != NULL ? 0 : -1;
    if (rc == 0 && line->column.ptr != NULL) {
        rc = rsec_py_dict_read_options(reader, name, line->column, &set);
    }
    if (rc == 0) {
        rc = rsec_py_dict_read_kind(reader, name, line->type, &set, &is);
    }
    if (rc == 0) {
        Py_CLEAR(reader->members);
        rc = define_at(reader, line, name, &set, &is, place);
    }
    if (rc == 0 && is.is_struct) {
        reader->members = PySet_New(NULL);
        rc = reader->members != NULL ? 0 : -1;
    }
    if (rc == 0 && !is_relative) {
        bool is_container = rsec_py_attribute_is_container(reader->last);
        if (is_container || line->code.ptr == NULL) {
            Py_XSETREF(reader->relative, is_container ? (rsec_py_attribute *)Py_NewRef(reader->last) : NULL);
        }
    }
    if (rc == 0) {
        rc = note_references(reader, &set);
    }
    Py_XDECREF(set.vendor);
    Py_XDECREF(name);
    Py_XDECREF(place);
    return rc;
}

int rsec_py_dict_read_attribute(rsec_py_reader *reader, const rsec_dictline *line) {
    definition found = {.name = line->words[1], .code = line->words[2], .type = line->words[3]};
    if (line->num == 5) {
        found.column = line->words[4];
    }
    return define(reader, &found);
}

/* DEFINE name type [options]: an attribute without a number. */
int rsec_py_dict_read_define(rsec_py_reader *reader, const rsec_dictline *line) {
    if (line->num != 3 && line->num != 4) {
        return rsec_py_dict_fail(reader, "Incorrect number of tokens for define statement: %zu, not 3 or 4", line->num);
    }
    definition found = {.name = line->words[1], .type = line->words[2]};
    if (line->num == 4) {
        found.column = line->words[3];
    }
    return define(reader, &found);
}

/* ENUM name type: a name for the VALUEs that several attributes have. */
int rsec_py_dict_read_enum(rsec_py_reader *reader, const rsec_dictline *line) {
    if (line->num != 3) {
        return rsec_py_dict_fail(reader, "Incorrect number of tokens for enum statement: %zu, not 3", line->num);
    }
    definition found = {.name = line->words[1], .type = line->words[2]};
    return define(reader, &found);
}

static int add_member(rsec_py_reader *reader, rsec_view name) {
    if (reader->members == NULL) {
        reader->members = PySet_New(NULL);
    }
    PyObject *text = reader->members != NULL ? rsec_py_dict_str(name) : NULL;
    int rc = text != NULL ? PySet_Add(reader->members, text) : -1;
    Py_XDECREF(text);
    return rc == 0 ? rsec_py_dict_leave_out(reader, name) : -1;
}

/* MEMBER name type [options]: part of a struct, whose value is octets here. */
int rsec_py_dict_read_member(rsec_py_reader *reader, const rsec_dictline *line) {
    if (line->num != 3 && line->num != 4) {
        return rsec_py_dict_fail(reader, "Incorrect number of tokens for member statement: %zu, not 3 or 4", line->num);
    }
    if (reader->is_strict && reader->members == NULL && reader->blocks_num == 0) {
        return rsec_py_dict_fail(reader, "member outside of a struct");
    }
    Py_CLEAR(reader->relative); /* what is relative to a member is no attribute either */
    Py_CLEAR(reader->last);
    return add_member(reader, line->words[1]);
}

/* STRUCT name key value [options]: what a struct holds when its key has that value. */
int rsec_py_dict_read_struct(rsec_py_reader *reader, const rsec_dictline *line) {
    if (line->num != 4 && line->num != 5) {
        return rsec_py_dict_fail(reader, "Incorrect number of tokens for struct statement: %zu, not 4 or 5", line->num);
    }
    Py_CLEAR(reader->relative);
    Py_CLEAR(reader->last);
    return add_member(reader, line->words[1]);
}
