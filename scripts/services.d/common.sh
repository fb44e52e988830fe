# What all services share: folders, messages, Debian packages, processes, readiness. Sourced by scripts/services and
# scripts/test.
# shellcheck shell=bash disable=SC2034 # the other files use what is set here

HOST=127.0.0.1
HOME_DIR=${ESTEIRA_SERVICES_HOME:-$ROOT/.services}
CACHE_DIR=${ESTEIRA_SERVICES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/esteira-services}
READY_SECONDS=${ESTEIRA_SERVICES_TIMEOUT:-120}
SERVICE=services # the service whose job this is; say, warn and die put it in front

# Debian keeps some servers out of an ordinary user's PATH.
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin

mkdir -p "$HOME_DIR" "$CACHE_DIR"
HOME_DIR=$(cd "$HOME_DIR" && pwd)
CACHE_DIR=$(cd "$CACHE_DIR" && pwd)

# ---- messages -------------------------------------------------------------------------------------------------

say() { printf '%-9s %s\n' "$SERVICE" "$*"; }
warn() { printf '%-9s WARNING: %s\n' "$SERVICE" "$*" >&2; }
die() {
    printf '%-9s ERROR: %s\n' "$SERVICE" "$*" >&2
    exit 1
}

print_export() { printf "export %s='%s'\n" "$1" "$2"; }

is_one_of() {
    local wanted=$1 each
    shift
    for each in "$@"; do [ "$each" != "$wanted" ] || return 0; done
    return 1
}

# ---- one at a time --------------------------------------------------------------------------------------------

# Commands that start or stop things wait for each other; descriptor 9 holds the lock and is closed for daemons.
one_at_a_time() {
    exec 9>"$HOME_DIR/lock"
    flock --nonblock 9 && return
    say "waiting for another scripts/services that is at work"
    flock 9
}

# Runs a command while no one else, from any copy of the project, runs one under the same lock name.
with_cache_lock() {
    local lock=$1
    shift
    (
        flock 8
        "$@"
    ) 8>"$CACHE_DIR/$lock.lock"
}

# ---- Debian packages ------------------------------------------------------------------------------------------

# need_command COMMAND PACKAGE…: makes sure of a command, installing its packages when it is missing.
need_command() {
    local command=$1
    shift
    command -v "$command" >/dev/null && return
    with_cache_lock apt install_packages "$command" "$@" || exit 1
    hash -r
    command -v "$command" >/dev/null || die "$* was installed, yet there is still no '$command' in PATH"
}

install_packages() {
    local command=$1
    shift
    command -v "$command" >/dev/null && return # another job has installed it while this one waited
    command -v apt-get >/dev/null || die "'$command' is missing; install it (on Debian: $*) and run this again"
    [ "$(id -u)" = 0 ] || die "'$command' is missing; run this, then try again:  sudo apt-get install $*"
    say "installing $* from Debian's packages"
    local log=$CACHE_DIR/apt.log
    without_autostart apt_get_install "$@" >"$log" 2>&1 || {
        tail -n 5 "$log" >&2
        die "apt-get could not install $* (its output is in $log)"
    }
    keep_from_booting "$@"
}

apt_get_install() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update
    apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
}

