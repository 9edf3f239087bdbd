# Stands for haproxy:2.6: Debian's program, with the user of the public image.
FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -qqy --no-install-recommends haproxy && rm -rf /var/lib/apt/lists/* && \
    groupmod --gid 99 haproxy && usermod --uid 99 --gid 99 haproxy
USER haproxy
STOPSIGNAL SIGUSR1
CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
