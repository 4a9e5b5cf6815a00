#include "wire/code.h"

#include <stddef.h>

const char *rsec_code_name(uint8_t code) {
    switch (code) {
    case RSEC_ACCESS_REQUEST:
        return "Access-Request";
    case RSEC_ACCESS_ACCEPT:
        return "Access-Accept";
    case RSEC_ACCESS_REJECT:
        return "Access-Reject";
    case RSEC_ACCOUNTING_REQUEST:
        return "Accounting-Request";
    case RSEC_ACCOUNTING_RESPONSE:
        return "Accounting-Response";
    case RSEC_ACCESS_CHALLENGE:
        return "Access-Challenge";
    case RSEC_STATUS_SERVER:
        return "Status-Server";
    case RSEC_STATUS_CLIENT:
        return "Status-Client";
    case RSEC_DISCONNECT_REQUEST:
        return "Disconnect-Request";
    case RSEC_DISCONNECT_ACK:
        return "Disconnect-ACK";
    case RSEC_DISCONNECT_NAK:
        return "Disconnect-NAK";
    case RSEC_COA_REQUEST:
        return "CoA-Request";
    case RSEC_COA_ACK:
        return "CoA-ACK";
    case RSEC_COA_NAK:
        return "CoA-NAK";
    case RSEC_PROTOCOL_ERROR:
        return "Protocol-Error";
    default:
        return NULL;
    }
}

bool rsec_code_is_response(uint8_t code) {
    switch (code) {
    case RSEC_ACCESS_ACCEPT:
    case RSEC_ACCESS_REJECT:
    case RSEC_ACCOUNTING_RESPONSE:
    case RSEC_ACCESS_CHALLENGE:
    case RSEC_DISCONNECT_ACK:
    case RSEC_DISCONNECT_NAK:
    case RSEC_COA_ACK:
    case RSEC_COA_NAK:
    case RSEC_PROTOCOL_ERROR:
        return true;
    default:
        return false;
    }
}

bool rsec_code_signs_request(uint8_t code) {
    return code == RSEC_ACCOUNTING_REQUEST || code == RSEC_COA_REQUEST || code == RSEC_DISCONNECT_REQUEST;
}
