// SPDX-License-Identifier: Apache-2.0
// provider.mjs PORT AUDIENCE SECONDS: an OpenID provider on loopback (oidc-provider), whose access tokens are JWTs for AUDIENCE and are
// good for so long. Anybody logs in as whom they say they are; the groups of "NAME.GROUP" are that GROUP's. POST /test/rotate: from now
// on another key signs, and the old one is gone. Ends with its standard input.
import http from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

const [port, audience, seconds] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const group = (account) => (account.includes('.') ? account.slice(account.indexOf('.') + 1) : 'none');
let generation = 0;

async function makeProvider() {
  generation += 1;
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: `key-${generation}`, use: 'sig', alg: 'RS256' };
  const provider = new Provider(issuer, {
    jwks: { keys: [key] },
    clients: [{
      client_id: 'hansa-cli',
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      response_types: ['code'],
      redirect_uris: ['http://127.0.0.1/callback'],
    }],
    cookies: { keys: ['of a test'] },
    scopes: ['openid', 'offline_access', 'jobs'],
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    extraTokenClaims: (_, token) => ({ eduperson_entitlement: [`urn:geant:example.org:group:${group(token.accountId)}:role=member#idp.example.org`] }),
    features: {
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: 'jobs', audience, accessTokenTTL: Number(seconds), accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }),
      },
    },
  });
  provider.on('server_error', (_, error) => console.error(error));
  return provider.callback();
}

let serve = await makeProvider();
http.createServer(async (request, response) => {
  if (request.url === '/test/rotate') {
    serve = await makeProvider();
    response.end(`key-${generation}\n`);
  } else {
    serve(request, response);
  }
}).listen(Number(port), '127.0.0.1', () => console.log('listening'));
process.stdin.resume().on('end', () => process.exit(0));
