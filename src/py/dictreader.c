#include "py/dictreader.h"

#include "py/dictionary.h"

#include <stdarg.h>
#include <string.h>

/* --- mistakes --- */

int rsec_py_dict_raise(const char *type, PyObject *text, PyObject *file, long long line) {
    PyObject *kind, *cause, *traceback;
    if (text == NULL) {
        return -1;
    }
    PyErr_Fetch(&kind, &cause, &traceback);
    if (kind != NULL) {
        PyErr_NormalizeException(&kind, &cause, &traceback);
    }
    PyObject *module = PyImport_ImportModule("pyradsec.dictionary");
    PyObject *made = module != NULL ? PyObject_GetAttrString(module, type) : NULL;
    PyObject *args = PyTuple_Pack(1, text);
    PyObject *place = Py_BuildValue("{s:O,s:L}", "file", file, "line", line);
    PyObject *error = made != NULL && args != NULL && place != NULL ? PyObject_Call(made, args, place) : NULL;
    if (error != NULL) {
        if (cause != NULL) {
            PyException_SetCause(error, Py_NewRef(cause));
        }
        PyErr_SetObject(made, error);
    }
    Py_DECREF(text);
    Py_XDECREF(module);
    Py_XDECREF(made);
    Py_XDECREF(args);
    Py_XDECREF(place);
    Py_XDECREF(error);
    Py_XDECREF(kind);
    Py_XDECREF(cause);
    Py_XDECREF(traceback);
    return -1;
}

int rsec_py_dict_fail(rsec_py_reader *reader, const char *format, ...) {
    va_list values;
    va_start(values, format);
    PyObject *text = PyUnicode_FromFormatV(format, values);
    va_end(values);
    PyObject *name = text != NULL ? PyUnicode_DecodeFSDefault(reader->file->name) : NULL;
    if (name == NULL) {
        Py_XDECREF(text);
        return -1;
    }
    (void)rsec_py_dict_raise("ParseError", text, name, (long long)reader->file->line.number);
    Py_DECREF(name);
    return -1;
}

static int fail_count(rsec_py_reader *reader, const char *what, const char *expected) {
    return rsec_py_dict_fail(reader, "Incorrect number of tokens for %s: %zu, not %s", what, reader->file->line.num,
                             expected);
}

/* rsec_py_dict_fail with `word` quoted for "%R". */
static int fail_word(rsec_py_reader *reader, const char *format, rsec_view word) {
    PyObject *text = rsec_py_dict_str(word);
    if (text != NULL) {
        (void)rsec_py_dict_fail(reader, format, text);
        Py_DECREF(text);
    }
    return -1;
}

/* --- tables --- */

PyObject *rsec_py_dict_get(PyObject *table, PyObject *key) {
    if (PyDict_CheckExact(table)) {
        return Py_XNewRef(PyDict_GetItemWithError(table, key));
    }
    PyObject *value = PyObject_GetItem(table, key);
    if (value == NULL && PyErr_ExceptionMatches(PyExc_LookupError)) {
        PyErr_Clear();
    }
    return value;
}

int rsec_py_dict_put(PyObject *table, PyObject *key, PyObject *value) {
    return PyDict_CheckExact(table) ? PyDict_SetItem(table, key, value) : PyObject_SetItem(table, key, value);
}

rsec_py_attribute *rsec_py_dict_attribute(rsec_py_reader *reader, PyObject *name) {
    PyObject *found = rsec_py_dict_get(reader->attributes, name);
    if (found != NULL && !PyObject_TypeCheck(found, reader->state->attribute_type)) {
        PyErr_Format(PyExc_TypeError, "Dictionary.attributes[%R]: expected an Attribute, found %.100s", name,
                     Py_TYPE(found)->tp_name);
        Py_CLEAR(found);
    }
    return (rsec_py_attribute *)found;
}

/* --- vendors --- */