# Debian starts a server as soon as it is installed. We run our own, so this stays off while a package goes in.
without_autostart() {
    local policy=/usr/sbin/policy-rc.d status=0
    if [ -e "$policy" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    "$@" || status=$?
    rm -f "$policy"
    return "$status"
}

# Nor shall it start with the machine. Only what was installed here is touched, not what its owner had before.
keep_from_booting() {
    local package
    for package in "$@"; do systemctl disable --quiet "$package" >/dev/null 2>&1 || true; done
}

# ---- processes ------------------------------------------------------------------------------------------------

log_of() { printf '%s/%s/%s.log' "$HOME_DIR" "${1%%-*}" "$1"; }
pid_file_of() { printf '%s/%s/%s.pid' "$HOME_DIR" "${1%%-*}" "$1"; }

# When a process began, in clock ticks: with the pid it names one process, even after pids are used again.
birth_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# launch NAME COMMAND…: starts a daemon with its own session, log and pid file.
launch() {
    local name=$1 pid
    shift
    printf '\n==== started %s\n' "$(date '+%F %T')" >>"$(log_of "$name")"
    setsid "$@" </dev/null >>"$(log_of "$name")" 2>&1 7>&- 8>&- 9>&- &
    pid=$!
    printf '%s %s\n' "$pid" "$(birth_of "$pid")" >"$(pid_file_of "$name")"
}

# The pid on file, if it is still the process that was started.
pid_of() {
    local pid birth
    read -r pid birth 2>/dev/null <"$(pid_file_of "$1")" || return 1
    [ -n "$birth" ] && [ "$(birth_of "$pid")" = "$birth" ] || return 1
    printf '%s' "$pid"
}

is_running() { pid_of "$1" >/dev/null; }

# stop_process NAME SECONDS: asks the process to end, and ends it if it does not.
stop_process() {
    local name=$1 patience=$2 pid
    pid=$(pid_of "$name") || return 0
    kill -TERM "$pid" 2>/dev/null || true
    local deadline=$((SECONDS + patience))
    while is_running "$name"; do
        if [ $SECONDS -ge $deadline ]; then
            warn "did not stop within $patience s and is killed"
            kill_process "$name"
        fi
        sleep 0.1
    done
    rm -f "$(pid_file_of "$name")"
}

# Ends the process and its children; each daemon leads a process group of its own.
kill_process() {
    local pid
    pid=$(pid_of "$1") || return 0
    kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
    while is_running "$1"; do sleep 0.02; done
}

# The processes that a service brought along (as RabbitMQ its port mapper): they are named SERVICE-something.
helpers_of() {
    local file
    for file in "$HOME_DIR/$1/$1"-*.pid; do
        [ ! -e "$file" ] || basename "$file" .pid
    done
}

stop_service() {
    SERVICE=$1
    is_running "$1" || [ -n "$(helpers_of "$1")" ] || return 0
    stop_process "$1" 30
    local helper
    for helper in $(helpers_of "$1"); do stop_process "$helper" 10; done
    say stopped
}

kill_service() {
    SERVICE=$1
    is_running "$1" || {
        say "is not running"
        return
    }
    kill_process "$1"
    local helper
    for helper in $(helpers_of "$1"); do kill_process "$helper"; done
    say killed
}

# ---- readiness ------------------------------------------------------------------------------------------------

# ask PORT BYTES REQUEST: sends a request (printf escapes) to a local port and prints what comes back, BYTES at most,
# as hex. Bash alone does it, so that no client program is needed to see whether a service answers.
ask() {
    local port=$1 bytes=$2 request=$3
    # shellcheck disable=SC2016 # the inner shell expands its own parameters
    timeout 3 bash -c '
        exec 3<>"/dev/tcp/$1/$2" || exit 1
        printf "$4" >&3
        head -c "$3" <&3 | od -An -v -tx1 | tr -d " \n"
    ' ask "$HOST" "$port" "$bytes" "$request" 2>/dev/null || true
}

to_hex() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }

# shellcheck disable=SC2016 # the inner shell expands its own parameters
port_is_taken() { timeout 1 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$HOST" "$1" 2>/dev/null; }

# Called before a start, so that a clash is named rather than found in a log.
need_free_ports() {
    local port
    for port in $("$1_ports"); do
        ! port_is_taken "$port" || die "port $port is used by another program; stop that, or choose other ports:" \
            "'scripts/services down', then 'up --any-port', or set ESTEIRA_PORT_OFFSET=100"
    done
}

wait_until_ready() {
    local name=$1 deadline=$((SECONDS + READY_SECONDS))
    until "${name}_ready"; do
        is_running "$name" || give_up "$name" "stopped while starting"
        [ $SECONDS -lt $deadline ] || give_up "$name" "gave no answer within $READY_SECONDS s"
        sleep 0.2
    done
}

give_up() {
    tail -n 15 "$(log_of "$1")" >&2 || true
    die "$2 (the end of its log is above; the whole is $(log_of "$1"))"
}
