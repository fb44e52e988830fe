# Apache Kafka, one node that is broker and controller (KRaft), from its jars on Maven Central and the machine's Java
# (17 or newer). Sourced by scripts/services; same version and settings as in compose.yaml.
# shellcheck shell=bash

KAFKA_VERSION=4.1.1
KAFKA_LOG4J_VERSION=2.24.3 # the one that this Kafka ships with
KAFKA_PORT=${ESTEIRA_KAFKA_PORT:-$((19092 + PORT_OFFSET))}
KAFKA_TLS_PORT=${ESTEIRA_KAFKA_TLS_PORT:-$((19094 + PORT_OFFSET))}
KAFKA_CONTROLLER_PORT=${ESTEIRA_KAFKA_CONTROLLER_PORT:-$((19093 + PORT_OFFSET))}
KAFKA_CLUSTER_ID=RXN0ZWlyYS1zZXJ2aWNlcw # "Esteira-services" in base64
KAFKA_LIBS=$CACHE_DIR/kafka-$KAFKA_VERSION

kafka_install() {
    need_command java openjdk-17-jre-headless
    [ -d "$KAFKA_LIBS" ] || with_cache_lock kafka kafka_fetch
}

# Lets Maven copy Kafka and all that it needs into the cache. The folder appears only when it is whole.
kafka_fetch() {
    [ ! -d "$KAFKA_LIBS" ] || return 0
    need_command mvn maven
    say "fetching Kafka $KAFKA_VERSION's jars (once, about 60 MB)"
    local work=$CACHE_DIR/kafka-fetch log=$CACHE_DIR/kafka-fetch.log
    rm -rf "$work"
    mkdir -p "$work"
    kafka_pom >"$work/pom.xml"
    mvn -B -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$work/libs" >"$log" 2>&1 || {
        grep -m 5 ERROR "$log" >&2 || true
        die "Maven could not fetch Kafka's jars (its output is in $log)"
    }
    mv "$work/libs" "$KAFKA_LIBS"
    rm -rf "$work"
}

kafka_pom() {
    cat <<TEXT
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>esteira</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$KAFKA_VERSION</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$KAFKA_VERSION</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
      <version>$KAFKA_LOG4J_VERSION</version>
    </dependency>
  </dependencies>
</project>
TEXT
}

kafka_start() {
    local dir=$HOME_DIR/kafka
    kafka_config >"$dir/server.properties"
    kafka_log_config info >"$dir/log4j2.properties"
    kafka_log_config error >"$dir/log4j2-tools.properties"
    [ -e "$dir/data/meta.properties" ] || kafka_format
    launch kafka java -Xms128m -Xmx512m -XX:+UseSerialGC -cp "$KAFKA_LIBS/*" \
        -Dlog4j2.configurationFile="$dir/log4j2.properties" -Djava.awt.headless=true \
        kafka.Kafka "$dir/server.properties"
}

kafka_format() {
    kafka_java kafka.tools.StorageTool format --cluster-id "$KAFKA_CLUSTER_ID" \
        --config "$HOME_DIR/kafka/server.properties" >>"$(log_of kafka)" 2>&1 || die "its data folder could not be formatted (see $(log_of kafka))"
}

# Topics come into being when first written to (auto.create.topics.enable), as with the broker's own default; internal
# topics have one copy, since there is one node.
kafka_config() {
    cat <<TEXT
# Written by scripts/services at each start; changes here are lost.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@$HOST:$KAFKA_CONTROLLER_PORT
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://$HOST:$KAFKA_PORT,SASL_SSL://$HOST:$KAFKA_TLS_PORT,CONTROLLER://$HOST:$KAFKA_CONTROLLER_PORT
advertised.listeners=PLAINTEXT://$HOST:$KAFKA_PORT,SASL_SSL://$HOST:$KAFKA_TLS_PORT
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
listener.name.sasl_ssl.ssl.keystore.type=PEM
listener.name.sasl_ssl.ssl.keystore.location=$TLS_DIR/kafka.pem
listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
    user_$TLS_USER="$TLS_PASSWORD";
log.dirs=$HOME_DIR/kafka/data
auto.create.topics.enable=true
num.partitions=1
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
TEXT
}

kafka_log_config() {
    cat <<TEXT
# Written by scripts/services at each start; changes here are lost.
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = $1
rootLogger.appenderRef.out.ref = out
TEXT
}

# Metadata (version 1, no topics): the answer lists the brokers that take part, so it is ready when there is one.
# Answer: 4 bytes length, 4 bytes correlation id, then the number of brokers.
kafka_ready() {
    local request='\x00\x00\x00\x15\x00\x03\x00\x01\x00\x00\x00\x07\x00\x07esteira\x00\x00\x00\x00'
    local answer
    answer=$(ask "$KAFKA_PORT" 12 "$request")
    [ "${answer:8}" = 0000000700000001 ]
}

kafka_ports() { echo "$KAFKA_PORT" "$KAFKA_TLS_PORT" "$KAFKA_CONTROLLER_PORT"; }
kafka_address() { printf '%s:%s' "$HOST" "$KAFKA_PORT"; }
kafka_url() { printf 'kafka://%s:%s' "$HOST" "$KAFKA_PORT"; }
kafka_version() { printf '%s' "$KAFKA_VERSION"; }

kafka_env() {
    print_export ESTEIRA_CONN_KAFKA_DEFAULT "$(kafka_url)"
    print_export ESTEIRA_TEST_TLS_KAFKA "kafka+ssl://$TLS_USER:$TLS_PASSWORD@$HOST:$KAFKA_TLS_PORT"
}


# A short-lived Java program out of Kafka's jars: quick to start, small, and quiet.
kafka_java() {
    java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$KAFKA_LIBS/*" \
        -Dlog4j2.configurationFile="$HOME_DIR/kafka/log4j2-tools.properties" "$@"
}

kafka_tool() {
    local tool=$1 class
    shift
    case "$tool" in
        kafka-topics) class=org.apache.kafka.tools.TopicCommand ;;
        kafka-console-producer) class=org.apache.kafka.tools.ConsoleProducer ;;
        kafka-console-consumer) class=org.apache.kafka.tools.consumer.ConsoleConsumer ;;
        kafka-consumer-groups) class=org.apache.kafka.tools.consumer.group.ConsumerGroupCommand ;;
        *) die "no Kafka tool is called '$tool'" ;;
    esac
    [ -d "$KAFKA_LIBS" ] || die "Kafka is not installed; run: scripts/services up kafka"
    kafka_java "$class" --bootstrap-server "$HOST:$KAFKA_PORT" "$@"
}