/* The numbers of "T,L" or "T,L,c". RSEC_ATTR_VALUE: it is not written like that. */
static rsec_status parse_format(rsec_view text, int64_t *type_len, int64_t *len_len, bool *is_continued) {
    rsec_view part[3];
    size_t num = 0;
    while (num < 3 && rsec_dictline_part(&text, ',', &part[num])) {
        num++;
    }
    *is_continued = num == 3;
    if (num < 2 || text.ptr != NULL || (num == 3 && !rsec_dictline_equals(part[2], "c")) ||
        rsec_dictline_number(part[0], type_len) != RSEC_OK) {
        return RSEC_ATTR_VALUE;
    }
    return rsec_dictline_number(part[1], len_len);
}

static PyObject *vendor_format(rsec_py_reader *reader, rsec_view name, rsec_view option) {
    rsec_view value = option, key;
    int64_t type_len = 0, len_len = 0;
    bool is_continued = false;
    PyObject *triple = NULL, *vendor = rsec_py_dict_str(name), *text = rsec_py_dict_str(option);
    if (vendor == NULL || text == NULL) {
        goto done;
    }
    (void)rsec_dictline_part(&value, '=', &key);
    if (!rsec_dictline_equals(key, "format")) {
        (void)rsec_py_dict_fail(reader, "Unknown option %R for vendor %U", text, vendor);
    } else if (value.ptr == NULL || parse_format(value, &type_len, &len_len, &is_continued) != RSEC_OK) {
        (void)rsec_py_dict_fail(reader, "Syntax error in vendor %U: %R is not format=T,L[,c]", vendor, text);
    } else if ((type_len != 1 && type_len != 2 && type_len != 4) || len_len < 0 || len_len > 2) {
        (void)rsec_py_dict_fail(reader, "Unknown vendor format %R of %U: T is 1, 2 or 4, L is 0, 1 or 2", text, vendor);
    } else {
        triple = Py_BuildValue("(LLO)", (long long)type_len, (long long)len_len, is_continued ? Py_True : Py_False);
    }
done:
    Py_XDECREF(vendor);
    Py_XDECREF(text);
    return triple;
}

/* The enterprise number that `text` is. */
static PyObject *vendor_number(rsec_py_reader *reader, rsec_view text, PyObject *name) {
    enum { MOST = 0xffffff };
    int64_t number;
    PyObject *shown = rsec_py_dict_str(text);
    PyObject *value = shown == NULL                                    ? NULL
                      : rsec_dictline_number(text, &number) == RSEC_OK ? PyLong_FromLongLong(number)
                                                                       : PyLong_FromUnicodeObject(shown, 0);
    int overflow = 0;
    if (value == NULL && shown != NULL && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        (void)rsec_py_dict_fail(reader, "Invalid vendor id %R of %U", shown, name);
    } else if (value != NULL) {
        long long found = PyLong_AsLongLongAndOverflow(value, &overflow);
        if (overflow != 0 || found < 0 || found > MOST) {
            (void)rsec_py_dict_fail(reader, "Vendor id %S of %U is out of range: 0 to %d", value, name, MOST);
            Py_CLEAR(value);
        }
    }
    Py_XDECREF(shown);
    return value;
}

static int read_vendor(rsec_py_reader *reader, const rsec_dictline *line) {
    if (line->num != 3 && line->num != 4) {
        return fail_count(reader, "vendor definition", "3 or 4");
    }
    PyObject *name = rsec_py_dict_str(line->words[1]);
    PyObject *number = name != NULL ? vendor_number(reader, line->words[2], name) : NULL;
    PyObject *format = number != NULL && line->num == 4 ? vendor_format(reader, line->words[1], line->words[3]) : NULL;
    int rc = number != NULL && (format != NULL || line->num == 3) ? 0 : -1;
    if (rc == 0 && (rsec_py_dict_put(reader->vendors, name, number) < 0 ||
                    rsec_py_dict_put(reader->vendor_names, number, name) < 0 ||
                    (format != NULL && rsec_py_dict_put(reader->formats, number, format) < 0))) {
        rc = -1;
    }
    Py_XDECREF(name);
    Py_XDECREF(number);
    Py_XDECREF(format);
    Py_CLEAR(reader->relative);
    return rc;
}

/* --- blocks --- */

