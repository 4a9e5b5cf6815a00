#include "py/codec.h"

#include "wire/code.h"
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

static PyObject *encode_number(rsec_data_type type, PyObject *value) {
    PyObject *number = PyLong_CheckExact(value) ? Py_NewRef(value) : NULL;
    if (number == NULL) {
        if (type == RSEC_TYPE_DATE && !PyLong_Check(value)) {
            return PyErr_Format(PyExc_TypeError, "%s: expected an int (seconds since 1970), found %.100s", names[type],
                                Py_TYPE(value)->tp_name);
        }
        number = PyUnicode_Check(value) ? PyLong_FromUnicodeObject(value, 10) : PyNumber_Long(value);
        if (number == NULL) {
            PyErr_Clear();
            return PyErr_Format(PyExc_TypeError, "%s: expected a number, found %R", names[type], value);
        }
    }
    size_t len = number_len(type);
    int overflow = 0;
    bool is_good;
    uint64_t octets_value = 0;
    if (len == 8) {
        octets_value = PyLong_AsUnsignedLongLong(number);
        is_good = PyErr_Occurred() == NULL;
        PyErr_Clear();
    } else {
        long long found = PyLong_AsLongLongAndOverflow(number, &overflow);
        long long least = type == RSEC_TYPE_SIGNED ? INT32_MIN : 0;
        long long most = type == RSEC_TYPE_SIGNED ? INT32_MAX : (long long)((UINT64_C(1) << (8 * len)) - 1);
        is_good = overflow == 0 && found >= least && found <= most;
        octets_value = (uint64_t)found;
    }
    Py_DECREF(number);
    if (!is_good) {
        return PyErr_Format(PyExc_ValueError, "%s: %R is out of range for %zu octets", names[type], value, len);
    }
    uint8_t octets[8];
    rsec_put_u64(octets, octets_value << (64 - 8 * len));
    return rsec_py_bytes(rsec_view_of(octets, len));
}

