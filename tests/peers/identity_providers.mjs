// People come in by their organisation's own OpenID Connect provider: oauth2-mock-server is the provider.
//
// Once as any provider is, once in the manner of Entra ID. Started by deploy/local/peers.sh.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { OAuth2Issuer, OAuth2Service } from 'oauth2-mock-server'

import { api, product } from './service.mjs'

const AUDIENCE = 'loti'

/** A provider on this machine, whose issuer may have a path. */
class Provider {
    #issuer = new OAuth2Issuer()
    #server

    static async start(path = '') {
        const provider = new Provider()
        const { requestHandler } = new OAuth2Service(provider.#issuer)
        provider.#server = createServer((request, response) => {
            // The mock answers at the root, whatever its issuer says.
            if (request.url.startsWith(path)) request.url = request.url.slice(path.length)
            requestHandler(request, response)
        })
        await once(provider.#server.listen(0, '127.0.0.1'), 'listening')
        provider.#issuer.url = `http://127.0.0.1:${provider.#server.address().port}${path}`
        await provider.rotate('first')
        return provider
    }

    get issuer() {
        return this.#issuer.url
    }

    /** Makes another key, with which it signs from now on; those before stay published. */
    async rotate(kid) {
        await this.#issuer.keys.generate('RS256', { kid })
        this.kid = kid
    }

    /** A token of claims, which also say aud and what the mock says by itself: iss, iat, nbf, exp. */
    token(claims) {
        const transform = (_header, payload) => Object.assign(payload, { aud: AUDIENCE, ...claims })
        return this.#issuer.buildToken({ kid: this.kid, scopesOrTransform: transform })
    }

    async stop() {
        this.#server.close()
        this.#server.closeAllConnections()
        await once(this.#server, 'close')
    }
}

/** The service, to somebody whom a provider vouches for. */
const as = async (provider, claims) => api(await provider.token(claims))

const roles = (me) => me.memberships.map(({ role }) => role)

const administrator = api(process.env.LOTI_ADMIN_TOKEN)

/** An organisation with a domain and its provider. */
async function organisation(domain, provider, registration) {
    const made = await administrator('POST', '/organisations', 201, { kind: 'local_authority', name: `Of ${domain}` })
    const change = { 'Content-Type': 'application/merge-patch+json', 'If-Match': '*' }
    await administrator('PATCH', `/organisations/${made.id}`, 200, { emailDomains: [domain] }, change)
    await administrator('POST', `/organisations/${made.id}/identity-providers`, 201, {
        name: 'Mock',
        issuer: provider.issuer,
        audience: AUDIENCE,
        algorithms: ['RS256'],
        ...registration,
    })
}

async function any() {
    const provider = await Provider.start()
    await organisation('hackney.example', provider, {
        kind: 'openid_connect',
        roleMap: [{ claim: 'roles', value: 'loti-contributor', role: 'contributor' }],
    })
    const sam = { sub: 'sam', email: 'sam@hackney.example', email_verified: true, name: 'Sam' }

    const viewer = await as(provider, sam)
    const me = await viewer('GET', '/me', 200)
    assert.deepEqual([me.kind, me.email, me.displayName], ['person', sam.email, 'Sam'])
    assert.deepEqual(roles(me), ['viewer'])
    await viewer('POST', '/products', 403, product('Bins of a viewer'))

    const mapped = { ...sam, sub: 'kim', email: 'kim@hackney.example', roles: ['loti-contributor'] }
    const contributor = await as(provider, mapped)
    assert.deepEqual(roles(await contributor('GET', '/me', 200)), ['contributor'])
    await contributor('POST', '/products', 201, product('Bins of a contributor'))

    await (await as(provider, { ...sam, aud: 'another' }))('GET', '/me', 401)
    await (await as(provider, { ...sam, iss: `${provider.issuer}/` }))('GET', '/me', 401)

    for (const [sub, claims] of Object.entries({
        unverified: { email: 'una@hackney.example', email_verified: false },
        foreign: { email: 'fred@elsewhere.example', email_verified: true },
    })) {
        const stranger = await as(provider, { sub, ...claims })
        assert.deepEqual((await stranger('GET', '/me', 200)).memberships, [], sub)
        await stranger('POST', '/products', 403, product(`Bins, ${sub}`))
    }

    await provider.rotate('second')
    const again = await as(provider, { ...sam, jti: randomUUID() })
    assert.equal((await again('GET', '/me', 200)).id, me.id, 'a new key is found without a restart')

    await provider.stop()
    const meanwhile = await as(provider, { ...sam, jti: randomUUID() })
    assert.equal((await meanwhile('GET', '/me', 200)).id, me.id, 'a provider that is away keeps nobody out')
    console.log('oauth2-mock-server: known, mapped, refused, rotated and gone')
}

async function entra() {
    const tenant = randomUUID()
    const provider = await Provider.start(`/${tenant}/v2.0`)
    await organisation('newham.example', provider, { kind: 'entra_id' })
    // sub differs from one application to the next.
    const claims = (sub, oid) => ({ sub, tid: tenant, oid, preferred_username: 'ola@newham.example', name: 'Ola' })
    const oid = randomUUID()
    const me = await (await as(provider, claims('pairwise-1', oid)))('GET', '/me', 200)
    assert.deepEqual([me.kind, me.email, roles(me)], ['person', 'ola@newham.example', ['viewer']])
    const same = await (await as(provider, claims('pairwise-2', oid)))('GET', '/me', 200)
    assert.equal(same.id, me.id, 'tid and oid say who somebody is')
    await (await as(provider, { ...claims('pairwise-1', oid), tid: randomUUID() }))('GET', '/me', 401)
    await provider.stop()
    console.log('oauth2-mock-server as Entra ID: known by tenant and object')
}

await any()
await entra()
