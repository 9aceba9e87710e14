// An MCP client on the TypeScript SDK: it signs its person in, lists the tools of a
// server, and calls those named.
//
//	node client.js http://127.0.0.1:8080/mcp 'echo {"message":"hello"}' get-roots-list
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CreateMessageRequestSchema, ListRootsRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const [address, ...calls] = process.argv.slice(2);

// The browser comes back to a free port of this machine (RFC 8252, section 7.3).
const door = http.createServer().listen(0, "127.0.0.1");
await once(door, "listening");
const redirectUrl = `http://127.0.0.1:${door.address().port}/callback`;

// What the SDK remembers of a sign-in. A client that comes again keeps it in a file.
const state = randomUUID();
let registration, tokens, verifier;
const authProvider = {
  redirectUrl,
  clientMetadata: { client_name: "Example client", redirect_uris: [redirectUrl] },
  state: () => state,
  clientInformation: () => registration,
  saveClientInformation: (given) => (registration = given),
  tokens: () => tokens,
  saveTokens: (given) => (tokens = given),
  codeVerifier: () => verifier,
  saveCodeVerifier: (made) => (verifier = made),
  redirectToAuthorization: (page) => console.log(`Open ${page}`),
};

// The answer counts that belongs to the sign-in which was begun, and comes from where
// it was begun (RFC 9207): any page in the browser can send others.
const code = new Promise((resolve, reject) => {
  door.on("request", (request, response) => {
    const answer = new URL(request.url, redirectUrl).searchParams;
    const iss = answer.get("iss");
    if (answer.get("state") !== state || !URL.canParse(iss) || new URL(iss).href !== new URL(registration.issuer).href) {
      response.writeHead(400).end("This does not belong to the sign-in that was begun.\n");
      return;
    }
    response.end("Thank you. You can close this window.\n");
    answer.has("code") ? resolve(answer.get("code")) : reject(new Error(answer.get("error")));
  });
});

const client = new Client({ name: "example", version: "1.0.0" }, { capabilities: { roots: {}, sampling: {} } });
client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: "file:///tmp", name: "a directory" }] }));
client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => ({
  model: "none",
  role: "assistant",
  content: { type: "text", text: `The client was asked: ${params.messages[0].content.text}` },
}));

const newTransport = () => new StreamableHTTPClientTransport(new URL(address), { authProvider });
let transport = newTransport();
try {
  await client.connect(transport);
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  await transport.finishAuth(await code);
  transport = newTransport();
  await client.connect(transport);
}
door.close();

const { tools } = await client.listTools();
console.log(`${client.getServerVersion().name} has the tools ${tools.map((tool) => tool.name).join(", ")}`);
for (const call of calls) {
  const [, name, json] = call.match(/^(\S+)\s*(.*)$/s);
  const { content } = await client.callTool({ name, arguments: JSON.parse(json || "{}") });
  console.log(`${name}: ${content.map((part) => part.text).join("\n")}`);
}
await transport.terminateSession();
await client.close();
