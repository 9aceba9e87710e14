// An MCP server that knows who is asking, and asks Zoom in their name. Caddy has put
// both into the headers of each request.
import http from "node:http";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";

const zoom = process.env.ZOOM_API_URL ?? "https://api.zoom.us";

function newServer() {
  const server = new McpServer({ name: "zoom", version: "1.0.0" });
  const tool = (name, description, answer) =>
    server.registerTool(name, { description }, async ({ requestInfo: { headers } }) => ({
      content: [{ type: "text", text: await answer(headers) }],
    }));
  tool("who_am_i", "Tells who is asking", (headers) => {
    const name = decodeURIComponent(headers["x-zoom-user-name"]);
    return `You are ${name}, at Zoom ${headers["x-zoom-user-id"]}`;
  });
  tool("zoom_profile", "Reads the profile at Zoom of who is asking", async (headers) => {
    const answer = await fetch(zoom + "/v2/users/me", {
      headers: { Authorization: `Bearer ${headers["x-zoom-access-token"]}` },
    });
    if (!answer.ok) throw new Error(`Zoom answered ${answer.status}`);
    return answer.text();
  });
  return server;
}

// Each request says who asks, so there are no sessions, and none that somebody else
// could use; nor is there anything to listen to, which GET would be for.
http
  .createServer(async (request, response) => {
    if (request.method !== "POST") {
      response.writeHead(405, { Allow: "POST" }).end();
      return;
    }
    const server = newServer();
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    response.on("close", () => server.close());
    await server.connect(transport);
    await transport.handleRequest(request, response);
  })
  .listen(process.env.PORT);
