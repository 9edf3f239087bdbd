# The image of Lastro: one binary over the C library, without a shell, as a user who is not root.
#
# From the sources (BuildKit builds it for both with --platform linux/amd64,linux/arm64):
#
#   docker build --tag lastro .
#
# From a binary that was built outside, in a folder with nothing else in it; the binary has to be of the image's
# architecture, and its C library not newer than that of Debian 12:
#
#   docker build --tag lastro --target of-binary --file Dockerfile FOLDER
#
# docs/guide/containers.md describes how it is used.

ARG RUST_IMAGE=rust:1.95-bookworm
ARG DEBIAN_IMAGE=debian:bookworm-slim
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot

# An empty folder: the base has nothing that could make one.
FROM ${DEBIAN_IMAGE} AS folder
RUN mkdir /empty

FROM ${BASE_IMAGE} AS base
# The folders that volumes are mounted on: a new volume takes their owner.
COPY --from=folder --chown=65532:65532 /empty /var/lib/lastro
COPY --from=folder --chown=65532:65532 /empty /etc/lastro
# Reachable through the ports that are published. A start without `--keys` or a certificate is refused beyond
# loopback, unless it is asked for with LASTRO_LISTEN_PUBLIC=1 and LASTRO_METRICS_PUBLIC=1.
ENV LASTRO_LISTEN=0.0.0.0:9999 \
    LASTRO_METRICS_LISTEN=0.0.0.0:9990 \
    LASTRO_DATA_DIR=/var/lib/lastro
WORKDIR /var/lib/lastro
USER 65532:65532
EXPOSE 9999 9990
ENTRYPOINT ["/usr/bin/lastro"]
CMD ["serve"]
# It finishes what it accepted within 10 s: give it 15 (`docker stop --time 15`, `stop_grace_period`).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["/usr/bin/lastro", "health"]
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Lastro" \
      org.opencontainers.image.description="A ledger and payments server: nothing acknowledged is ever lost, no limit is ever passed." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# Before the builder: the older builder of the engine builds every stage up to the one it is asked for.
FROM base AS of-binary
COPY lastro /usr/bin/lastro

FROM ${RUST_IMAGE} AS builder
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package lastro && strip --strip-unneeded target/release/lastro

FROM base
COPY --from=builder /source/target/release/lastro /usr/bin/lastro
