#include "py/dictoptions.h"

/* --- data types --- */

static const struct {
    const char *name;
    rsec_py_dict_kind kind;
} kinds[] = {
    {"string", {RSEC_TYPE_STRING, 0, false, false, false}},
    {"integer", {RSEC_TYPE_INTEGER, 0, false, false, false}},
    {"octets", {RSEC_TYPE_OCTETS, 0, false, false, false}},
    {"ipaddr", {RSEC_TYPE_IPADDR, 0, false, false, false}},
    {"byte", {RSEC_TYPE_BYTE, 0, false, false, false}},
    {"short", {RSEC_TYPE_SHORT, 0, false, false, false}},
    {"tlv", {RSEC_TYPE_TLV, 0, false, false, false}},
    {"date", {RSEC_TYPE_DATE, 0, true, false, false}},
    {"ipv6addr", {RSEC_TYPE_IPV6ADDR, 0, false, false, false}},
    {"ipv6prefix", {RSEC_TYPE_IPV6PREFIX, 0, false, false, false}},
    {"ipv4prefix", {RSEC_TYPE_IPV4PREFIX, 0, false, false, false}},
    {"combo-ip", {RSEC_TYPE_COMBO_IP, 0, false, false, false}},
    {"integer64", {RSEC_TYPE_INTEGER64, 0, false, false, false}},
    {"signed", {RSEC_TYPE_SIGNED, 0, false, false, false}},
    {"ifid", {RSEC_TYPE_IFID, 0, false, false, false}},
    {"ether", {RSEC_TYPE_ETHER, 0, false, false, false}},
    {"abinary", {RSEC_TYPE_ABINARY, 0, false, false, false}},
    {"extended", {RSEC_TYPE_EXTENDED, 0, false, false, false}},
    {"long-extended", {RSEC_TYPE_LONG_EXTENDED, 0, false, false, false}},
    {"evs", {RSEC_TYPE_EVS, 0, false, false, false}},
    {"vsa", {RSEC_TYPE_VSA, 0, false, false, false}},
    /* FreeRADIUS 4's names. What our types do not cover is kept as octets. */
    {"uint8", {RSEC_TYPE_BYTE, 0, false, false, false}},
    {"uint16", {RSEC_TYPE_SHORT, 0, false, false, false}},
    {"uint32", {RSEC_TYPE_INTEGER, 0, false, false, false}},
    {"uint64", {RSEC_TYPE_INTEGER64, 0, false, false, false}},
    {"int8", {RSEC_TYPE_OCTETS, -1, false, false, false}},
    {"int16", {RSEC_TYPE_OCTETS, -2, false, false, false}},
    {"int32", {RSEC_TYPE_SIGNED, 0, false, false, false}},
    {"int64", {RSEC_TYPE_OCTETS, -8, false, false, false}},
    {"bool", {RSEC_TYPE_BYTE, 0, false, false, false}},
    {"size", {RSEC_TYPE_INTEGER64, 0, false, false, false}},
    {"float32", {RSEC_TYPE_OCTETS, 0, false, false, false}},
    {"float64", {RSEC_TYPE_OCTETS, 0, false, false, false}},
    {"time_delta", {RSEC_TYPE_INTEGER, 0, true, false, false}},
    {"ipv4addr", {RSEC_TYPE_IPADDR, 0, false, false, false}},
    {"comboip", {RSEC_TYPE_COMBO_IP, 0, false, false, false}},
    {"combo_ip", {RSEC_TYPE_COMBO_IP, 0, false, false, false}},
    {"ethernet", {RSEC_TYPE_ETHER, 0, false, false, false}},
    {"long_extended", {RSEC_TYPE_LONG_EXTENDED, 0, false, false, false}},
    {"struct", {RSEC_TYPE_OCTETS, 0, false, true, false}},
    {"union", {RSEC_TYPE_OCTETS, 0, false, false, false}},
    {"attribute", {RSEC_TYPE_OCTETS, 0, false, false, false}},
    {"group", {RSEC_TYPE_OCTETS, 0, false, false, true}},
};

static int find_kind(rsec_py_reader *reader, PyObject *name, rsec_view text, rsec_py_dict_kind *found) {
    enum { LONGEST = 16 };
    rsec_view word;
    char lower[LONGEST];
    size_t len = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (rsec_dictline_equals(text, kinds[i].name)) {
            *found = kinds[i].kind;
            return 0;
        }
    }
    rsec_view rest = text; /* string[16], String */
    (void)rsec_dictline_part(&rest, '[', &word);
    while (len < word.len && len < LONGEST) {
        uint8_t c = word.ptr[len];
        lower[len++] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && len == word.len; i++) {
        if (rsec_dictline_equals(rsec_view_of(lower, len), kinds[i].name)) {
            *found = kinds[i].kind;
            return 0;
        }
    }
    PyObject *shown = rsec_py_dict_str(text);
    if (shown != NULL) {
        (void)rsec_py_dict_fail(reader, "%U: unknown data type %R", name, shown);
        Py_DECREF(shown);
    }
    return -1;
}

/* --- options --- */

typedef enum {
    OPTION_NONE,
    OPTION_OURS, /* all of them can be told from a vendor's name */
    OPTION_NEW,  /* of FreeRADIUS 4 */
} option_class;

static int set_encrypt(rsec_py_reader *reader, rsec_py_dict_options *set, rsec_view option, rsec_view value) {
    static const char *const ways[] = {"1", "2", "3", "User-Password", "Tunnel-Password", "Ascend-Secret"};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (value.ptr != NULL && rsec_dictline_equals(value, ways[i])) {
            set->encrypt = (int)(i % 3) + 1;
            return 0;
        }
    }
    PyObject *shown = rsec_py_dict_str(option);
    if (shown != NULL) {
        (void)rsec_py_dict_fail(reader, "Illegal attribute encryption %R: encrypt is 1, 2 or 3", shown);
        Py_DECREF(shown);
    }
    return -1;
}

