#include "py/codec.h"

#include "wire/code.h"
#include "wire/filter.h"
#include "wire/value.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[RSEC_TYPE_COUNT] = {
    [RSEC_TYPE_STRING] = "string",
    [RSEC_TYPE_OCTETS] = "octets",
    [RSEC_TYPE_INTEGER] = "integer",
    [RSEC_TYPE_SIGNED] = "signed",
    [RSEC_TYPE_SHORT] = "short",
    [RSEC_TYPE_BYTE] = "byte",
    [RSEC_TYPE_INTEGER64] = "integer64",
    [RSEC_TYPE_DATE] = "date",
    [RSEC_TYPE_IPADDR] = "ipaddr",
    [RSEC_TYPE_IPV6ADDR] = "ipv6addr",
    [RSEC_TYPE_IPV6PREFIX] = "ipv6prefix",
    [RSEC_TYPE_IPV4PREFIX] = "ipv4prefix",
    [RSEC_TYPE_COMBO_IP] = "combo-ip",
    [RSEC_TYPE_IFID] = "ifid",
    [RSEC_TYPE_ETHER] = "ether",
    [RSEC_TYPE_ABINARY] = "abinary",
    [RSEC_TYPE_TLV] = "tlv",
    [RSEC_TYPE_EXTENDED] = "extended",
    [RSEC_TYPE_LONG_EXTENDED] = "long-extended",
    [RSEC_TYPE_EVS] = "evs",
    [RSEC_TYPE_VSA] = "vsa",
};

rsec_data_type rsec_data_type_of(const char *name) {
    int type = 0;
    while (type < RSEC_TYPE_COUNT && strcmp(names[type], name) != 0) {
        type++;
    }
    return (rsec_data_type)type;
}

const char *rsec_data_type_name(rsec_data_type type) {
    return (unsigned)type < RSEC_TYPE_COUNT ? names[type] : "unknown";
}

/* --- numbers --- */

static size_t number_len(rsec_data_type type) {
    return type == RSEC_TYPE_BYTE ? 1 : type == RSEC_TYPE_SHORT ? 2 : type == RSEC_TYPE_INTEGER64 ? 8 : 4;
}

/* int(value), with a TypeError for what is no number. Other exceptions of __int__ (MemoryError, KeyboardInterrupt) come out. */
static PyObject *number_of(rsec_data_type type, PyObject *value) {
    if (PyLong_CheckExact(value)) {
        return Py_NewRef(value);
    }
    if (type == RSEC_TYPE_DATE && !PyLong_Check(value)) {
        return PyErr_Format(PyExc_TypeError, "%s: expected an int (seconds since 1970), found %.100s", names[type],
                            Py_TYPE(value)->tp_name);
    }
    PyObject *number = PyUnicode_Check(value) ? PyLong_FromUnicodeObject(value, 10) : PyNumber_Long(value);
    if (number == NULL && (PyErr_ExceptionMatches(PyExc_TypeError) || PyErr_ExceptionMatches(PyExc_ValueError) ||
                           PyErr_ExceptionMatches(PyExc_OverflowError))) {
        PyErr_Clear();
        (void)PyErr_Format(PyExc_TypeError, "%s: expected a number, found %.100R", names[type], value);
    }
    return number;
}

static PyObject *encode_number(rsec_data_type type, PyObject *value) {
    PyObject *number = number_of(type, value);
    if (number == NULL) {
        return NULL;
    }
    size_t len = number_len(type);
    long long least = type == RSEC_TYPE_SIGNED ? INT32_MIN : 0;
    unsigned long long most = type == RSEC_TYPE_SIGNED ? INT32_MAX : UINT64_MAX >> (64 - 8 * len);
    uint64_t found = 0;
    bool is_good;
    if (type == RSEC_TYPE_SIGNED) {
        int overflow = 0;
        long long given = PyLong_AsLongLongAndOverflow(number, &overflow);
        is_good = overflow == 0 && given >= least && given <= (long long)most;
        found = (uint64_t)given;
    } else {
        found = PyLong_AsUnsignedLongLong(number);
        if (PyErr_Occurred() != NULL && !PyErr_ExceptionMatches(PyExc_OverflowError)) {
            Py_DECREF(number);
            return NULL;
        }
        is_good = PyErr_Occurred() == NULL && found <= most;
        PyErr_Clear();
    }
    Py_DECREF(number);
    if (!is_good) {
        return PyErr_Format(PyExc_ValueError, "%s: %.100R is out of range: expected %lld to %llu", names[type], value,
                            least, most);
    }
    uint8_t octets[8];
    rsec_put_u64(octets, found << (64 - 8 * len));
    return rsec_py_bytes(rsec_view_of(octets, len));
}

