# RabbitMQ with its management page, from Debian's package. Sourced by scripts/services; same settings as in
# compose.yaml. The broker's port mapper (epmd) is our own too, so that nothing listens beyond loopback.
# shellcheck shell=bash

RABBITMQ_PORT=${ESTEIRA_RABBITMQ_PORT:-$((25673 + PORT_OFFSET))}
RABBITMQ_TLS_PORT=${ESTEIRA_RABBITMQ_TLS_PORT:-$((25675 + PORT_OFFSET))}
RABBITMQ_UI_PORT=${ESTEIRA_RABBITMQ_UI_PORT:-$((15673 + PORT_OFFSET))}
RABBITMQ_DIST=${ESTEIRA_RABBITMQ_DIST_PORT:-$((25674 + PORT_OFFSET))}
RABBITMQ_EPMD=${ESTEIRA_RABBITMQ_EPMD_PORT:-$((24369 + PORT_OFFSET))}
RABBITMQ_BIN=/usr/lib/rabbitmq/bin

rabbitmq_install() { need_command "$RABBITMQ_BIN/rabbitmq-server" rabbitmq-server; }

rabbitmq_start() {
    rabbitmq_config >"$HOME_DIR/rabbitmq/rabbitmq.conf"
    printf '[rabbitmq_management].\n' >"$HOME_DIR/rabbitmq/enabled_plugins"
    rabbitmq_environment
    # Told that it runs under a supervisor, its start script becomes the broker instead of waiting beside it.
    export RUNNING_UNDER_SYSTEMD=1
    is_running rabbitmq-epmd || launch rabbitmq-epmd epmd -address "$HOST" -port "$RABBITMQ_EPMD"
    launch rabbitmq "$RABBITMQ_BIN/rabbitmq-server"
}

rabbitmq_config() {
    cat <<TEXT
# Written by scripts/services at each start; changes here are lost.
listeners.tcp.1 = $HOST:$RABBITMQ_PORT
listeners.ssl.1 = $HOST:$RABBITMQ_TLS_PORT
ssl_options.cacertfile = $TLS_CA
ssl_options.certfile = $TLS_CERT
ssl_options.keyfile = $TLS_KEY
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false
management.tcp.ip = $HOST
management.tcp.port = $RABBITMQ_UI_PORT
default_user = guest
default_pass = guest
log.console = true
log.console.level = info
log.file = false
TEXT
}

# The broker and rabbitmqctl find each other by these.
rabbitmq_environment() {
    export HOME=$HOME_DIR/rabbitmq # the shared secret (.erlang.cookie) is made here
    export ERL_EPMD_ADDRESS=$HOST ERL_EPMD_PORT=$RABBITMQ_EPMD
    export RABBITMQ_NODENAME=esteira@localhost
    export RABBITMQ_CONF_ENV_FILE=/dev/null
    export RABBITMQ_CONFIG_FILE=$HOME/rabbitmq.conf
    export RABBITMQ_ENABLED_PLUGINS_FILE=$HOME/enabled_plugins
    export RABBITMQ_MNESIA_BASE=$HOME/data RABBITMQ_LOG_BASE=$HOME/logs
    export RABBITMQ_DIST_PORT=$RABBITMQ_DIST
    # Distribution on loopback only; idle schedulers sleep instead of spinning.
    local loopback='-kernel inet_dist_use_interface {127,0,0,1}' sleepy='+sbwt none +sbwtdcpu none +sbwtdio none'
    export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="$loopback $sleepy"
}

# The AMQP greeting, answered by a method frame on channel 0 (connection.start). The listener opens last in its boot.
rabbitmq_ready() { [ "$(ask "$RABBITMQ_PORT" 3 'AMQP\x00\x00\x09\x01')" = 010000 ]; }

rabbitmq_ports() { echo "$RABBITMQ_PORT" "$RABBITMQ_TLS_PORT" "$RABBITMQ_UI_PORT" "$RABBITMQ_DIST"; }
rabbitmq_address() { printf '%s:%s' "$HOST" "$RABBITMQ_PORT"; }
rabbitmq_url() { printf 'amqp://guest:guest@%s:%s/%%2f' "$HOST" "$RABBITMQ_PORT"; }
rabbitmq_version() { dpkg-query -W -f '${Version}' rabbitmq-server 2>/dev/null | sed 's/-.*//'; }

rabbitmq_env() {
    print_export ESTEIRA_CONN_RABBITMQ_DEFAULT "$(rabbitmq_url)"
    print_export ESTEIRA_TEST_TLS_RABBITMQ "amqps://guest:guest@$HOST:$RABBITMQ_TLS_PORT/%2f"
    print_export ESTEIRA_RABBITMQ_UI "http://$HOST:$RABBITMQ_UI_PORT"
}

rabbitmq_tool() {
    rabbitmq_environment
    exec "$RABBITMQ_BIN/rabbitmqctl" "$@"
}
