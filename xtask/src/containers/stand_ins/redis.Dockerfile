# Stands for redis:7.2: Debian's server, with the user and the folder of the public image.
FROM debian:bookworm-slim
RUN groupadd --gid 999 redis && useradd --gid redis --uid 999 --home-dir /home/redis redis && \
    apt-get update -qq && apt-get install -qqy --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/* && \
    install -d -o redis -g redis /data
VOLUME /data
WORKDIR /data
EXPOSE 6379
USER 999:999
CMD ["redis-server"]
