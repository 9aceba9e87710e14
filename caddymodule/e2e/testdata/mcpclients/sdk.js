// A client on one of the two MCP SDKs for TypeScript. It signs in by what the
// server tells it, and calls the tool echo for each line that it reads.
//
//  node sdk.js v1|v2|v2-auto SERVER STORE [CLIENT_ID | DOCUMENT]
//  node sdk.js remote SERVER STORE PORT
//
// It writes "open ADDRESS" where a person has to go, and for each line "result TEXT"
// or "error TEXT". What it keeps in STORE it reads once, when it starts, and then
// writes "ready". As remote it knows no sign-in and leaves it to mcp-remote, which
// listens at PORT and has a folder STORE. REDIRECT and HOST are where it wants people
// sent instead of to itself.
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const [version, server, store, clientID] = process.argv.slice(2);
const { Client, StdioClientTransport, StreamableHTTPClientTransport, UnauthorizedError } =
  version === "v1" || version === "remote"
    ? {
        ...(await import("@modelcontextprotocol/sdk/client/index.js")),
        ...(await import("@modelcontextprotocol/sdk/client/stdio.js")),
        ...(await import("@modelcontextprotocol/sdk/client/streamableHttp.js")),
        ...(await import("@modelcontextprotocol/sdk/client/auth.js")),
      }
    : await import("@modelcontextprotocol/client");

const say = (what, text) => console.log(`${what} ${text.replaceAll("\n", " ")}`);

let back = Promise.withResolvers();
const listener = createServer((request, response) => {
  response.end("You can close this page.");
  back.resolve(new URL(request.url, redirect).searchParams);
  back = Promise.withResolvers();
});
await new Promise((listening) => listener.listen(0, "127.0.0.1", listening));
const redirect = process.env.REDIRECT ?? `http://127.0.0.1:${listener.address().port}/callback`;

const kept = version !== "remote" && existsSync(store) ? JSON.parse(readFileSync(store)) : {};
const keep = (name, value) => {
  kept[name] = value;
  writeFileSync(store, JSON.stringify(kept));
};
let state, verifier;
const provider = {
  redirectUrl: redirect,
  clientMetadata: { client_name: `An MCP client on ${version}`, redirect_uris: [redirect] },
  clientMetadataUrl: clientID?.startsWith("https:") ? clientID : undefined,
  state: () => (state = randomUUID()),
  clientInformation: () => (clientID && !provider.clientMetadataUrl ? { client_id: clientID } : kept.client),
  saveClientInformation: (client) => keep("client", client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => keep("tokens", tokens),
  saveCodeVerifier: (value) => (verifier = value),
  codeVerifier: () => verifier,
  redirectToAuthorization: (address) => say("open", address.href),
  invalidateCredentials: (scope) => {
    if (scope === "all" || scope === "client") keep("client");
    if (scope === "all" || scope === "tokens") keep("tokens");
  },
};

let client, transport;
async function connect() {
  const options = version === "v2-auto" ? { versionNegotiation: { mode: "auto" } } : {};
  transport =
    version === "remote"
      ? new StdioClientTransport({
          command: process.execPath,
          args: ["node_modules/mcp-remote/dist/proxy.js", server, clientID, "--host", process.env.HOST ?? "localhost"],
          env: { ...process.env, MCP_REMOTE_CONFIG_DIR: store },
        })
      : new StreamableHTTPClientTransport(new URL(server), { authProvider: provider });
  client = new Client({ name: "client", version: "1" }, options);
  await client.connect(transport);
}

async function finishSignIn(answer) {
  if (answer.get("state") !== state) throw new Error("the state is another one");
  if (version !== "v1") return transport.finishAuth(answer); // which looks for errors itself
  if (answer.has("error")) throw new Error(`${answer.get("error")}: ${answer.get("error_description")}`);
  return transport.finishAuth(answer.get("code"));
}

async function call(message) {
  for (let again = true; ; again = false) {
    const answer = back.promise;
    try {
      if (!client) await connect();
      return (await client.callTool({ name: "echo", arguments: { message } })).content[0].text;
    } catch (error) {
      client = undefined;
      if (!(error instanceof UnauthorizedError) || !again) throw error;
      await finishSignIn(await answer);
    }
  }
}

say("ready", "");
for await (const line of createInterface({ input: process.stdin })) {
  await call(line).then(
    (text) => say("result", text),
    (error) => say("error", `${error.name}: ${error.message}`),
  );
}
process.exit();