static PyObject *decode_number(rsec_data_type type, rsec_view octets) {
    if (octets.len != number_len(type)) {
        return PyErr_Format(PyExc_ValueError, "%s: expected %zu octets, found %zu", names[type], number_len(type),
                            octets.len);
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

static PyObject *encode_octets(rsec_data_type type, PyObject *value, size_t max) {
    if (value == Py_None) {
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    if (PyBytes_CheckExact(value)) {
        return (size_t)PyBytes_GET_SIZE(value) > max ? too_long(type, PyBytes_GET_SIZE(value), max) : Py_NewRef(value);
    }
    if (PyUnicode_Check(value)) {
        Py_ssize_t len;
        const char *text = PyUnicode_AsUTF8AndSize(value, &len);
        if (text == NULL) {
            return NULL;
        }
        if (type == RSEC_TYPE_OCTETS && len >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
            if ((size_t)(len - 2) / 2 > max) {
                return too_long(type, (len - 2) / 2, max);
            }
            PyObject *bytes = PyBytes_FromStringAndSize(NULL, (len - 2) / 2);
            if (bytes == NULL) {
                return NULL;
            }
            size_t num = (size_t)PyBytes_GET_SIZE(bytes);
            if (rsec_hex_parse(text, (size_t)len, (uint8_t *)PyBytes_AS_STRING(bytes), &num) != RSEC_OK) {
                Py_DECREF(bytes);
                return PyErr_Format(PyExc_ValueError, "octets: %R is not hexadecimal", value);
            }
            return bytes;
        }
        if (type == RSEC_TYPE_OCTETS && len > 0 && len <= 10 && strspn(text, "0123456789") == (size_t)len) {
            /* Decimal digits are a number: big-endian, without leading zero octets. */
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
    Py_buffer buffer;
    if (PyObject_CheckBuffer(value) && PyObject_GetBuffer(value, &buffer, PyBUF_SIMPLE) == 0) {
        PyObject *bytes = (size_t)buffer.len > max ? too_long(type, buffer.len, max)
                                                   : PyBytes_FromStringAndSize(buffer.buf, buffer.len);
        PyBuffer_Release(&buffer);
        return bytes;
    }
    PyErr_Clear();
    return PyErr_Format(PyExc_TypeError, "%s: expected str or bytes, found %.100s", names[type],
                        Py_TYPE(value)->tp_name);
}

static PyObject *decode_string(rsec_view octets) {
    if (rsec_utf8_is_valid(octets)) {
        return PyUnicode_DecodeUTF8((const char *)octets.ptr, (Py_ssize_t)octets.len, NULL);
    }
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

static PyObject *encode_address(rsec_data_type type, PyObject *value) {
    if (PyBytes_Check(value)) {
        size_t len = (size_t)PyBytes_GET_SIZE(value);
        bool is_good = (type == RSEC_TYPE_IFID && len == 8) || (type == RSEC_TYPE_ETHER && len == 6);
        if (is_good) {
            return Py_NewRef(value);
        }
        return PyErr_Format(PyExc_TypeError, "%s: expected text, found %zu octets", names[type], len);
    }
    /* IPv4Address, IPv6Network and the like have the text we read as their str(). */
    bool is_number = PyLong_Check(value) || PyFloat_Check(value) || value == Py_None;
    PyObject *text = PyUnicode_Check(value) ? Py_NewRef(value) : is_number ? NULL : PyObject_Str(value);
    Py_ssize_t len;
    const char *utf8 = text != NULL ? PyUnicode_AsUTF8AndSize(text, &len) : NULL;
    if (utf8 == NULL) {
        Py_XDECREF(text);
        return PyErr_Occurred() != NULL ? NULL
                                        : PyErr_Format(PyExc_TypeError, "%s: expected text or an address, found %.100s",
                                                       names[type], Py_TYPE(value)->tp_name);
    }
    uint8_t octets[18];
    size_t octets_len;
    rsec_status status = parse_text(type, utf8, (size_t)len, octets, &octets_len);
    Py_DECREF(text);
    if (status != RSEC_OK) {
        return PyErr_Format(PyExc_ValueError, "%s: %R is not one", names[type], value);
    }
    return rsec_py_bytes(rsec_view_of(octets, octets_len));
}

static PyObject *decode_address(rsec_data_type type, rsec_view octets) {
    char text[RSEC_IPV6_PREFIX_TEXT];
    uint8_t padded[16] = {0};
    size_t len = 0;
    rsec_status status = RSEC_OK;
    switch (type) {
    case RSEC_TYPE_IPADDR:
    case RSEC_TYPE_COMBO_IP:
        if (octets.len == 4) {
            len = rsec_ipv4_format(octets.ptr, text);
        } else if (octets.len == 16) {
            len = rsec_ipv6_format(octets.ptr, text);
        } else {
            status = RSEC_ATTR_VALUE;
        }
        break;
    case RSEC_TYPE_IPV6ADDR:
        if (octets.len <= 16) {
            memcpy(padded, octets.ptr, octets.len);
            len = rsec_ipv6_format(padded, text);
        } else {
            status = RSEC_ATTR_VALUE;
        }
        break;
    case RSEC_TYPE_IPV4PREFIX:
        status = rsec_ipv4_prefix_format(octets, text, &len);
        break;
    case RSEC_TYPE_IPV6PREFIX:
        status = rsec_ipv6_prefix_format(octets, text, &len);
        break;
    case RSEC_TYPE_IFID:
        status = octets.len == 8 ? RSEC_OK : RSEC_ATTR_VALUE;
        len = status == RSEC_OK ? rsec_ifid_format(octets.ptr, text) : 0;
        break;
    default:
        status = octets.len == 6 ? RSEC_OK : RSEC_ATTR_VALUE;
        len = status == RSEC_OK ? rsec_ether_format(octets.ptr, text) : 0;
        break;
    }
    if (status != RSEC_OK) {
        return PyErr_Format(PyExc_ValueError, "%s: %zu octets do not make one", names[type], octets.len);
    }
    return PyUnicode_FromStringAndSize(text, (Py_ssize_t)len);
}

/* --- dispatch --- */

PyObject *rsec_py_encode(rsec_data_type type, PyObject *value, size_t max) {
    switch (type) {
    case RSEC_TYPE_STRING:
    case RSEC_TYPE_OCTETS:
    case RSEC_TYPE_ABINARY:
        return encode_octets(type, value, max);
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