static void forget_last(rsec_py_reader *reader) {
    Py_CLEAR(reader->last);
    Py_CLEAR(reader->members);
}

/* A block begins or ends: nothing is relative to what came before. */
static void change_place(rsec_py_reader *reader) {
    forget_last(reader);
    Py_CLEAR(reader->relative);
}

static void close_blocks(rsec_py_reader *reader) {
    while (reader->blocks_num > 0) {
        rsec_py_dict_block *block = &reader->blocks[--reader->blocks_num];
        Py_CLEAR(block->name);
        Py_CLEAR(block->attribute);
    }
}

static void close_vendor(rsec_py_reader *reader) {
    close_blocks(reader);
    Py_XSETREF(reader->vendor, Py_NewRef(reader->no_vendor));
    Py_CLEAR(reader->vendor_id);
    Py_CLEAR(reader->evs);
}

/* The attribute of type evs that parent= names. */
static rsec_py_attribute *evs_of(rsec_py_reader *reader, PyObject *vendor, rsec_view option) {
    rsec_view parent = option, key;
    PyObject *text = rsec_py_dict_str(option);
    rsec_py_attribute *found = NULL;
    if (text == NULL) {
        return NULL;
    }
    (void)rsec_dictline_part(&parent, '=', &key);
    if (!rsec_dictline_equals(key, "parent") && !rsec_dictline_equals(key, "format")) { /* FreeRADIUS 3: format= */
        (void)rsec_py_dict_fail(reader, "Unknown option %R for begin-vendor, not parent=", text);
    } else {
        found = parent.ptr != NULL ? rsec_py_dict_resolve(reader, parent, reader->no_vendor) : NULL;
        if (found == NULL && PyErr_Occurred() == NULL) {
            (void)rsec_py_dict_fail(reader, "begin-vendor %U: %R is an unknown attribute, not one of type evs", vendor,
                                    text);
        } else if (found != NULL && found->type != RSEC_TYPE_EVS) {
            (void)rsec_py_dict_fail(reader, "begin-vendor %U: %R is of type %s, not one of type evs", vendor, text,
                                    rsec_data_type_name(found->type));
            Py_CLEAR(found);
        }
    }
    Py_DECREF(text);
    return found;
}

static int read_begin_vendor(rsec_py_reader *reader, const rsec_dictline *line) {
    if (line->num != 2 && line->num != 3) {
        return fail_count(reader, "begin-vendor statement", "2 or 3");
    }
    PyObject *name = rsec_py_dict_str(line->words[1]);
    PyObject *number = name != NULL ? rsec_py_dict_get(reader->vendors, name) : NULL;
    rsec_py_attribute *evs = NULL;
    int rc = number != NULL ? 0 : -1;
    if (name != NULL && number == NULL && PyErr_Occurred() == NULL) {
        (void)rsec_py_dict_fail(reader, "Unknown vendor %R in begin-vendor statement", name);
    }
    bool is_root = line->num == 3 && (rsec_dictline_equals(line->words[2], "parent=Vendor-Specific") ||
                                      rsec_dictline_equals(line->words[2], "parent=26"));
    if (rc == 0 && line->num == 3 && !is_root) {
        evs = evs_of(reader, name, line->words[2]);
        rc = evs != NULL ? 0 : -1;
    }
    if (rc == 0) {
        change_place(reader);
        close_vendor(reader);
        Py_SETREF(reader->vendor, Py_NewRef(name));
        reader->vendor_id = Py_NewRef(number);
        reader->evs = (rsec_py_attribute *)Py_XNewRef(evs);
    }
    Py_XDECREF(evs);
    Py_XDECREF(number);
    Py_XDECREF(name);
    return rc;
}

