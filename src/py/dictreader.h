/* Reads dictionaries: text in FreeRADIUS's format, of versions 2, 3 and 4, into the tables of a Dictionary (contract of
 * pyradsec.dictionary).
 *
 * dictreader.c goes through the lines and keeps the blocks, dictfile.c finds files, dictattribute.c, dictoptions.c and
 * dictvalue.c make entries, dictlater.c does what had to wait for the end of the text. The parts share what is below; nobody
 * else includes this file. Functions that return int return 0, or -1 with an exception, unless they say otherwise.
 */
#ifndef RSEC_PY_DICTREADER_H
#define RSEC_PY_DICTREADER_H

#include "py/attribute.h" /* Python.h comes before every system header */

#include "wire/dictline.h"

#include <sys/types.h>

enum {
    RSEC_DICT_CODES = 32,     /* numbers in one dotted code */
    RSEC_DICT_BLOCKS = 32,    /* BEGIN-TLVs that are open at once */
    RSEC_DICT_INCLUDES = 64,  /* files that are open at once */
    RSEC_DICT_CLONES = 65536, /* attributes that clone= makes: clones of clones double with every line */
};

/* A file that is being read, or a stream. */
typedef struct rsec_py_dict_file {
    struct rsec_py_dict_file *parent; /* what includes it */
    const char *name;                 /* base name; "" for a stream */
    const char *folder;               /* what relative includes are relative to */
    bool is_inside;                   /* the folder, symbolic links resolved, lies in the base folder */
    bool is_internal;                 /* FLAGS internal */
    bool is_file;                     /* dev and ino say which */
    dev_t dev;
    ino_t ino;
    rsec_dictline line;
} rsec_py_dict_file;

/* BEGIN-TLV or BEGIN. */
typedef struct {
    PyObject *name;               /* as it was given */
    rsec_py_attribute *attribute; /* what codes are relative to; NULL when everything in the block is left out */
} rsec_py_dict_block;

typedef struct {
    rsec_py_state *state;
    PyObject *dictionary;
    PyObject *attributes, *keys, *names, *vendors, *vendor_names, *formats; /* the tables; keys and names: attrindex */
    PyObject *base;                                                         /* folder that includes may not leave */
    bool is_strict;
    rsec_py_dict_file *file;

    /* The blocks that are open. */
    PyObject *vendor, *vendor_id; /* vendor "" and id NULL: none */
    rsec_py_attribute *evs;       /* parent= of the vendor's block, or NULL */
    rsec_py_dict_block blocks[RSEC_DICT_BLOCKS];
    size_t blocks_num;
    PyObject *protocol;     /* of BEGIN-PROTOCOL, or NULL */
    bool is_other_protocol; /* which is not RADIUS: nothing of it is for us */

    rsec_py_attribute *relative; /* what a code like .1 is relative to, or NULL */
    rsec_py_attribute *last;     /* the attribute that was defined or given a VALUE last, or NULL, */
    rsec_view last_name;         /* and its name there, in the text of the file that is being read */
    PyObject *no_vendor;         /* "" */
    PyObject *members;           /* set of names: MEMBERs of the struct that is being defined, or NULL */
    PyObject *left_out;          /* set of names that VALUEs may name although there is no attribute, or NULL */
    PyObject *later;             /* list of tuples: what waits for the end */
    int clones;                  /* attributes that clone= made so far */
    long long names_only;        /* attributes without a number so far */
} rsec_py_reader;

/* --- dictreader.c --- */

/* Raises ParseError at the line that is being read, in the words of a PyErr_Format. Always -1. */
int rsec_py_dict_fail(rsec_py_reader *reader, const char *format, ...);
/* Raises pyradsec.dictionary's `type` ("ParseError", "NumberError") with `text`, which is stolen and may be NULL with an
 * exception. What is raised already becomes its cause. Always -1. */
