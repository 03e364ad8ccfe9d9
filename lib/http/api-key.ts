import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendProblem } from './problem';

const SHORTEST = 16;

export type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: () => void,
) => void;

const digest = (key: string): Buffer => createHash('sha256').update(key).digest();

/**
 * For `httpNodeAuth` of Node-RED's settings.js: whoever asks must send one of the keys, as
 * `Authorization: Bearer <key>` or `X-API-Key: <key>`; others get 401 as problem+json. A browser's
 * preflight (`OPTIONS`) carries no key and passes.
 *
 * @throws TypeError for a key that is missing or shorter than 16 characters, so that Node-RED does
 * not start unprotected because a variable of the environment is not set
 * @example
 * const { apiKey } = require('@emowire/node-red-emotion/dist/lib/http/api-key');
 * module.exports = { httpNodeAuth: apiKey(process.env.EMOTION_API_KEY) };
 */
export function apiKey(...keys: readonly string[]): Middleware {
  if (keys.length === 0) throw new TypeError('apiKey: give at least one key');
  for (const key of keys as readonly unknown[]) {
    if (typeof key !== 'string' || key.length < SHORTEST) {
      throw new TypeError(`apiKey: a key must be a text of at least ${SHORTEST} characters`);
    }
  }
  const digests = keys.map(digest);

  return (request, response, next) => {
    if (request.method === 'OPTIONS') return next();
    const bearer = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
    const sent = bearer ?? request.headers['x-api-key'];
    if (typeof sent === 'string') {
      const given = digest(sent);
      // All are compared, so that the time taken tells nothing.
      const matches = digests.filter((known) => timingSafeEqual(known, given));
      if (matches.length > 0) return next();
    }
    response.setHeader('www-authenticate', 'Bearer realm="emotion"');
    sendProblem(response, {
      status: 401,
      code: 'request.unauthorized',
      detail: 'Send a key: "Authorization: Bearer <key>" or "X-API-Key: <key>"',
    });
  };
}
