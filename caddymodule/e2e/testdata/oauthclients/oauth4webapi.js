import * as oauth from "oauth4webapi";
import { ask, forged, listen, report } from "./browser.js";

const [site, id] = process.argv.slice(2);
const page = new URL("/page", site);
const client = { client_id: id };
const none = oauth.None();
const options = { [oauth.allowInsecureRequests]: true };

const resource = await oauth.processResourceDiscoveryResponse(page, await oauth.resourceDiscoveryRequest(page, options));
const issuer = new URL(resource.authorization_servers[0]);
const as = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { ...options, algorithm: "oauth2" }),
);

const door = await listen();
const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const address = new URL(as.authorization_endpoint);
address.search = new URLSearchParams({
  client_id: id,
  redirect_uri: door.redirectURI,
  response_type: "code",
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
  state,
});
const answer = await ask(door, address);

let mixUp;
try {
  oauth.validateAuthResponse(as, client, forged(answer), state);
} catch (error) {
  mixUp = error.message;
}
const code = oauth.validateAuthResponse(as, client, answer, state);
const first = await oauth.processAuthorizationCodeResponse(
  as,
  client,
  await oauth.authorizationCodeGrantRequest(as, client, none, code, door.redirectURI, verifier, options),
);
const call = (tokens, method, path) =>
  oauth.protectedResourceRequest(tokens.access_token, method, new URL(path, site), undefined, undefined, options);
const zak = await (await call(first, "POST", "/zoom_pkce/zak")).json();
const second = await oauth.processRefreshTokenResponse(
  as,
  client,
  await oauth.refreshTokenGrantRequest(as, client, none, first.refresh_token, options),
);
const received = await (await call(second, "GET", "/page")).json();
await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, none, second.refresh_token, options));

let revoked;
try {
  await call(second, "GET", "/page");
} catch (error) {
  revoked = error.cause; // the challenges of WWW-Authenticate, as the library reads them
}
report({
  mixUp,
  zak: zak.zak,
  received,
  tokens: [first, second],
  revoked: revoked?.map(({ scheme, parameters }) => ({ scheme, ...parameters })),
});
