# syntax=docker/dockerfile:1
# The images of `cargo xtask image`, for those who have Docker:
#   docker build --target broker --tag millrace/broker .
#   docker build --target operator --tag millrace/operator .
# A test beside the tool compares this file with what it writes.

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
# Static, so that the images need nothing else.
ENV RUSTFLAGS="-Ctarget-feature=+crt-static -Cstrip=symbols"
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --target x86_64-unknown-linux-gnu \
      --package millrace-server --package millrace-operator && \
    mkdir /programs && cp target/x86_64-unknown-linux-gnu/release/millrace-broker \
      target/x86_64-unknown-linux-gnu/release/millrace-operator /programs/
RUN mkdir -p /base/etc /base/usr/share/licenses/millrace /base/tmp /data && \
    chmod 1777 /base/tmp && chmod 750 /data && cp LICENSE /base/usr/share/licenses/millrace/ && \
    echo 'root:x:0:0:root:/:/sbin/nologin' >/base/etc/passwd && \
    echo 'millrace:x:65532:65532:millrace:/:/sbin/nologin' >>/base/etc/passwd && \
    printf 'root:x:0:\nmillrace:x:65532:\n' >/base/etc/group && \
    printf 'passwd: files\ngroup: files\nhosts: files dns\n' >/base/etc/nsswitch.conf

FROM scratch AS broker
COPY --from=build /base/ /
COPY --from=build --chown=65532:65532 /data /var/lib/millrace
COPY --from=build /programs/millrace-broker /usr/local/bin/millrace-broker
LABEL org.opencontainers.image.title="millrace-broker" \
      org.opencontainers.image.description="A broker that every Kafka client takes for Kafka" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/usr/local/bin
EXPOSE 9092/tcp 9644/tcp
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/millrace-broker"]
CMD ["--help"]

FROM scratch AS operator
COPY --from=build /base/ /
COPY --from=build /programs/millrace-operator /usr/local/bin/millrace-operator
LABEL org.opencontainers.image.title="millrace-operator" \
      org.opencontainers.image.description="Makes Kubernetes run Millrace clusters and their topics" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/usr/local/bin
EXPOSE 8080/tcp
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/millrace-operator"]
CMD ["--help"]
