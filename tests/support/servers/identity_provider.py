"""An OpenID Connect provider on this machine: discovery, keys, the flow by code, and signed tokens."""

import asyncio
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from tests.support.eventually import eventually
from tests.support.servers.ports import free_port

CLIENT_ID, CLIENT_SECRET = "coalmine-dashboard", "of-the-dashboard"
HOUR_S = 3600


class IdentityProvider:
    """The provider. It knows who is to sign in next, and asks for no password."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.asked: Counter[str] = Counter()
        """Requests by path."""
        self.broken: Mapping[str, Any] = {}
        """Answers in place of the right ones, by path."""
        self.may_answer = threading.Event()
        """Cleared to have questions wait."""
        self.may_answer.set()
        self.waiting = 0
        """Questions that wait."""
        self.person: dict[str, Any] = {"sub": "p-1", "email": "ann@example.com", "email_verified": True}
        """The claims of who signs in next."""
        self.lives_s = HOUR_S
        self._codes: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {}
        self.rotate("first")

    def rotate(self, key_id: str, *, curve: bool = False) -> None:
        """Signs with a new key from now on; the old one is withdrawn."""
        made = ec.generate_private_key(ec.SECP256R1()) if curve else rsa.generate_private_key(65537, 2048)
        self.keys = {key_id: made}

    def jwks(self) -> dict[str, Any]:
        """The public keys."""
        found = []
        for key_id, key in self.keys.items():
            algorithm: Any = (
                jwt.algorithms.ECAlgorithm
                if isinstance(key, ec.EllipticCurvePrivateKey)
                else jwt.algorithms.RSAAlgorithm
            )
            found.append({**json.loads(algorithm.to_jwk(key.public_key())), "kid": key_id, "use": "sig"})
        return {"keys": found}

    def claims(self, **others: Any) -> dict[str, Any]:
        """Good claims of the person, with others; None takes one away."""
        now = int(time.time())
        found = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + self.lives_s,
            **self.person,
            **others,
        }
        return {name: value for name, value in found.items() if value is not None}

    def token(
        self, *, key: Any = None, algorithm: str | None = None, kid: str | None = "", **others: Any
    ) -> str:
        """A token of the person, signed by the newest key unless another is given."""
        ((key_id, own),) = self.keys.items()
        chosen = algorithm or ("ES256" if isinstance(own, ec.EllipticCurvePrivateKey) else "RS256")
        headers = {"kid": key_id if kid == "" else kid} if kid is not None else {}
        return jwt.encode(
            self.claims(**others), own if key is None else key, algorithm=chosen, headers=headers
        )

    @contextmanager
    def running(self) -> Iterator["IdentityProvider"]:
        """Answers until the block ends."""
        app = Starlette(routes=[Route(path, self._answer, methods=["GET", "POST"]) for path in _PATHS])
        server = uvicorn.Server(uvicorn.Config(app, port=self.port, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        eventually(lambda: server.started, what="the provider's start")
        try:
            yield self
        finally:
            server.should_exit = True
            thread.join(30)

    async def _answer(self, request: Request) -> Response:
        path = request.url.path
        self.asked[path] += 1
        self.waiting += 1
        while not self.may_answer.is_set():
            await asyncio.sleep(0.01)
        self.waiting -= 1
        if path in self.broken:
            return JSONResponse(self.broken[path])
        match path:
            case "/.well-known/openid-configuration":
                return JSONResponse(self._described())
            case "/keys":
                return JSONResponse(self.jwks())
            case "/favicon.ico":
                return Response()
            case "/authorize":
                return self._authorise(request)
            case "/token":
                return self._exchange(parse_qs((await request.body()).decode()), request)
            case _:
                return JSONResponse(self.person)

    def _described(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        }

    def _authorise(self, request: Request) -> Response:
        asked = request.query_params
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        code = secrets.token_urlsafe()
        self._codes[code] = {"redirect_uri": asked["redirect_uri"], "nonce": asked.get("nonce")}
        back = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
        name = self.person.get("email", self.person["sub"])
        return HTMLResponse(
            f'<!doctype html><title>Provider</title><a id="go" href="{back}">Go on as {name}</a>'
        )

    def _exchange(self, form: Mapping[str, list[str]], request: Request) -> Response:
        authorization = request.headers.get("authorization", "")
        assert authorization.startswith("Basic ") or form["client_secret"] == [CLIENT_SECRET]
        known = self._codes.pop(form["code"][0])
        assert form["redirect_uri"] == [known["redirect_uri"]]
        return JSONResponse(
            {
                "access_token": secrets.token_urlsafe(),
                "token_type": "Bearer",
                "expires_in": self.lives_s,
                "id_token": self.token(nonce=known["nonce"]),
            }
        )


_PATHS = ("/.well-known/openid-configuration", "/keys", "/authorize", "/token", "/userinfo", "/favicon.ico")
