"""Requests over HTTP without TLS, by the standard library: to a server of this machine, as a rule.

httpx2's own transport takes as much processor time to import as a command may take in all.
"""

from http.client import HTTPConnection, HTTPException

import httpx2


class PlainTransport(httpx2.BaseTransport):
    """A connection for each request, so that none goes stale between two."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Asks, and reads the whole answer.

        Raises:
            TransportError: The server cannot be reached, does not answer in time, or not as HTTP says.
        """
        timeouts = request.extensions.get("timeout", {})
        host = request.url.raw_host.decode("ascii")
        connection = HTTPConnection(host, request.url.port or 80, timeout=timeouts.get("connect"))
        try:
            connection.connect()
            connection.sock.settimeout(timeouts.get("read"))
            target = request.url.raw_path.decode("ascii")
            connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                connection.putheader(name, "close" if name.lower() == "connection" else value)
            connection.endheaders(request.read())
            answer = connection.getresponse()
            return httpx2.Response(answer.status, headers=answer.getheaders(), content=answer.read())
        except TimeoutError as error:
            raise httpx2.ReadTimeout(str(error), request=request) from error
        except OSError as error:
            raise httpx2.ConnectError(str(error), request=request) from error
        except HTTPException as error:
            raise httpx2.RemoteProtocolError(f"{type(error).__name__}: {error}", request=request) from error
        finally:
            connection.close()