static int read_end_vendor(rsec_py_reader *reader, const rsec_dictline *line) {
    if (line->num != 2) {
        return fail_count(reader, "end-vendor statement", "2");
    }
    PyObject *name = rsec_py_dict_str(line->words[1]);
    int differ = name != NULL ? PyUnicode_Compare(name, reader->vendor) : -1;
    if (name != NULL && PyErr_Occurred() == NULL && differ != 0) {
        (void)rsec_py_dict_fail(reader, "end-vendor %R does not match the open vendor %R", name, reader->vendor);
    }
    Py_XDECREF(name);
    if (differ != 0 || PyErr_Occurred() != NULL) {
        return -1;
    }
    if (reader->is_strict && reader->blocks_num > 0) {
        return rsec_py_dict_fail(reader, "end-vendor inside of begin-tlv %R",
                                 reader->blocks[reader->blocks_num - 1].name);
    }
    change_place(reader);
    close_vendor(reader);
    return 0;
}

/* BEGIN-TLV name, and BEGIN name. What is no TLV has members, which are no attributes in RADIUS. */
static int read_begin_tlv(rsec_py_reader *reader, const rsec_dictline *line) {
    if (line->num != 2) {
        return fail_count(reader, "begin-tlv statement", "2");
    }
    if (reader->blocks_num == RSEC_DICT_BLOCKS) {
        return rsec_py_dict_fail(reader, "begin-tlv is nested more than %d deep", RSEC_DICT_BLOCKS);
    }
    rsec_py_attribute *outer = reader->blocks_num > 0 ? reader->blocks[reader->blocks_num - 1].attribute : NULL;
    rsec_py_attribute *found = NULL;
    if (outer != NULL || reader->blocks_num == 0) {
        found = rsec_py_dict_resolve(reader, line->words[1], reader->vendor);
        if (found == NULL && PyErr_Occurred() != NULL) {
            return -1;
        }
        if (found == NULL && reader->is_strict) {
            return fail_word(reader, "begin-tlv of the unknown attribute %R", line->words[1]);
        }
        if (found != NULL && !rsec_py_attribute_is_container(found)) {
            Py_CLEAR(found);
        }
    }
    PyObject *name = rsec_py_dict_str(line->words[1]);
    if (name == NULL) {
        Py_XDECREF(found);
        return -1;
    }
    change_place(reader);
    reader->blocks[reader->blocks_num++] = (rsec_py_dict_block){name, found};
    return 0;
}

/* END-TLV name, END name, END. */
static int read_end_tlv(rsec_py_reader *reader, const rsec_dictline *line, bool is_named) {
    if (line->num > 2 || (is_named && line->num != 2)) {
        return fail_count(reader, "end-tlv statement", "2");
    }
    if (reader->blocks_num == 0) {
        return rsec_py_dict_fail(reader, "end-tlv without a begin-tlv");
    }
    rsec_py_dict_block *block = &reader->blocks[reader->blocks_num - 1];
    PyObject *name = line->num == 2 ? rsec_py_dict_str(line->words[1]) : Py_NewRef(block->name);
    int differ = name != NULL ? PyUnicode_Compare(name, block->name) : -1;
    if (name != NULL && differ != 0 && PyErr_Occurred() == NULL) {
        (void)rsec_py_dict_fail(reader, "end-tlv %R does not match the open begin-tlv %R", name, block->name);
    }
    Py_XDECREF(name);
    if (differ != 0 || PyErr_Occurred() != NULL) {
        return -1;
    }
    change_place(reader);
    reader->blocks_num--;
    Py_CLEAR(block->name);
    Py_CLEAR(block->attribute);
    return 0;
}

static int begin_protocol(rsec_py_reader *reader, rsec_view name) {
    if (reader->protocol != NULL) {
        return rsec_py_dict_fail(reader, "begin-protocol inside of begin-protocol %R", reader->protocol);
    }
    PyObject *text = rsec_py_dict_str(name);
    if (text == NULL) {
        return -1;
    }
    change_place(reader);
    close_vendor(reader);
    reader->protocol = text;
    reader->is_other_protocol = !rsec_dictline_is(name, "RADIUS");
    return 0;
}

