#!/bin/sh
# Makes the development certificates: a CA, a server and a client, P-256, good for ten years.
#
# They are public: anybody who has this directory can pretend to be either side. Never trust this CA outside of a
# development machine. Run it again to replace them: certs/make.sh [DIRECTORY]
set -eu
cd "${1:-$(dirname "$0")}"
days=3652
umask 077
mkdir -p ca server client

key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }

key ca/ca.key.pem
openssl req -x509 -new -sha256 -key ca/ca.key.pem -days "$days" -out ca/ca.cert.pem \
    -subj "/O=pyradsec development only/CN=pyradsec development CA" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -addext "subjectKeyIdentifier=hash"

# leaf NAME SUBJECT_CN EXTENDED_KEY_USAGE SUBJECT_ALT_NAME
leaf() {
    key "$1/$1.key.pem"
    openssl req -new -sha256 -key "$1/$1.key.pem" -subj "/O=pyradsec development only/CN=$2" -out "$1/$1.csr.pem"
    cat >"$1/$1.ext" <<EXT
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=$3
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid:always
subjectAltName=$4
EXT
    openssl x509 -req -sha256 -in "$1/$1.csr.pem" -CA ca/ca.cert.pem -CAkey ca/ca.key.pem \
        -set_serial "0x$(openssl rand -hex 16 | sed 's/^./4/')" -days "$days" -extfile "$1/$1.ext" -out "$1/$1.cert.pem"
    rm "$1/$1.csr.pem" "$1/$1.ext"
}

leaf server radsec-server "serverAuth" "DNS:localhost,DNS:radsec-server,IP:127.0.0.1,IP:::1"
leaf client radsec-client "clientAuth" "DNS:radsec-client"

openssl verify -x509_strict -CAfile ca/ca.cert.pem -purpose sslserver server/server.cert.pem
openssl verify -x509_strict -CAfile ca/ca.cert.pem -purpose sslclient client/client.cert.pem
