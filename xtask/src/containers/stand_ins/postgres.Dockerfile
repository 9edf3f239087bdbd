# Stands for postgres:16: the server of PyPI's pgserver, with the user, the folders and the variables of the public image.
FROM debian:bookworm-slim AS wheel
RUN apt-get update -qq && apt-get install -qqy --no-install-recommends unzip
COPY pgserver.whl /
RUN unzip -q /pgserver.whl -d /opt/pgserver && chmod +x /opt/pgserver/pgserver/pginstall/bin/*

FROM debian:bookworm-slim
COPY --from=wheel /opt/pgserver /opt/pgserver
COPY postgres.sh /usr/local/bin/docker-entrypoint.sh
RUN groupadd --gid 999 postgres && \
    useradd --gid postgres --uid 999 --home-dir /var/lib/postgresql --shell /bin/bash postgres && \
    install -d -o postgres -g postgres -m 3777 /var/run/postgresql && \
    install -d -o postgres -g postgres -m 1777 /var/lib/postgresql /var/lib/postgresql/data && \
    chmod +x /usr/local/bin/docker-entrypoint.sh
ENV PATH=/opt/pgserver/pgserver/pginstall/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV LANG=C.UTF-8 PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["docker-entrypoint.sh"]
STOPSIGNAL SIGINT
EXPOSE 5432
CMD ["postgres"]
