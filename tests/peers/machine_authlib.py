"""A stock OAuth client, authlib, gets a token with nothing but the URL of the metadata, uses it and takes it back.

Once for each way of showing a secret that the metadata offer. Started by deploy/local/peers.sh.
"""

import os

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc import jwt
from joserfc.jwk import KeySet

SCOPES = ["products:read", "products:write", "profile"]


def main():
    metadata = discover(os.environ["LOTI_METADATA"])
    api = metadata["protected_resources"][0]
    methods = metadata["token_endpoint_auth_methods_supported"]
    assert set(methods) == {"client_secret_basic", "client_secret_post"}, methods
    client = register(api, os.environ["LOTI_ADMIN_TOKEN"])
    for method in methods:
        get_and_use(metadata, api, client, method)
        print(f"authlib by {method}: fetched, verified, used and took back a token")


def discover(url):
    # The service is on this machine, so without TLS.
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    metadata = AuthorizationServerMetadata(answer(requests.get(url, timeout=10), 200))
    # authlib wants at least one type of response of everybody; a server without an authorization endpoint has none.
    assert metadata["response_types_supported"] == [], metadata
    for member in set(metadata.REGISTRY_KEYS) - {"response_types_supported"}:
        getattr(metadata, f"validate_{member}")()
    return metadata


def register(api, token):
    """What an administrator does beforehand."""

    def post(path, body):
        headers = {"Authorization": f"Bearer {token}"}
        return answer(requests.post(f"{api}{path}", json=body, headers=headers, timeout=10), 201)

    organisation = post("/organisations", {"kind": "local_authority", "name": "Borough of authlib"})
    return post(
        "/clients",
        {
            "organisation": organisation["id"],
            "name": "authlib",
            "kind": "service",
            "role": "contributor",
            "scopes": SCOPES,
        },
    )


def get_and_use(metadata, api, client, method):
    session = OAuth2Session(
        client_id=client["id"],
        client_secret=client["secret"],
        scope=" ".join(SCOPES),
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    )
    token = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    assert token["token_type"] == "Bearer" and token["expires_in"] == 600, token
    assert token["scope"].split() == SCOPES, token
    verify(metadata, api, client, token["access_token"])

    me = answer(session.get(f"{api}/me", timeout=10), 200)
    assert me["id"] == client["id"] and me["kind"] == "client", me
    product = {"name": f"Bins by {method}", "kind": "service", "phase": "beta"}
    assert answer(session.post(f"{api}/products", json=product, timeout=10), 201)["name"] == product["name"]

    revoked = session.revoke_token(metadata["revocation_endpoint"], token["access_token"], "access_token")
    assert revoked.status_code == 200, revoked.text
    answer(session.post(f"{api}/products", json=product, timeout=10), 401)


def verify(metadata, api, client, token):
    """As another resource server would: by the published keys."""
    keys = KeySet.import_key_set(answer(requests.get(metadata["jwks_uri"], timeout=10), 200))
    decoded = jwt.decode(token, keys, algorithms=["ES256"])
    assert decoded.header["typ"] == "at+jwt", decoded.header
    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": metadata["issuer"]},
        aud={"essential": True, "value": api},
        sub={"essential": True, "value": client["id"]},
        exp={"essential": True},
        jti={"essential": True},
    ).validate(decoded.claims)
    assert api == metadata["issuer"] + "/v1", api


def answer(response, status):
    asked = f"{response.request.method} {response.url}"
    assert response.status_code == status, f"{asked}: {response.status_code} {response.text}"
    return response.json()


main()
