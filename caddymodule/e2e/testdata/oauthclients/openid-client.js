import * as client from "openid-client";
import { ask, forged, listen, report } from "./browser.js";

const [site, id] = process.argv.slice(2);
const config = await client.discovery(new URL(site), id, undefined, client.None(), {
  algorithm: "oauth2",
  execute: [client.allowInsecureRequests],
});

const door = await listen();
const pkceCodeVerifier = client.randomPKCECodeVerifier();
const expectedState = client.randomState();
const answer = await ask(
  door,
  client.buildAuthorizationUrl(config, {
    redirect_uri: door.redirectURI,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    state: expectedState,
  }),
);

const checks = { pkceCodeVerifier, expectedState };
let mixUp;
try {
  await client.authorizationCodeGrant(config, forged(answer), checks);
} catch (error) {
  mixUp = error.cause?.message ?? error.message;
}
const first = await client.authorizationCodeGrant(config, answer, checks);
const call = (tokens, method, path) => client.fetchProtectedResource(config, tokens.access_token, new URL(path, site), method);
const zak = await (await call(first, "POST", "/zoom_pkce/zak")).json();
const second = await client.refreshTokenGrant(config, first.refresh_token);
const received = await (await call(second, "GET", "/page")).json();
await client.tokenRevocation(config, second.refresh_token);

let revoked;
try {
  await call(second, "GET", "/page");
} catch (error) {
  revoked = error.cause;
}
report({
  mixUp,
  zak: zak.zak,
  received,
  tokens: [first, second],
  revoked: revoked?.map(({ scheme, parameters }) => ({ scheme, ...parameters })),
});
