// Calls to the service, as the programs beside this file make them.

import assert from 'node:assert/strict'

/** A function that calls the API with a token, holds the answer to a status and returns its body. */
export function api(token, base = new URL('/v1', process.env.LOTI_METADATA).href) {
    return async (method, path, status, body, headers = {}) => {
        const response = await fetch(base + path, {
            method,
            headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', ...headers },
            body: body && JSON.stringify(body),
            redirect: 'error',
        })
        const text = await response.text()
        assert.equal(response.status, status, `${method} ${path}: ${text}`)
        return text && JSON.parse(text)
    }
}

/** A product to add. */
export const product = (name) => ({ name, kind: 'service', phase: 'beta' })