static PyObject *wrong_length(rsec_data_type type, const char *expected, size_t found) {
    return PyErr_Format(PyExc_ValueError, "%s: expected %s octets, found %zu", names[type], expected, found);
}

static PyObject *decode_number(rsec_data_type type, rsec_view octets) {
    if (octets.len != number_len(type)) {
        static const char *const lens[] = {[1] = "1", [2] = "2", [4] = "4", [8] = "8"};
        return wrong_length(type, lens[number_len(type)], octets.len);
    }
    switch (octets.len) {
    case 1:
        return PyLong_FromLong(octets.ptr[0]);
    case 2:
        return PyLong_FromLong(rsec_get_u16(octets.ptr));
    case 4:
        return type == RSEC_TYPE_SIGNED ? PyLong_FromLong((int32_t)rsec_get_u32(octets.ptr))
                                        : PyLong_FromUnsignedLong(rsec_get_u32(octets.ptr));
    default:
        return PyLong_FromUnsignedLongLong(rsec_get_u64(octets.ptr));
    }
}

/* --- text and octets --- */

static PyObject *too_long(rsec_data_type type, Py_ssize_t len, size_t max) {
    return PyErr_Format(PyExc_ValueError, "Can only encode strings of <= %zu characters: %s of %zd octets", max,
                        names[type], len);
}

/* A new reference to `value` when it is bytes, or a copy of the octets that it holds; TypeError when it holds none. */
static PyObject *octets_of(rsec_data_type type, PyObject *value, size_t max) {
    if (!PyObject_CheckBuffer(value)) {
        return PyErr_Format(PyExc_TypeError, "%s: expected str or bytes, found %.100s", names[type],
                            Py_TYPE(value)->tp_name);
    }
    PyObject *bytes = PyBytes_FromObject(value);
    if (bytes != NULL && (size_t)PyBytes_GET_SIZE(bytes) > max) {
        (void)too_long(type, PyBytes_GET_SIZE(bytes), max);
        Py_CLEAR(bytes);
    }
    return bytes;
}

/* "0x0102" as octets. */
static PyObject *encode_hex(const char *text, size_t len, size_t max) {
    if ((len - 2) / 2 > max) {
        return too_long(RSEC_TYPE_OCTETS, (Py_ssize_t)(len - 2) / 2, max);
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(len - 2) / 2);
    if (bytes == NULL) {
        return NULL;
    }
    size_t num = (size_t)PyBytes_GET_SIZE(bytes);
    if (rsec_hex_parse(text, len, (uint8_t *)PyBytes_AS_STRING(bytes), &num) != RSEC_OK) {
        Py_DECREF(bytes);
        size_t at = 2 + strspn(text + 2, "0123456789abcdefABCDEF");
        return PyErr_Format(PyExc_ValueError,
                            "octets: expected pairs of hexadecimal digits behind 0x, found something else at character "
                            "%zu of %zu", /* the value is not told: it may be a key */
                            at, len);
    }
    return bytes;
}

/* Text as it is. As octets, "0x…" is hexadecimal, and decimal digits are a number: big-endian, without leading zero octets. */
static PyObject *encode_text(rsec_data_type type, PyObject *value, size_t max) {
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(value, &len);
    if (text == NULL) {
        return NULL;
    }
    if (type == RSEC_TYPE_OCTETS && len >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        return encode_hex(text, (size_t)len, max);
    }
    if (type == RSEC_TYPE_OCTETS && len > 0 && len <= 10 && strspn(text, "0123456789") == (size_t)len) {
        unsigned long long number = strtoull(text, NULL, 10);
        if (number <= UINT32_MAX) {
            uint8_t octets[4];
            size_t skip = 0;
            rsec_put_u32(octets, (uint32_t)number);
            while (skip < 4 && octets[skip] == 0) {
                skip++;
            }
            return rsec_py_bytes(rsec_view_of(octets + skip, 4 - skip));
        }
    }
    return (size_t)len > max ? too_long(type, len, max) : PyBytes_FromStringAndSize(text, len);
}