int rsec_py_dict_raise(const char *type, PyObject *text, PyObject *file, long long line);
/* Reads one text, and what it includes. `file->line` stands before its first line. */
int rsec_py_dict_text(rsec_py_reader *reader, rsec_py_dict_file *file);

static inline PyObject *rsec_py_dict_str(rsec_view text) {
    return PyUnicode_DecodeUTF8((const char *)text.ptr, (Py_ssize_t)text.len, NULL);
}

/* table[key] as a new reference; NULL without an exception when there is none. The tables are dicts, or what a user put in
 * their place. */
PyObject *rsec_py_dict_get(PyObject *table, PyObject *key);
int rsec_py_dict_put(PyObject *table, PyObject *key, PyObject *value);
/* The Attribute of that name, a new reference; NULL without an exception when there is none. */
rsec_py_attribute *rsec_py_dict_attribute(rsec_py_reader *reader, PyObject *name);

/* --- dictfile.c --- */

/* Reads the entry file. `folder` is its folder, absolute. */
int rsec_py_dict_entry(rsec_py_reader *reader, PyObject *path, PyObject *folder);
/* Reads the text of a stream; relative includes are relative to `folder`. */
int rsec_py_dict_stream(rsec_py_reader *reader, PyObject *text, PyObject *folder);
/* Follows the $INCLUDE of the current line. */
int rsec_py_dict_include(rsec_py_reader *reader, bool is_optional);

/* --- dictattribute.c --- */

int rsec_py_dict_read_attribute(rsec_py_reader *reader, const rsec_dictline *line);
int rsec_py_dict_read_define(rsec_py_reader *reader, const rsec_dictline *line);
int rsec_py_dict_read_enum(rsec_py_reader *reader, const rsec_dictline *line);
int rsec_py_dict_read_member(rsec_py_reader *reader, const rsec_dictline *line);
int rsec_py_dict_read_struct(rsec_py_reader *reader, const rsec_dictline *line);
/* VALUEs of that name are for nobody. */
int rsec_py_dict_leave_out(rsec_py_reader *reader, rsec_view name);
/* A number as int(text, 0) reads it, decimals with leading zeros too: a new reference. NumberError, which says that it is
 * for `what` of `name`. */
PyObject *rsec_py_dict_number(rsec_py_reader *reader, rsec_view text, const char *what, PyObject *name);
/* The numbers from the outermost attribute to `attribute`, borrowed ones; those before it in its vendor's space. How many,
 * or -1. */
int rsec_py_dict_path(rsec_py_reader *reader, rsec_py_attribute *attribute, PyObject *codes[RSEC_DICT_CODES]);
/* Files `attribute`, whose path is `codes`, under `name`: in attributes and in attrindex. */
int rsec_py_dict_file_attribute(rsec_py_reader *reader, rsec_py_attribute *attribute, PyObject *name,
                                PyObject *const codes[], int num);

/* --- dictvalue.c --- */

int rsec_py_dict_read_value(rsec_py_reader *reader, const rsec_dictline *line);
int rsec_py_dict_add_value(rsec_py_reader *reader, rsec_py_attribute *attribute, rsec_view name, rsec_view text);

/* --- dictlater.c --- */

typedef enum { RSEC_DICT_VALUE, RSEC_DICT_ALIAS, RSEC_DICT_ENUM, RSEC_DICT_CLONE } rsec_py_dict_job;

/* Notes a job for the end of the text. VALUE: attribute, name, number; ALIAS: name, attribute; ENUM and CLONE: the
 * attribute that is defined, and where it takes VALUEs or sub-attributes from. */
int rsec_py_dict_later(rsec_py_reader *reader, rsec_py_dict_job job, rsec_view one, rsec_view two, rsec_view three);
int rsec_py_dict_finish(rsec_py_reader *reader);
/* What `text` refers to: a name, a path of names, or a dotted code. A new reference; NULL without an exception for
 * nothing. Names are those of `vendor` first. */
rsec_py_attribute *rsec_py_dict_resolve(rsec_py_reader *reader, rsec_view text, PyObject *vendor);

#endif
