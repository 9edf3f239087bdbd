# Stands for gcr.io/distroless/cc-debian12:nonroot: the same files of the same Debian packages, unpacked.
FROM debian:bookworm-slim AS packages
WORKDIR /packages
RUN apt-get update -qq && apt-get download -qq base-files ca-certificates gcc-12-base libc6 libgcc-s1 libgomp1 \
        libssl3 libstdc++6 netbase tzdata && \
    for package in *.deb; do dpkg-deb --extract "$package" /root-of-image; done
WORKDIR /root-of-image
RUN mkdir -p etc/ssl/certs home/nonroot root tmp && chmod 1777 tmp && chown 65532:65532 home/nonroot && \
    find usr/share/ca-certificates -name '*.crt' -exec cat {} + >etc/ssl/certs/ca-certificates.crt && \
    printf 'root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >etc/passwd && \
    printf 'root:x:0:\nnobody:x:65534:\ntty:x:5:\nstaff:x:50:\nnonroot:x:65532:\n' >etc/group

FROM scratch
COPY --from=packages /root-of-image/ /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
WORKDIR /home/nonroot
USER 65532
