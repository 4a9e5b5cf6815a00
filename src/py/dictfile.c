/* Files of dictionaries: opened, read in one go, and kept inside the base folder. */
#include "py/dictreader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- octets --- */

/* Opens `path`; -1 with errno in *error. A signal's handler may have run, and may have raised. */
static int open_file(const char *path, int flags, int *error) {
    for (;;) {
        int fd;
        Py_BEGIN_ALLOW_THREADS
        fd = open(path, O_RDONLY | O_CLOEXEC | flags); // NOLINT(cppcoreguidelines-pro-type-vararg): open(2)
        *error = errno;
        Py_END_ALLOW_THREADS
        if (fd >= 0 || *error != EINTR || PyErr_CheckSignals() < 0) {
            return fd;
        }
    }
}

/* What is to be read from `fd`, into memory of PyMem_RawMalloc that the caller frees: `size` octets, or all there are when
 * the size is not known (0). An errno, or 0. */
static int read_all(int fd, size_t size, uint8_t **text, size_t *len) {
    size_t cap = size > 0 ? size : 4096;
    *len = 0;
    *text = PyMem_RawMalloc(cap);
    for (;;) {
        ssize_t got = *text != NULL ? read(fd, *text + *len, cap - *len) : -1;
        if (*text == NULL) {
            return ENOMEM;
        }
        if (got <= 0) {
            return got == 0 ? 0 : errno;
        }
        *len += (size_t)got;
        if (*len == size) {
            return 0;
        }
        if (*len == cap) {
            uint8_t *grown = cap <= SIZE_MAX / 2 ? PyMem_RawRealloc(*text, 2 * cap) : NULL;
            if (grown == NULL) {
                return ENOMEM;
            }
            *text = grown;
            cap *= 2;
        }
    }
}

/* --- places --- */

/* os.path.NAME(path), FS-encoded: new bytes object. */
static PyObject *os_path(const char *name, PyObject *path) {
    PyObject *module = PyImport_ImportModule("os.path"), *encoded = NULL;
    PyObject *found = module != NULL ? PyObject_CallMethod(module, name, "O", path) : NULL;
    Py_XDECREF(module);
    if (found != NULL && PyUnicode_FSConverter(found, &encoded) == 0) {
        encoded = NULL;
    }
    Py_XDECREF(found);
    return encoded;
}