/* The text of a packet filter; octets are taken for a filter that is made already. */
static PyObject *encode_filter(PyObject *value, size_t max) {
    if (!PyUnicode_Check(value)) {
        return octets_of(RSEC_TYPE_ABINARY, value, max);
    }
    Py_ssize_t text_len;
    const char *text = PyUnicode_AsUTF8AndSize(value, &text_len);
    if (text == NULL) {
        return NULL;
    }
    static const char *const expected[] = {
        [RSEC_FILTER_GOOD] = "a filter",
        [RSEC_FILTER_EMPTY] = "key=value words or \"delete\"",
        [RSEC_FILTER_WORD] = "family=, action=, direction=, src=, dst=, proto=, sport=, dport=, sportq= or dportq=",
        [RSEC_FILTER_CHOICE] = "family=ipv4|ipv6, action=discard|accept|redirect or direction=in|out",
        [RSEC_FILTER_NUMBER] = "a number of 0 to 255, or 0 to 65535 for a port",
        [RSEC_FILTER_NETWORK] = "a network of the filter's family without host bits",
    };
    uint8_t octets[RSEC_FILTER_MAX];
    size_t len;
    rsec_filter_fault fault;
    rsec_view word;
    if (rsec_filter_parse(text, (size_t)text_len, octets, &len, &fault, &word) == RSEC_OK) {
        return rsec_py_bytes(rsec_view_of(octets, len));
    }
    PyObject *found = PyUnicode_DecodeUTF8((const char *)word.ptr, (Py_ssize_t)word.len, "replace");
    if (found != NULL) {
        (void)PyErr_Format(PyExc_ValueError, "abinary: expected %s, found %.100R", expected[fault], found);
        Py_DECREF(found);
    }
    return NULL;
}

static PyObject *decode_string(rsec_view octets) {
    PyObject *text = PyUnicode_DecodeUTF8((const char *)octets.ptr, (Py_ssize_t)octets.len, NULL);
    if (text != NULL || !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        return text;
    }
    PyErr_Clear();
    char hex[2 * RSEC_PACKET_MAX + 1];
    if (octets.len > RSEC_PACKET_MAX) {
        return PyErr_Format(PyExc_ValueError, "string: %zu octets are more than a packet holds", octets.len);
    }
    return PyUnicode_FromStringAndSize(hex, (Py_ssize_t)rsec_hex_format(octets, hex));
}

/* --- addresses --- */

/* What takes a text to octets, for one type. */
static rsec_status parse_text(rsec_data_type type, const char *text, size_t len, uint8_t octets[18],
                              size_t *octets_len) {
    switch (type) {
    case RSEC_TYPE_IPADDR:
        *octets_len = 4;
        return rsec_ipv4_parse(text, len, octets);
    case RSEC_TYPE_IPV6ADDR:
        *octets_len = 16;
        return rsec_ipv6_parse(text, len, octets);
    case RSEC_TYPE_COMBO_IP:
        *octets_len = memchr(text, ':', len) != NULL ? 16 : 4;
        return *octets_len == 16 ? rsec_ipv6_parse(text, len, octets) : rsec_ipv4_parse(text, len, octets);
    case RSEC_TYPE_IPV4PREFIX:
        *octets_len = 6;
        return rsec_ipv4_prefix_parse(text, len, octets);
    case RSEC_TYPE_IPV6PREFIX:
        *octets_len = 18;
        return rsec_ipv6_prefix_parse(text, len, octets);
    case RSEC_TYPE_IFID:
        *octets_len = 8;
        return rsec_ifid_parse(text, len, octets);
    default:
        *octets_len = 6;
        return rsec_ether_parse(text, len, octets);
    }
}

