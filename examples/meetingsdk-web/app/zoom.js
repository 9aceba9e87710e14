// What this app asks the server it is served by. There is no other server code:
// these paths belong to zoom_pkce, and so does everything behind them.

/** Who is signed in: {id, account_id, email, name}. */
export async function visitor() {
  return (await ask("GET", "session")).user;
}

/** The Meeting SDK's signature for one meeting; role 0 participates, 1 hosts. */
export async function signature(meetingNumber, role) {
  return (await ask("POST", "signature", { meetingNumber, role })).signature;
}

/** The visitor's ZAK: whoever joins with it is the visitor. It lives minutes. */
export async function zak() {
  return (await ask("POST", "zak")).zak;
}

/** A token that lets an assistant into a meeting in which the visitor is. */
export async function obfToken(meetingNumber) {
  return (await ask("POST", "obf", { meeting_id: meetingNumber })).obf_token;
}

async function ask(method, endpoint, body) {
  const response = await fetch(`/zoom_pkce/${endpoint}`, {
    method,
    headers: body && { "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  if (response.ok) return answer;
  if (answer.login_url) location.assign(answer.login_url); // the session is over
  // Errors of `signature` come as Zoom's auth endpoint sample sends them.
  const reasons = answer.errors?.map(({ property, reason }) => `${property}: ${reason}`);
  throw new Error(reasons?.join("\n") ?? answer.detail ?? response.statusText);
}
