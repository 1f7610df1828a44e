FROM python:3.11-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.8
ENV UV_PROJECT_ENVIRONMENT=/opt/fluxbridge \
    UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy \
    UV_COMPILE_BYTECODE=1
WORKDIR /src
# Dependencies change less often than the program: their layer stays.
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --no-dev --no-install-project
COPY app app
COPY migrations migrations
RUN uv sync --frozen --no-dev --no-editable

FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin fluxbridge \
    && install -d -o fluxbridge -g fluxbridge -m 0700 /data
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
ENTRYPOINT ["fluxbridge"]
CMD ["serve"]