static int read_end_protocol(rsec_py_reader *reader, const rsec_dictline *line) {
    if (line->num != 2) {
        return fail_count(reader, "end-protocol statement", "2");
    }
    PyObject *name = rsec_py_dict_str(line->words[1]);
    if (name == NULL) {
        return -1;
    }
    int rc = 0;
    if (reader->protocol == NULL || PyUnicode_Compare(name, reader->protocol) != 0) {
        rc = PyErr_Occurred() != NULL
                 ? -1
                 : rsec_py_dict_fail(reader, "end-protocol %R does not match the open protocol", name);
    }
    Py_DECREF(name);
    if (rc == 0) {
        change_place(reader);
        close_vendor(reader);
        Py_CLEAR(reader->protocol);
        reader->is_other_protocol = false;
    }
    return rc;
}

static int read_begin_protocol(rsec_py_reader *reader, const rsec_dictline *line) {
    return line->num == 2 ? begin_protocol(reader, line->words[1])
                          : fail_count(reader, "begin-protocol statement", "2");
}

static int read_protocol(rsec_py_reader *reader, const rsec_dictline *line) {
    return line->num == 3 || line->num == 4 ? 0 : fail_count(reader, "protocol definition", "3 or 4");
}

/* BEGIN name, or BEGIN PROTOCOL name number. */
static int read_begin(rsec_py_reader *reader, const rsec_dictline *line) {
    if (line->num >= 4 && rsec_dictline_is(line->words[1], "PROTOCOL")) {
        return begin_protocol(reader, line->words[2]);
    }
    return read_begin_tlv(reader, line);
}

static int read_flags(rsec_py_reader *reader, const rsec_dictline *line) {
    if (line->num == 2 && rsec_dictline_equals(line->words[1], "internal")) {
        reader->file->is_internal = true;
    } else if (line->num == 2 && rsec_dictline_equals(line->words[1], "!internal")) {
        reader->file->is_internal = false;
    } else if (reader->is_strict && (line->num != 2 || (!rsec_dictline_equals(line->words[1], "auto_begin") &&
                                                        !rsec_dictline_equals(line->words[1], "!auto_begin")))) {
        return rsec_py_dict_fail(reader, "Unknown flags, not internal");
    }
    return 0;
}

/* --- lines --- */

/* What is left of a block of another protocol: its end. */
static int read_other_protocol(rsec_py_reader *reader, const rsec_dictline *line) {
    return rsec_dictline_is(line->words[0], "END-PROTOCOL") ? read_end_protocol(reader, line) : 0;
}

/* The directives that are rare; false when it is none of them. */
static bool read_rare(rsec_py_reader *reader, const rsec_dictline *line, int *rc) {
    static const struct {
        const char *word;
        int (*read)(rsec_py_reader *reader, const rsec_dictline *line);
    } directives[] = {
        {"VENDOR", read_vendor},
        {"BEGIN-VENDOR", read_begin_vendor},
        {"END-VENDOR", read_end_vendor},
        {"BEGIN-TLV", read_begin_tlv},
        {"BEGIN", read_begin},
        {"MEMBER", rsec_py_dict_read_member},
        {"STRUCT", rsec_py_dict_read_struct},
        {"DEFINE", rsec_py_dict_read_define},
        {"ENUM", rsec_py_dict_read_enum},
        {"FLAGS", read_flags},
        {"PROTOCOL", read_protocol},
        {"BEGIN-PROTOCOL", read_begin_protocol},
        {"END-PROTOCOL", read_end_protocol},
    };
    for (size_t i = 0; i < sizeof directives / sizeof *directives; i++) {
        if (rsec_dictline_is(line->words[0], directives[i].word)) {
            *rc = directives[i].read(reader, line);
            return true;
        }
    }
    return false;
}

