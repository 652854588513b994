// SPDX-License-Identifier: Apache-2.0
// differential.mjs TOKEN_VERDICTS COUNT SEED: tokens that were changed in one place or several, judged by our gate (TOKEN_VERDICTS reads a
// line of keys, then a token a line, and writes a code a line) and by jose. What one takes and the other refuses must be something that
// our gate is stricter about on purpose, or the run fails. Nothing that jose refuses may be taken.
import { spawn } from 'node:child_process';
import { createHash, KeyObject, sign } from 'node:crypto';
import readline from 'node:readline';
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose';

const [program, count, seed] = process.argv.slice(2);
const kNow = 1_795_341_600;
const kIssuer = 'https://idp.example.org/realms/one';
const kAudience = 'https://hansa.example.org';
// Where our gate is stricter than RFC 7519 asks of everybody: why, by its code.
const kStricter = {
  TOKEN_TOO_LONG: '16 KiB',
  TOKEN_ENCODING: 'base64url has one spelling: no spare bits, no other alphabet',
  TOKEN_JSON: 'depth 8, no name twice',
  TOKEN_ALGORITHM: 'of this issuer RS256 and ES256 alone',
  TOKEN_CRITICAL: 'no crit, whatever is in it',
  KEY_ID_MISSING: 'the key is named',
  KEY_UNKNOWN: 'jose leaves out what it does not need to choose a key',
  TOKEN_CLAIMS: 'iat and exp are there, in whole seconds, not beyond the year 9999',
  TOKEN_FROM_FUTURE: 'iat',
  TOKEN_AUDIENCE: 'a list of texts, all of them',
  TOKEN_LIFETIME: 'six hours',
  TOKEN_SUBJECT: '1 to 255 visible ASCII characters',
  TOKEN_VERSION: 'WLCG 1',
};

let state = BigInt(`0x${createHash('sha256').update(String(seed)).digest('hex').slice(0, 16)}`) | 1n;
const random = (n) => { // xorshift64*: a run can be repeated
  state ^= state >> 12n; state ^= (state << 25n) & 0xffffffffffffffffn; state ^= state >> 27n;
  return Number(((state * 0x2545f4914f6cdd1dn) & 0xffffffffffffffffn) >> 33n) % n;
};
const pick = (list) => list[random(list.length)];

const rsa = await generateKeyPair('RS256', { extractable: true });
const other = await generateKeyPair('RS256', { extractable: true });
const ec = await generateKeyPair('ES256', { extractable: true });
const jwk = async (pair, kid, extra = {}) => ({ ...(await exportJWK(pair.publicKey)), kid, use: 'sig', ...extra });
const keys = { keys: [await jwk(rsa, 'rsa-1'), await jwk(ec, 'ec-1'), await jwk(other, 'rsa-2', { alg: 'RS256' })] };
const privateOf = (pair) => KeyObject.from(pair.privateKey);
const signers = { 'rsa-1': [privateOf(rsa), 'RS256'], 'ec-1': [privateOf(ec), 'ES256'], 'rsa-2': [privateOf(other), 'RS256'] };

const values = [null, true, 0, -1, 1, kNow, kNow - 1, kNow + 1, kNow + 60, kNow + 61, kNow + 0.5, 1e300, '', 'x', kAudience, kIssuer, `${kAudience}/`,
  [], [kAudience], [kAudience, 'x'], ['x', 1], {}, { a: { b: [1] } }, 'none', 'RS256', 'ES256', 'HS256', 'PS256', 'at+jwt', 'ec-1', 'rsa-1', 'å', 'a b', '1.0', '2.0',
  'a'.repeat(300), [[[[[[[[[[]]]]]]]]]], kNow + 21_590, kNow + 21_591, kNow + 1_000_000];
