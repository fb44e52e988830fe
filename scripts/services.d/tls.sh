# TLS for tests of rediss://, amqps://, kafka+ssl:// and S3 over HTTPS: a certificate authority and one server
# certificate for localhost, made here and used by nobody else. Sourced by scripts/services; see each service's file.
# The keys are for this machine's tests alone.
# shellcheck shell=bash disable=SC2034 # the other files use what is set here

TLS_DIR=$HOME_DIR/tls
TLS_CA=$TLS_DIR/ca.pem
TLS_CERT=$TLS_DIR/server.pem
TLS_KEY=$TLS_DIR/server.key
TLS_USER=esteira
TLS_PASSWORD=esteira

# Makes the certificates, once; services come here at the same time, and the first one does the work.
tls_prepare() {
    (
        flock 7
        tls_is_fresh || tls_make
    ) 7>"$HOME_DIR/tls.lock"
}

tls_is_fresh() {
    [ -e "$TLS_DIR/complete" ] && openssl x509 -in "$TLS_CERT" -noout -checkend 86400 >/dev/null
}

tls_make() {
    need_command openssl openssl
    local log=$HOME_DIR/tls.log
    rm -rf "$TLS_DIR"
    mkdir -p "$TLS_DIR"
    {
        tls_make_authority
        tls_make_server
    } >"$log" 2>&1 || die "openssl could not make the certificates for TLS (its output is in $log)"
    cat "$TLS_KEY" "$TLS_CERT" >"$TLS_DIR/kafka.pem" # Kafka wants both in one file
    install -D -m 600 "$TLS_KEY" "$TLS_DIR/minio/private.key"
    install -D "$TLS_CERT" "$TLS_DIR/minio/public.crt"
    touch "$TLS_DIR/complete"
}

tls_make_authority() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 825 -subj '/CN=Esteira development CA' \
        -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
        -keyout "$TLS_DIR/ca.key" -out "$TLS_CA"
}

tls_make_server() {
    openssl req -new -newkey rsa:2048 -nodes -subj '/CN=localhost' -keyout "$TLS_KEY" -out "$TLS_DIR/server.csr" &&
        openssl x509 -req -in "$TLS_DIR/server.csr" -CA "$TLS_CA" -CAkey "$TLS_DIR/ca.key" -CAcreateserial -days 825 \
            -extfile <(printf '%s\n' 'basicConstraints=CA:FALSE' 'keyUsage=digitalSignature,keyEncipherment' \
                'extendedKeyUsage=serverAuth' 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1') -out "$TLS_CERT"
}

tls_env() { print_export ESTEIRA_TEST_TLS_CA "$TLS_CA"; }

# Like `ask`, over TLS and with the certificate checked; prints the first line of the answer.
ask_tls() {
    local port=$1 request=$2
    # shellcheck disable=SC2059 # the request is a format on purpose: it has escapes
    printf "$request" | timeout 3 openssl s_client -quiet -verify_return_error -verify_quiet -CAfile "$TLS_CA" \
        -connect "$HOST:$port" 2>/dev/null | head -n 1 || true
}