static int read_line(rsec_py_reader *reader, const rsec_dictline *line) {
    rsec_view word = line->words[0];
    int rc = 0;
    if (reader->is_other_protocol) {
        return read_other_protocol(reader, line);
    }
    if (rsec_dictline_is(word, "VALUE")) {
        return line->num == 4 ? rsec_py_dict_read_value(reader, line) : fail_count(reader, "value definition", "4");
    }
    if (rsec_dictline_is(word, "ATTRIBUTE")) {
        return line->num == 4 || line->num == 5 ? rsec_py_dict_read_attribute(reader, line)
                                                : fail_count(reader, "attribute definition", "4 or 5");
    }
    if (rsec_dictline_is(word, "$INCLUDE") || rsec_dictline_is(word, "$INCLUDE-")) {
        return rsec_py_dict_include(reader, word.ptr[word.len - 1] == '-');
    }
    if (read_rare(reader, line, &rc)) {
        return rc;
    }
    if (rsec_dictline_is(word, "END-TLV") || rsec_dictline_is(word, "END")) {
        return read_end_tlv(reader, line, word.len > 3);
    }
    if (rsec_dictline_is(word, "ALIAS")) {
        return line->num == 3 ? rsec_py_dict_later(reader, RSEC_DICT_ALIAS, line->words[1], line->words[2], word)
                              : fail_count(reader, "alias definition", "3");
    }
    return reader->is_strict ? fail_word(reader, "Unknown directive %R", word) : 0;
}

int rsec_py_dict_text(rsec_py_reader *reader, rsec_py_dict_file *file) {
    rsec_py_dict_file *outer = reader->file;
    int rc = 0;
    forget_last(reader); /* its name is in the other text */
    reader->file = file;
    while (rc == 0) {
        rsec_status status = rsec_dictline_next(&file->line);
        if (status == RSEC_ABSENT) {
            break;
        }
        rc = status == RSEC_OK ? read_line(reader, &file->line) : rsec_py_dict_fail(reader, "This line is not UTF-8");
    }
    forget_last(reader);
    reader->file = outer;
    return rc;
}

/* --- the whole --- */

static int find_tables(rsec_py_reader *reader) {
    rsec_py_state *state = reader->state;
    PyObject *vendors = PyObject_GetAttrString(reader->dictionary, "vendors");
    if (vendors != NULL) {
        reader->vendors = rsec_py_bidict_forward(state, vendors);
        reader->vendor_names = rsec_py_bidict_backward(state, vendors);
        Py_DECREF(vendors);
    }
    reader->attributes = rsec_py_dictionary_attributes(state, reader->dictionary);
    reader->keys = rsec_py_dictionary_keys(state, reader->dictionary);
    reader->names = rsec_py_dictionary_names(state, reader->dictionary);
    reader->formats = rsec_py_dictionary_vendor_formats(state, reader->dictionary);
    reader->no_vendor = PyUnicode_FromString("");
    reader->vendor = Py_XNewRef(reader->no_vendor);
    return reader->vendors != NULL && reader->vendor_names != NULL && reader->attributes != NULL &&
                   reader->keys != NULL && reader->names != NULL && reader->formats != NULL && reader->no_vendor != NULL
               ? 0
               : -1;
}

static void release(rsec_py_reader *reader) {
    change_place(reader);
    close_blocks(reader);
    PyObject *owned[] = {reader->attributes, reader->keys,      reader->names,           reader->vendors,
                         reader->formats,    reader->base,      (PyObject *)reader->evs, reader->vendor_names,
                         reader->vendor,     reader->vendor_id, reader->protocol,        reader->no_vendor,
                         reader->left_out,   reader->later};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        Py_XDECREF(owned[i]);
    }
}

PyObject *rsec_py_dictionary_read(rsec_py_state *state, PyObject *args) {
    rsec_py_reader reader = {.state = state};
    PyObject *source, *folder;
    int is_stream, is_strict, rc = -1;
    if (!PyArg_ParseTuple(args, "O!OpOO&p:read_dictionary", state->dictionary_base, &reader.dictionary, &source,
                          &is_stream, &folder, PyUnicode_FSConverter, &reader.base, &is_strict)) {
        return NULL;
    }
    reader.is_strict = is_strict != 0;
    if (is_stream && !PyUnicode_Check(source)) {
        PyErr_Format(PyExc_TypeError, "expected the text of a dictionary, found %.100s", Py_TYPE(source)->tp_name);
    } else if (find_tables(&reader) == 0) {
        rc = is_stream ? rsec_py_dict_stream(&reader, source, folder) : rsec_py_dict_entry(&reader, source, folder);
    }
    if (rc == 0) {
        rc = rsec_py_dict_finish(&reader);
    }
    release(&reader);
    return rc == 0 ? Py_NewRef(Py_None) : NULL;
}
