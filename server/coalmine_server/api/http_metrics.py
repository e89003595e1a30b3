"""Prometheus metrics of the HTTP API itself."""

from prometheus_client import CollectorRegistry, Counter, Histogram


class HttpMetrics:
    """Requests answered and their time, by route and not by path: the number of series is bounded."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "coalmine_http_requests",
            "HTTP requests answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._duration = Histogram(
            "coalmine_http_request_duration_seconds",
            "Time from the request's head to the end of its answer.",
            ["route"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )

    def observe(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Counts one request."""
        self._requests.labels(method, route, str(status)).inc()
        self._duration.labels(route).observe(duration_s)