static bool is_inside(rsec_py_reader *reader, PyObject *real) {
    const char *base = PyBytes_AS_STRING(reader->base), *path = PyBytes_AS_STRING(real);
    size_t len = (size_t)PyBytes_GET_SIZE(reader->base);
    while (len > 0 && base[len - 1] == '/') { /* the root */
        len--;
    }
    return strncmp(path, base, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* Fills in what is known about the folder `path`. */
static int set_folder(rsec_py_reader *reader, rsec_py_dict_file *file, PyObject *path) {
    file->folder = PyBytes_AS_STRING(path);
    if (strcmp(file->folder, PyBytes_AS_STRING(reader->base)) == 0) {
        file->is_inside = true;
        return 0;
    }
    PyObject *real = os_path("realpath", path);
    if (real == NULL) {
        return -1;
    }
    file->is_inside = is_inside(reader, real);
    Py_DECREF(real);
    return 0;
}

/* --- reading --- */

static int check_cycle(rsec_py_reader *reader, const rsec_py_dict_file *file) {
    const rsec_py_dict_file *known = file->parent;
    while (known != NULL && !(known->is_file && known->dev == file->dev && known->ino == file->ino)) {
        known = known->parent;
    }
    if (known == NULL) {
        return 0;
    }
    PyObject *chain = PyUnicode_DecodeFSDefault(file->name);
    for (const rsec_py_dict_file *step = file->parent; chain != NULL; step = step->parent) {
        PyObject *name = PyUnicode_DecodeFSDefault(step->name);
        PyObject *longer = name != NULL ? PyUnicode_FromFormat("%U -> %U", name, chain) : NULL;
        Py_XDECREF(name);
        Py_SETREF(chain, longer);
        if (step == known) {
            break;
        }
    }
    if (chain != NULL) {
        (void)rsec_py_dict_fail(reader, "$INCLUDE is a cycle: %U", chain);
        Py_DECREF(chain);
    }
    return -1;
}

/* Reads what `fd` gives, and closes it. `path` is what it was opened by. */
static int read_file(rsec_py_reader *reader, rsec_py_dict_file *file, int fd, PyObject *path) {
    struct stat facts;
    uint8_t *text = NULL;
    size_t len = 0;
    int error = 0, rc = -1;
    if (fstat(fd, &facts) < 0) {
        error = errno;
        goto done;
    }
    file->is_file = true;
    file->dev = facts.st_dev;
    file->ino = facts.st_ino;
    if (check_cycle(reader, file) < 0) {
        goto done;
    }
    Py_BEGIN_ALLOW_THREADS
    error = read_all(fd, S_ISREG(facts.st_mode) ? (size_t)facts.st_size : 0, &text, &len);
    Py_END_ALLOW_THREADS
    if (error == 0) {
        (void)close(fd); /* before what it includes is opened */
        fd = -1;
        rsec_dictline_begin(&file->line, rsec_view_of(text, len));
        rc = rsec_py_dict_text(reader, file);
    }
done:
    PyMem_RawFree(text);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (error == ENOMEM) {
        (void)PyErr_NoMemory();
    } else if (error != 0) {
        errno = error;
        (void)PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    }
    return rc;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

int rsec_py_dict_entry(rsec_py_reader *reader, PyObject *path, PyObject *folder) {
    PyObject *encoded, *place;
    rsec_py_dict_file file = {0};
    int rc = -1, error;
    if (PyUnicode_FSConverter(path, &encoded) == 0) {
        return -1;
    }
    if (PyUnicode_FSConverter(folder, &place) == 0) {
        Py_DECREF(encoded);
        return -1;
    }
    file.name = base_name(PyBytes_AS_STRING(encoded));
    if (set_folder(reader, &file, place) == 0) {
        int fd = open_file(PyBytes_AS_STRING(encoded), 0, &error);
        if (fd >= 0) {
            rc = read_file(reader, &file, fd, path);
        } else if (PyErr_Occurred() == NULL) {
            errno = error;
            (void)PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
        }
    }
    Py_DECREF(encoded);
    Py_DECREF(place);
    return rc;
}

int rsec_py_dict_stream(rsec_py_reader *reader, PyObject *text, PyObject *folder) {
    PyObject *place, *utf8;
    rsec_py_dict_file file = {.name = ""};
    if (PyUnicode_FSConverter(folder, &place) == 0) {
        return -1;
    }
    /* Lone surrogates are not UTF-8: the line that has them says so. */
    utf8 = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
    int rc = utf8 != NULL ? set_folder(reader, &file, place) : -1;
    if (rc == 0) {
        rsec_dictline_begin(&file.line, rsec_py_bytes_view(utf8));
        rc = rsec_py_dict_text(reader, &file);
    }
    Py_XDECREF(utf8);
    Py_DECREF(place);
    return rc;
}

/* --- includes --- */

/* The file name that the line gives: its words, with one blank between them. New bytes object. */
static PyObject *include_name(rsec_py_reader *reader) {
    rsec_view tail = reader->file->line.tail, word;
    PyObject *name = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)tail.len);
    if (name == NULL) {
        return NULL;
    }
    char *out = PyBytes_AS_STRING(name);
    size_t len = 0;
    while (rsec_dictline_word(&tail, &word)) {
        if (len > 0) {
            out[len++] = ' ';
        }
        memcpy(out + len, word.ptr, word.len);
        len += word.len;
    }
    if (len == 0 || memchr(out, '\0', len) != NULL) {
        (void)rsec_py_dict_fail(reader, len == 0 ? "$INCLUDE without a file name" : "$INCLUDE of a name with a NUL");
        Py_CLEAR(name);
    } else {
        (void)_PyBytes_Resize(&name, (Py_ssize_t)len);
    }
    return name;
}

/* Where `name` is, seen from the file that includes it: absolute if the base folder is. New bytes object. */
static PyObject *include_path(rsec_py_reader *reader, const char *name) {
    static const char macro[] = "${dictdir}/"; /* FreeRADIUS 4: the root of its dictionaries */
    if (strncmp(name, macro, sizeof macro - 1) == 0) {
        return PyBytes_FromFormat("%s/%s", PyBytes_AS_STRING(reader->base), name + sizeof macro - 1);
    }
    return name[0] == '/' ? PyBytes_FromString(name) : PyBytes_FromFormat("%s/%s", reader->file->folder, name);
}

/* Opens the file that `path` leads to when that is inside the base folder: *fd, or -1 with errno in *error. */
static int open_resolved(rsec_py_reader *reader, PyObject *path, PyObject *name, int *fd, int *error) {
    PyObject *text = PyUnicode_DecodeFSDefault(PyBytes_AS_STRING(path));
    PyObject *real = text != NULL ? os_path("realpath", text) : NULL;
    int rc = -1;
    if (real != NULL && !is_inside(reader, real)) {
        PyObject *shown = PyUnicode_DecodeFSDefault(PyBytes_AS_STRING(name));
        PyObject *base = PyUnicode_DecodeFSDefault(PyBytes_AS_STRING(reader->base));
        if (shown != NULL && base != NULL) {
            (void)rsec_py_dict_fail(reader, "$INCLUDE %R escapes the dictionary base %R", shown, base);
        }
        Py_XDECREF(shown);
        Py_XDECREF(base);
    } else if (real != NULL) {
        /* What was checked is what is opened, also when somebody puts a link there meanwhile. */
        *fd = open_file(PyBytes_AS_STRING(real), O_NOFOLLOW, error);
        rc = *fd < 0 && PyErr_Occurred() != NULL ? -1 : 0;
    }
    Py_XDECREF(text);
    Py_XDECREF(real);
    return rc;
}

/* Says in an OSError which line wanted the file. */
static void note_place(const rsec_py_dict_file *file) {
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    PyObject *name = error != NULL ? PyUnicode_DecodeFSDefault(file->name) : NULL;
    PyObject *note = name != NULL ? PyUnicode_FromFormat("included from %U(%zu)", name, file->line.number) : NULL;
    PyObject *done = note != NULL ? PyObject_CallMethod(error, "add_note", "O", note) : NULL;
    Py_XDECREF(name);
    Py_XDECREF(note);
    Py_XDECREF(done);
    PyErr_Restore(type, error, traceback); /* and what failed here does not matter */
}

static int include_at(rsec_py_reader *reader, PyObject *path, PyObject *name, bool is_optional) {
    const char *text = PyBytes_AS_STRING(name);
    bool is_plain = strchr(text, '/') == NULL && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
    rsec_py_dict_file file = {.parent = reader->file, .name = base_name(PyBytes_AS_STRING(path))};
    PyObject *shown = PyUnicode_DecodeFSDefault(PyBytes_AS_STRING(path)), *folder = NULL;
    int fd = -1, error = ELOOP, rc = -1;
    if (shown == NULL) {
        return -1;
    }
    /* A file that is no link, in a folder known to be inside, is inside: the usual case, and one call of the system. */
    if (is_plain && reader->file->is_inside) {
        fd = open_file(PyBytes_AS_STRING(path), O_NOFOLLOW, &error);
    }
    if (fd < 0 && (error == ELOOP || error == EMLINK) && PyErr_Occurred() == NULL &&
        open_resolved(reader, path, name, &fd, &error) < 0) {
        goto done;
    }
    if (fd < 0) {
        if (PyErr_Occurred() == NULL && is_optional && error == ENOENT) {
            rc = 0;
        } else if (PyErr_Occurred() == NULL) {
            errno = error;
            (void)PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, shown);
            note_place(reader->file);
        }
        goto done;
    }
    if (is_plain) {
        file.folder = reader->file->folder;
        file.is_inside = reader->file->is_inside;
    } else {
        PyObject *absolute = os_path("abspath", shown);
        folder = absolute != NULL ? os_path("dirname", absolute) : NULL;
        Py_XDECREF(absolute);
        if (folder == NULL || set_folder(reader, &file, folder) < 0) {
            (void)close(fd);
            goto done;
        }
    }
    rc = read_file(reader, &file, fd, shown);
    if (rc < 0 && PyErr_ExceptionMatches(PyExc_OSError)) {
        note_place(reader->file);
    }
done:
    Py_XDECREF(folder);
    Py_DECREF(shown);
    return rc;
}

int rsec_py_dict_include(rsec_py_reader *reader, bool is_optional) {
    int depth = 1;
    for (const rsec_py_dict_file *file = reader->file; file->parent != NULL; file = file->parent) {
        depth++;
    }
    if (depth >= RSEC_DICT_INCLUDES) {
        return rsec_py_dict_fail(reader, "$INCLUDE is nested more than %d files deep", RSEC_DICT_INCLUDES);
    }
    PyObject *name = include_name(reader);
    PyObject *path = name != NULL ? include_path(reader, PyBytes_AS_STRING(name)) : NULL;
    int rc = path != NULL ? include_at(reader, path, name, is_optional) : -1;
    Py_XDECREF(name);
    Py_XDECREF(path);
    return rc;
}