const headerNames = ['alg', 'kid', 'typ', 'crit', 'jku', 'jwk', 'x5u', 'b64', 'cty', 'nonsense'];
const claimNames = ['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti', 'azp', 'wlcg.ver', 'scope', 'nonsense'];
const kAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const encode = (text) => Buffer.from(text).toString('base64url');
const spoilText = (text) => { // one character, or a piece
  const at = random(text.length);
  switch (random(6)) {
    case 0: return text.slice(0, at) + pick([...kAlphabet, '=', '+', '/', '.', ' ', '\u00e5']) + text.slice(at + 1);
    case 1: return text.slice(0, at) + text.slice(at + 1 + random(8));
    case 2: return text.slice(0, at) + pick([...kAlphabet, '.', '=']) + text.slice(at);
    case 3: { const end = text.lastIndexOf('.') - pick([0, 1]); return text.slice(0, end) + pick([...kAlphabet]) + text.slice(end + 1); }
    case 4: return text.slice(0, -1) + pick([...kAlphabet]);
    default: return pick([`${text}.`, `.${text}`, `${text}=`, text.toLowerCase(), text.split('.').reverse().join('.'), text.slice(0, text.lastIndexOf('.') + 1)]);
  }
};
const spoilJson = (text) => pick([
  () => text.replace('{', '{"sub":"twice",'), () => text.replace('{', `{"alg":"none",`), () => `${text} `, () => `\n${text}`, () => `${text}x`,
  () => text.slice(0, -1), () => text.replace('"', "'"), () => text.replace('}', ',}'), () => text.replace(/:(\d+)/, ':$1.0'), () => text.replace(/:(\d+)/, ':$1e0'),
  () => text.replace(/"([a-z])/, '"\\u00' + 'x$1'), () => `[${text}]`, () => text.replace('{', '{"__proto__":{"sub":"x"},'), () => '\ufeff' + text,
])();

async function makeToken() {
  const kid = pick(Object.keys(signers));
  const [key, alg] = signers[kid];
  const header = { alg, typ: 'at+jwt', kid };
  const claims = { iss: kIssuer, sub: '28c5353b@example.org', aud: kAudience, iat: kNow - 10, exp: kNow + 600, jti: `j-${random(1e6)}` };
  for (let n = random(3); n > 0; n -= 1) {
    const inHeader = random(3) === 0;
    const name = pick(inHeader ? headerNames : claimNames);
    if (random(4) === 0) delete (inHeader ? header : claims)[name]; else (inHeader ? header : claims)[name] = pick(values);
  }
  let headerText = JSON.stringify(header), claimsText = JSON.stringify(claims);
  if (random(12) === 0) headerText = spoilJson(headerText);
  if (random(8) === 0) claimsText = spoilJson(claimsText);
  const text = `${encode(headerText)}.${encode(claimsText)}`;
  // Signed over exactly these bytes, whatever the header says of itself.
  const signature = sign('sha256', Buffer.from(text), alg === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : key).toString('base64url');
  const token = `${text}.${signature}`;
  return random(4) === 0 ? spoilText(token) : token;
}

const local = createLocalJWKSet(keys);
async function joseTakes(token) {
  try {
    // Its tolerance is for both ends; ours for the beginning alone, so the end is looked at again.
    const { payload } = await jwtVerify(token, local, {
      issuer: kIssuer, audience: kAudience, algorithms: ['RS256', 'ES256', 'PS256'], clockTolerance: 60, currentDate: new Date(kNow * 1000),
    });
    return payload.exp === undefined || payload.exp > kNow;
  } catch { return false; }
}

const gate = spawn(program, [String(kNow), kIssuer, kAudience], { stdio: ['pipe', 'pipe', 'inherit'] });
const answers = readline.createInterface({ input: gate.stdout })[Symbol.asyncIterator]();
gate.stdin.write(`${JSON.stringify(keys)}\n`);
const began = Date.now();
const stricter = {}; const codes = {};
let bothTake = 0, bothRefuse = 0, wrong = 0;
const kBatch = 500;
for (let done = 0; done < Number(count); done += kBatch) {
  const tokens = [];
  for (let i = 0; i < Math.min(kBatch, Number(count) - done); i += 1) tokens.push((await makeToken()).replaceAll('\n', ''));
  gate.stdin.write(`${tokens.map(encode).join('\n')}\n`);
  for (const token of tokens) {
    const code = (await answers.next()).value;
    if (code === undefined) { console.error('our gate has ended'); process.exit(1); }
    const taken = await joseTakes(token);
    codes[code] = (codes[code] ?? 0) + 1;
    if (code === 'OK' && taken) bothTake += 1;
    else if (code !== 'OK' && !taken) bothRefuse += 1;
    else if (code !== 'OK' && kStricter[code]) stricter[code] = (stricter[code] ?? 0) + 1;
    else {
      wrong += 1;
      if (wrong <= 5) console.error(`differs: ours ${code}, jose ${taken ? 'takes it' : 'refuses it'}: ${token}\n  ${token.split('.').slice(0, 2).map((p) => Buffer.from(p, 'base64url')).join('  ')}`);
    }
  }
}
gate.stdin.end();
console.log(`${count} tokens, seed ${seed}, in ${((Date.now() - began) / 1000).toFixed(1)} s: both take ${bothTake}, both refuse ${bothRefuse}, ours alone refuses ${Object.values(stricter).reduce((a, b) => a + b, 0)}, unexplained ${wrong}`);
console.log('ours alone refuses:', JSON.stringify(stricter));
console.log('our codes:', JSON.stringify(codes));
const thin = bothTake < Number(count) / 20 || Object.keys(codes).length < 12;
if (thin) console.error('the tokens are not varied enough to say anything');
process.exit(wrong === 0 && !thin ? 0 : 1);
