// What the clients here share: how a program asks a person for authorization.
import { once } from "node:events";
import http from "node:http";
import opener from "opener";

// listen takes a free port of this machine for the answer (RFC 8252, section 7.3).
export async function listen() {
  const server = http.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, redirectURI: `http://127.0.0.1:${server.address().port}/callback` };
}

// ask opens the browser and returns the address at which it comes back.
export async function ask({ server, redirectURI }, address) {
  opener(String(address));
  const [request, response] = await once(server, "request");
  response.end("You can close this window.");
  server.close();
  return new URL(request.url, redirectURI);
}

// forged is an answer that says that it comes from another server.
export function forged(answer) {
  const other = new URL(answer);
  other.searchParams.set("iss", "https://other.example");
  return other;
}

// report hands over to the test what the client saw.
export const report = (seen) => console.log(JSON.stringify(seen));
