// A stock OAuth client, openid-client, gets a token with nothing but the URL of the metadata, uses it, takes it back.
//
// Once for each way of showing a secret that the metadata offer. Started by deploy/local/peers.sh.

import assert from 'node:assert/strict'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as oauth from 'openid-client'

import { api, product } from './service.mjs'

const scopes = ['products:read', 'products:write', 'profile']

// What an administrator does beforehand.
const administrator = api(process.env.LOTI_ADMIN_TOKEN)
const organisation = await administrator('POST', '/organisations', 201, {
    kind: 'local_authority',
    name: 'Borough of openid-client',
})
const registered = await administrator('POST', '/clients', 201, {
    organisation: organisation.id,
    name: 'openid-client',
    kind: 'service',
    role: 'contributor',
    scopes,
})

const methods = { client_secret_basic: oauth.ClientSecretBasic, client_secret_post: oauth.ClientSecretPost }

for (const [method, authentication] of Object.entries(methods)) {
    const client = await oauth.discovery(
        new URL(process.env.LOTI_METADATA),
        registered.id,
        undefined,
        authentication(registered.secret),
        // The service is on this machine, so without TLS.
        { algorithm: 'oauth2', execute: [oauth.allowInsecureRequests] },
    )
    const metadata = client.serverMetadata()
    assert.ok(metadata.token_endpoint_auth_methods_supported.includes(method))
    const token = await oauth.clientCredentialsGrant(client, { scope: scopes.join(' ') })
    assert.equal(token.token_type, 'bearer')
    assert.equal(token.expires_in, 600)

    // As another resource server would verify it: by the published keys.
    const audience = `${metadata.issuer}/v1`
    assert.deepEqual(metadata.protected_resources, [audience])
    const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))
    const expected = { issuer: metadata.issuer, audience, typ: 'at+jwt', algorithms: ['ES256'], subject: registered.id }
    const { payload } = await jwtVerify(token.access_token, keys, expected)
    assert.equal(payload.client_id, registered.id)

    const call = api(token.access_token, audience)
    const me = await call('GET', '/me', 200)
    assert.equal(me.id, registered.id)
    assert.equal(me.kind, 'client')
    await call('POST', '/products', 201, product(`Parks by ${method}`))

    await oauth.tokenRevocation(client, token.access_token, { token_type_hint: 'access_token' })
    await call('POST', '/products', 401, product('Late'))
    console.log(`openid-client by ${method}: fetched, verified, used and took back a token`)
}
