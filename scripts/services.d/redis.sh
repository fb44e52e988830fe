# Redis, from Debian's package. Sourced by scripts/services; same settings as in compose.yaml.
# shellcheck shell=bash

REDIS_PORT=${ESTEIRA_REDIS_PORT:-$((16379 + PORT_OFFSET))}
REDIS_TLS_PORT=${ESTEIRA_REDIS_TLS_PORT:-$((16380 + PORT_OFFSET))}

redis_install() { need_command redis-server redis-server; }

redis_start() {
    mkdir -p "$HOME_DIR/redis/data"
    redis_config >"$HOME_DIR/redis/redis.conf"
    launch redis redis-server "$HOME_DIR/redis/redis.conf"
}

redis_config() {
    cat <<TEXT
# Written by scripts/services at each start; changes here are lost.
bind $HOST
port $REDIS_PORT
dir $HOME_DIR/redis/data
appendonly yes
tls-port $REDIS_TLS_PORT
tls-ca-cert-file $TLS_CA
tls-cert-file $TLS_CERT
tls-key-file $TLS_KEY
tls-auth-clients no
user default on nopass ~* &* +@all
user $TLS_USER on >$TLS_PASSWORD ~* &* +@all
TEXT
}

# PING, answered by PONG (while it loads its data it answers with an error instead).
redis_ready() { [ "$(ask "$REDIS_PORT" 5 'PING\r\n')" = "$(to_hex '+PONG')" ]; }

redis_ports() { echo "$REDIS_PORT" "$REDIS_TLS_PORT"; }
redis_address() { printf '%s:%s' "$HOST" "$REDIS_PORT"; }
redis_url() { printf 'redis://%s:%s/0' "$HOST" "$REDIS_PORT"; }
redis_version() { redis-server --version 2>/dev/null | sed -n 's/.*v=\([^ ]*\).*/\1/p'; }

redis_env() {
    print_export ESTEIRA_CONN_REDIS_DEFAULT "$(redis_url)"
    print_export ESTEIRA_TEST_TLS_REDIS "rediss://$TLS_USER:$TLS_PASSWORD@$HOST:$REDIS_TLS_PORT/0"
}

redis_tool() { exec redis-cli -h "$HOST" -p "$REDIS_PORT" "$@"; }
