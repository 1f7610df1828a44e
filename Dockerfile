# docker build .                        the image
# docker build --target with-kubectl .  the same with kubectl, for `validate: kustomize` and what only it renders (60 MB more)
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
RUN pip install --no-cache-dir uv==0.13.8
ENV UV_PROJECT_ENVIRONMENT=/opt/fluxbridge \
    UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy \
    UV_COMPILE_BYTECODE=1
WORKDIR /src
# What the registries of clouds want: --build-arg EXTRAS="--extra ecr", or google, or azure.
ARG EXTRAS=
# Dependencies change less often than the program: their layer stays.
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --no-default-groups --no-install-project ${EXTRAS}
COPY app app
COPY migrations migrations
RUN uv sync --frozen --no-default-groups --no-editable ${EXTRAS}

# kubectl of the version that the tests use, by its hash in uv.lock.
FROM ${BASE} AS kubectl
RUN pip install --no-cache-dir uv==0.13.8
ENV UV_PROJECT_ENVIRONMENT=/opt/parts \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /src
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --only-group parts

FROM ${BASE} AS fluxbridge
# tini reaps what git and kubectl leave behind. A new volume takes owner and mode of the folder that it covers:
# /data for what is kept, /secrets and /srv/git for the demo of docker-compose.yml.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git openssh-client tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 fluxbridge \
    && useradd --uid 10001 --gid 10001 --create-home --shell /usr/sbin/nologin fluxbridge \
    && install -d -o fluxbridge -g fluxbridge -m 0700 /data /secrets /srv/git
COPY --from=build /opt/fluxbridge /opt/fluxbridge
ENV PATH=/opt/fluxbridge/bin:$PATH \
    FLUXBRIDGE_CONFIG=/etc/fluxbridge/fluxbridge.yaml \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# By number, so that Kubernetes can check that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
# Without a proxy, whatever the environment says: it is this very container that is asked.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:8080/healthz', timeout=3)"]
ENTRYPOINT ["tini", "--", "fluxbridge"]
CMD ["serve"]
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="Fluxbridge" \
      org.opencontainers.image.description="Joins Jenkins to Flux: builds and pushes become pull requests on the config repository, and a history of what runs where" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"

FROM fluxbridge AS with-kubectl
COPY --from=kubectl /opt/parts/bin/kubectl /usr/local/bin/kubectl

# What is last is built where nothing else is asked for; then the stages of kubectl are left out.
FROM fluxbridge
