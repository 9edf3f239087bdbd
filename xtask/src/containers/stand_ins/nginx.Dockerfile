# Stands for nginx:1.28: Debian's program, with the user of the public image.
FROM debian:bookworm-slim
RUN groupadd --system --gid 101 nginx && \
    useradd --system --gid nginx --no-create-home --home-dir /nonexistent --uid 101 nginx && \
    apt-get update -qq && apt-get install -qqy --no-install-recommends nginx-light && rm -rf /var/lib/apt/lists/*
STOPSIGNAL SIGQUIT
EXPOSE 80
CMD ["nginx", "-g", "daemon off;"]