/* Notes one option. -1 with an exception. */
static int set_option(rsec_py_reader *reader, rsec_py_dict_options *set, rsec_view option, option_class *is) {
    static const char *const without_effect[] = {"key",    "counter", "ref",   "offset", "length",   "precision",
                                                 "secret", "unsafe",  "local", "flat",   "dns_label"};
    rsec_view value = option, key;
    (void)rsec_dictline_part(&value, '=', &key); /* value.ptr is NULL without a "=" */
    *is = OPTION_OURS;
    if (rsec_dictline_equals(key, "has_tag")) {
        set->has_tag = true;
    } else if (rsec_dictline_equals(key, "encrypt")) {
        return set_encrypt(reader, set, option, value);
    } else if (rsec_dictline_equals(key, "concat")) {
        set->concat = true;
    } else if (rsec_dictline_equals(key, "virtual")) {
        set->is_virtual = true;
    } else if (rsec_dictline_equals(key, "array")) {
        set->array = true;
    } else if (!rsec_dictline_equals(key, "secret")) { /* a hint for FreeRADIUS's own output */
        *is = OPTION_NEW;
        if (rsec_dictline_equals(key, "internal")) {
            set->is_internal = true;
        } else if (rsec_dictline_equals(key, "extended")) {
            set->is_extended = true;
        } else if (rsec_dictline_equals(key, "long") || rsec_dictline_equals(key, "long-extended") ||
                   rsec_dictline_equals(key, "long_extended")) {
            set->is_long = true;
        } else if (rsec_dictline_equals(key, "abinary")) {
            set->is_abinary = true;
        } else if (rsec_dictline_equals(key, "subtype") && value.ptr != NULL) {
            set->subtype = value;
        } else if (rsec_dictline_equals(key, "enum") && value.ptr != NULL) {
            set->values_of = value;
        } else if (rsec_dictline_equals(key, "clone") && value.ptr != NULL) {
            set->clone_of = value;
        } else {
            size_t i = 0, num = sizeof without_effect / sizeof *without_effect;
            while (i < num && !rsec_dictline_equals(key, without_effect[i])) {
                i++;
            }
            *is = i < num ? OPTION_NEW : OPTION_NONE;
        }
    }
    return 0;
}

int rsec_py_dict_read_options(rsec_py_reader *reader, PyObject *name, rsec_view column, rsec_py_dict_options *set) {
    rsec_view rest = column, option, unknown = {NULL, 0};
    bool has_ours = false, has_new = false;
    while (rsec_dictline_part(&rest, ',', &option)) {
        option_class is;
        if (set_option(reader, set, option, &is) < 0) {
            return -1;
        }
        has_ours |= is == OPTION_OURS;
        has_new |= is == OPTION_NEW;
        if (is == OPTION_NONE) {
            unknown = option;
        }
    }
    if (has_ours && (!reader->is_strict || unknown.ptr == NULL)) {
        return 0;
    }
    PyObject *text = rsec_py_dict_str(has_ours ? unknown : column);
    PyObject *number = text != NULL && !has_ours ? rsec_py_dict_get(reader->vendors, text) : NULL;
    int rc = 0;
    if (text == NULL || PyErr_Occurred() != NULL) {
        rc = -1;
    } else if (number != NULL) {
        *set = (rsec_py_dict_options){.vendor = Py_NewRef(text)};
    } else if (has_ours || (has_new && unknown.ptr != NULL && reader->is_strict)) {
        rc = rsec_py_dict_fail(reader, "%U: unknown option in %R", name, text);
    } else if (!has_new) {
        rc = rsec_py_dict_fail(reader, "%U: %R is neither an option nor a known vendor", name, text);
    }
    Py_XDECREF(number);
    Py_XDECREF(text);
    return rc;
}

/* What the options make of the data type. */
static void refine_kind(rsec_py_dict_kind *found, const rsec_py_dict_options *set) {
    static const struct {
        const char *name;
        rsec_data_type type;
        signed char number_len;
    } widths[] = {
        {"int16", RSEC_TYPE_OCTETS, -2}, {"uint16", RSEC_TYPE_SHORT, 0},     {"int32", RSEC_TYPE_SIGNED, 0},
        {"int64", RSEC_TYPE_OCTETS, -8}, {"uint64", RSEC_TYPE_INTEGER64, 0},
    };
    for (size_t i = 0; found->is_time && set->subtype.ptr != NULL && i < sizeof widths / sizeof *widths; i++) {
        if (rsec_dictline_equals(set->subtype, widths[i].name)) {
            found->type = widths[i].type;
            found->number_len = widths[i].number_len;
        }
    }
    if (found->type == RSEC_TYPE_TLV && (set->is_long || set->is_extended)) {
        found->type = set->is_long ? RSEC_TYPE_LONG_EXTENDED : RSEC_TYPE_EXTENDED;
    } else if (found->type == RSEC_TYPE_EXTENDED && set->is_long) {
        found->type = RSEC_TYPE_LONG_EXTENDED;
    } else if (found->type == RSEC_TYPE_OCTETS && set->is_abinary) {
        found->type = RSEC_TYPE_ABINARY;
    }
}

int rsec_py_dict_read_kind(rsec_py_reader *reader, PyObject *name, rsec_view text, const rsec_py_dict_options *set,
                           rsec_py_dict_kind *is) {
    if (find_kind(reader, name, text, is) < 0) {
        return -1;
    }
    refine_kind(is, set);
    return 0;
}
