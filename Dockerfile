# syntax=docker/dockerfile:1
#
# Two images, chosen by --target: `esteira` (the product, the default) and `minio` (the S3 store that compose.yaml runs;
# MinIO is published as source only, so it is built here, as scripts/services builds it).

# ---- MinIO ----------------------------------------------------------------------------------------------------
FROM golang:1.26-bookworm AS minio-build
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/go/build-cache \
    GOCACHE=/go/build-cache CGO_ENABLED=0 go install -trimpath -ldflags '-s -w' github.com/minio/minio@latest

FROM debian:bookworm-slim AS minio
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --uid 10002 minio \
    && install -d -o minio -g minio /data
COPY --from=minio-build /go/bin/minio /usr/local/bin/minio
USER minio
VOLUME /data
EXPOSE 9000 9001
ENTRYPOINT ["minio"]
CMD ["server", "--address", ":9000", "--console-address", ":9001", "/data"]

# ---- Esteira: build -------------------------------------------------------------------------------------------
# The builder image brings the C compiler, make and perl that librdkafka and OpenSSL (built from source for Kafka over
# TLS) ask for.
FROM rust:1.95-bookworm AS esteira-build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --features kafka-tls \
    && install -D target/release/esteira /out/esteira

# ---- Esteira: run ---------------------------------------------------------------------------------------------
# python3 and bash are for the operators of those names; tini reaps what their child processes leave behind.
FROM debian:bookworm-slim AS esteira
RUN apt-get update \
    && apt-get install -y --no-install-recommends bash ca-certificates python3 tini tzdata zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --uid 10001 esteira \
    && install -d -o esteira -g esteira /var/lib/esteira
COPY --from=esteira-build /out/esteira /usr/local/bin/esteira
COPY dags /app/dags
WORKDIR /app
USER esteira
ENV ESTEIRA_HOME=/var/lib/esteira
VOLUME /var/lib/esteira
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/api/v2/monitor/health', timeout=2)"]
ENTRYPOINT ["tini", "--", "esteira"]
# It listens for others, so it starts only with a user: set ESTEIRA_ADMIN_PASSWORD, or make one in the home before.
CMD ["serve", "--listen", "0.0.0.0:8080", "--dags", "/app/dags"]
