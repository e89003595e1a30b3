# One image for the server, the dashboards and the simulated services: the command says which it is.

FROM python:3.11-slim AS build

# The version the tests run on, with the versions of packages they run with: hashes are required.
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/coalmine
ENV PATH=/opt/coalmine/bin:$PATH

# First what changes seldom, so that a change of ours rebuilds only the last step.
WORKDIR /build
COPY requirements-image.lock ./
RUN pip install --require-hashes --only-binary :all: -r requirements-image.lock

COPY pyproject.toml README.md LICENSE ./
COPY schemas ./schemas
COPY producers ./producers
COPY registry ./registry
COPY consumers ./consumers
COPY analytics ./analytics
COPY rollouts ./rollouts
COPY evals ./evals
COPY alerts ./alerts
COPY spark ./spark
COPY server ./server
COPY dashboards ./dashboards
RUN pip install --no-deps --no-build-isolation .


FROM python:3.11-slim

RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /var/lib/coalmine coalmine \
    && install --directory --owner coalmine --group coalmine --mode 0700 /var/lib/coalmine
COPY --from=build /opt/coalmine /opt/coalmine

ENV PATH=/opt/coalmine/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    COALMINE_HOME=/var/lib/coalmine
USER coalmine
WORKDIR /var/lib/coalmine
EXPOSE 8321 8501

ENTRYPOINT ["coalmine"]
CMD ["serve"]
