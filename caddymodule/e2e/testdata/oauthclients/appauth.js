import http from "node:http";
import { register } from "node:module";
import { report } from "./browser.js";

register("./resolve.js", import.meta.url);
const appauth = await import("@openid/appauth");
const node = await import("@openid/appauth/built/src/node_support/index.js");
appauth.setFlag("IS_LOG", false); // it logs to where the report goes

// The library listens on every address of the machine.
const listen = http.Server.prototype.listen;
http.Server.prototype.listen = function (port) {
  return listen.call(this, port, "127.0.0.1");
};

const [site, id, port] = process.argv.slice(2);
const redirectURI = `http://127.0.0.1:${port}`;
// By hand: the library discovers OpenID providers only.
const configuration = new appauth.AuthorizationServiceConfiguration({
  authorization_endpoint: site + "/zoom_pkce/oauth/authorize",
  token_endpoint: site + "/zoom_pkce/oauth/token",
  revocation_endpoint: site + "/zoom_pkce/oauth/revoke",
});

const browser = new node.NodeBasedHandler(Number(port));
const answered = new Promise((resolve, reject) => {
  const notifier = new appauth.AuthorizationNotifier();
  notifier.setAuthorizationListener((request, response, error) => (error ? reject(error) : resolve({ request, response })));
  browser.setAuthorizationNotifier(notifier);
});
browser.performAuthorizationRequest(
  configuration,
  new appauth.AuthorizationRequest(
    { client_id: id, redirect_uri: redirectURI, scope: "openid", response_type: "code" },
    new node.NodeCrypto(),
  ),
);
const { request, response } = await answered;

const tokens = new appauth.BaseTokenRequestHandler(new node.NodeRequestor());
const first = await tokens.performTokenRequest(
  configuration,
  new appauth.TokenRequest({
    client_id: id,
    redirect_uri: redirectURI,
    grant_type: appauth.GRANT_TYPE_AUTHORIZATION_CODE,
    code: response.code,
    extras: { code_verifier: request.internal.code_verifier },
  }),
);
const call = (of, method, path) =>
  fetch(site + path, { method, headers: { Authorization: "Bearer " + of.accessToken } });
const zak = await (await call(first, "POST", "/zoom_pkce/zak")).json();
const second = await tokens.performTokenRequest(
  configuration,
  new appauth.TokenRequest({
    client_id: id,
    redirect_uri: redirectURI,
    grant_type: appauth.GRANT_TYPE_REFRESH_TOKEN,
    refresh_token: first.refreshToken,
  }),
);
const received = await (await call(second, "GET", "/page")).json();
await tokens.performRevokeTokenRequest(
  configuration,
  new appauth.RevokeTokenRequest({ token: second.refreshToken, token_type_hint: "refresh_token", client_id: id }),
);
const after = await call(second, "GET", "/page");

report({
  zak: zak.zak,
  received,
  tokens: [first.toJson(), second.toJson()],
  refusal: after.status,
});