/* What a value of the type is called in a message. */
static const char *address_noun(rsec_data_type type) {
    switch (type) {
    case RSEC_TYPE_IPADDR:
        return "an IPv4 address";
    case RSEC_TYPE_IPV6ADDR:
        return "an IPv6 address";
    case RSEC_TYPE_COMBO_IP:
        return "an IPv4 or IPv6 address";
    case RSEC_TYPE_IPV4PREFIX:
        return "an IPv4 network";
    case RSEC_TYPE_IPV6PREFIX:
        return "an IPv6 network";
    case RSEC_TYPE_IFID:
        return "an interface id (0011:2233:4455:6677) or 8 octets";
    default:
        return "an Ethernet address (00:11:22:33:44:55) or 6 octets";
    }
}

/* Attribute `name` of `value` in *found, NULL when it has none; -1 with an exception for any other failure. */
static int look_up(PyObject *value, const char *name, PyObject **found) {
    *found = PyObject_GetAttrString(value, name);
    if (*found == NULL && !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

/* The text of an address: a str itself; the str() of what has a `version`, as the objects of ipaddress and netaddr do; "ip" and
 * "prefixlen" of an object that has them where a network is asked for. TypeError for anything else. */
static PyObject *address_text(rsec_data_type type, PyObject *value) {
    bool is_prefix = type == RSEC_TYPE_IPV4PREFIX || type == RSEC_TYPE_IPV6PREFIX;
    bool is_ip = is_prefix || type == RSEC_TYPE_IPADDR || type == RSEC_TYPE_IPV6ADDR || type == RSEC_TYPE_COMBO_IP;
    if (PyUnicode_Check(value)) {
        return Py_NewRef(value);
    }
    PyObject *ip = NULL, *prefix_len = NULL, *version = NULL, *text = NULL;
    if ((is_prefix && (look_up(value, "ip", &ip) < 0 || look_up(value, "prefixlen", &prefix_len) < 0)) ||
        (is_ip && look_up(value, "version", &version) < 0)) {
        goto done;
    }
    if (ip != NULL && prefix_len != NULL) {
        text = PyUnicode_FromFormat("%S/%S", ip, prefix_len);
    } else if (version != NULL) {
        text = PyObject_Str(value);
    } else {
        (void)PyErr_Format(PyExc_TypeError, "%s: expected %s, found %.100s", names[type], address_noun(type),
                           Py_TYPE(value)->tp_name);
    }
done:
    Py_XDECREF(ip);
    Py_XDECREF(prefix_len);
    Py_XDECREF(version);
    return text;
}

static PyObject *encode_address(rsec_data_type type, PyObject *value) {
    size_t raw_len = type == RSEC_TYPE_IFID ? 8 : type == RSEC_TYPE_ETHER ? 6 : 0;
    if (raw_len > 0 && PyObject_CheckBuffer(value)) {
        PyObject *bytes = octets_of(type, value, PY_SSIZE_T_MAX);
        if (bytes != NULL && (size_t)PyBytes_GET_SIZE(bytes) != raw_len) {
            (void)wrong_length(type, raw_len == 8 ? "8" : "6", (size_t)PyBytes_GET_SIZE(bytes));
            Py_CLEAR(bytes);
        }
        return bytes;
    }
    PyObject *text = address_text(type, value);
    Py_ssize_t len;
    const char *utf8 = text != NULL ? PyUnicode_AsUTF8AndSize(text, &len) : NULL;
    if (utf8 == NULL) {
        Py_XDECREF(text);
        return NULL;
    }
    uint8_t octets[18];
    size_t octets_len;
    rsec_status status = parse_text(type, utf8, (size_t)len, octets, &octets_len);
    if (status != RSEC_OK) {
        (void)PyErr_Format(PyExc_ValueError, "%s: expected %s, found %.100R", names[type], address_noun(type), text);
    }
    Py_DECREF(text);
    return status == RSEC_OK ? rsec_py_bytes(rsec_view_of(octets, octets_len)) : NULL;
}

/* Prefixes: a reserved octet, the prefix length, as many octets of address as were sent. */
static PyObject *decode_prefix(rsec_data_type type, rsec_view octets) {
    bool is_ipv6 = type == RSEC_TYPE_IPV6PREFIX;
    char text[RSEC_IPV6_PREFIX_TEXT];
    size_t len;
    rsec_status status = is_ipv6 ? rsec_ipv6_prefix_format(octets, text, &len)
                                 : rsec_ipv4_prefix_format(octets, text, &len);
    if (status == RSEC_OK) {
        return PyUnicode_FromStringAndSize(text, (Py_ssize_t)len);
    }
    if (octets.len < 2 || octets.len > (is_ipv6 ? 18U : 6U)) {
        return wrong_length(type, is_ipv6 ? "2 to 18" : "2 to 6", octets.len);
    }
    return PyErr_Format(PyExc_ValueError, "%s: expected a prefix length of 0 to %d, found %d", names[type],
                        is_ipv6 ? 128 : 32, octets.ptr[1]);
}

static PyObject *decode_address(rsec_data_type type, rsec_view octets) {
    char text[RSEC_IPV6_TEXT];
    uint8_t padded[16] = {0};
    size_t len;
    switch (type) {
    case RSEC_TYPE_IPADDR:
    case RSEC_TYPE_COMBO_IP:
        if (octets.len != 4 && octets.len != 16) {
            return wrong_length(type, "4 or 16", octets.len);
        }
        len = octets.len == 4 ? rsec_ipv4_format(octets.ptr, text) : rsec_ipv6_format(octets.ptr, text);
        break;
    case RSEC_TYPE_IPV6ADDR: /* a shorter one ends in zeros that were not sent */
        if (octets.len > 16) {
            return wrong_length(type, "16", octets.len);
        }
        if (octets.len > 0) {
            memcpy(padded, octets.ptr, octets.len);
        }
        len = rsec_ipv6_format(padded, text);
        break;
    case RSEC_TYPE_IFID:
        if (octets.len != 8) {
            return wrong_length(type, "8", octets.len);
        }
        len = rsec_ifid_format(octets.ptr, text);
        break;
    case RSEC_TYPE_ETHER:
        if (octets.len != 6) {
            return wrong_length(type, "6", octets.len);
        }
        len = rsec_ether_format(octets.ptr, text);
        break;
    default:
        return decode_prefix(type, octets);
    }
    return PyUnicode_FromStringAndSize(text, (Py_ssize_t)len);
}

/* --- dispatch --- */

PyObject *rsec_py_encode(rsec_data_type type, PyObject *value, size_t max) {
    switch (type) {
    case RSEC_TYPE_STRING:
    case RSEC_TYPE_OCTETS:
        return value == Py_None         ? PyBytes_FromStringAndSize(NULL, 0)
               : PyUnicode_Check(value) ? encode_text(type, value, max)
                                        : octets_of(type, value, max);
    case RSEC_TYPE_ABINARY:
        return encode_filter(value, max);
    case RSEC_TYPE_INTEGER:
    case RSEC_TYPE_SIGNED:
    case RSEC_TYPE_SHORT:
    case RSEC_TYPE_BYTE:
    case RSEC_TYPE_INTEGER64:
    case RSEC_TYPE_DATE:
        return encode_number(type, value);
    case RSEC_TYPE_IPADDR:
    case RSEC_TYPE_IPV6ADDR:
    case RSEC_TYPE_IPV6PREFIX:
    case RSEC_TYPE_IPV4PREFIX:
    case RSEC_TYPE_COMBO_IP:
    case RSEC_TYPE_IFID:
    case RSEC_TYPE_ETHER:
        return encode_address(type, value);
    default:
        return PyErr_Format(PyExc_ValueError, "type %s has no value of its own, found %.100s",
                            rsec_data_type_name(type), Py_TYPE(value)->tp_name);
    }
}

PyObject *rsec_py_decode(rsec_data_type type, rsec_view octets) {
    switch (type) {
    case RSEC_TYPE_STRING:
        return decode_string(octets);
    case RSEC_TYPE_INTEGER:
    case RSEC_TYPE_SIGNED:
    case RSEC_TYPE_SHORT:
    case RSEC_TYPE_BYTE:
    case RSEC_TYPE_INTEGER64:
    case RSEC_TYPE_DATE:
        return decode_number(type, octets);
    case RSEC_TYPE_IPADDR:
    case RSEC_TYPE_IPV6ADDR:
    case RSEC_TYPE_IPV6PREFIX:
    case RSEC_TYPE_IPV4PREFIX:
    case RSEC_TYPE_COMBO_IP:
    case RSEC_TYPE_IFID:
    case RSEC_TYPE_ETHER:
        return decode_address(type, octets);
    default:
        return rsec_py_bytes(octets);
    }
}
