import * as zoom from "./zoom.js";

const $ = (id) => document.getElementById(id);
const form = $("wish");
const verbs = { join: "Join", start: "Start", send: "Send it in" };

const visitor = await zoom.visitor().catch((error) => {
  say("trouble", explain(error));
  throw error;
});
const name = visitor.name || visitor.email;
$("name").textContent = name;
$("email").textContent = visitor.email;
$("face").textContent = name.slice(0, 1);
$("who").hidden = false;

form.addEventListener("change", choose);
choose();

function choose() {
  const how = form.elements.how.value;
  form.querySelector("button").textContent = verbs[how];
  form.elements.shown.value = how === "send" ? `Assistant of ${name}` : name;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  say("status", "One moment ...");
  say("trouble", "");
  try {
    await enter();
    say("status", "");
    form.hidden = true;
  } catch (error) {
    say("status", "");
    say("trouble", explain(error));
  } finally {
    button.disabled = false;
  }
});

/** Joins the meeting with everything that this way of joining needs. */
async function enter() {
  const { how, meeting, passcode, shown } = Object.fromEntries(new FormData(form));
  const number = meeting.replace(/[\s-]/g, "");
  const [signature, client] = await Promise.all([
    zoom.signature(number, how === "start" ? 1 : 0),
    meetingClient(),
  ]);
  // Last, because a ZAK lives for minutes only.
  const token = how === "send" ? await zoom.obfToken(number) : await zoom.zak();
  await client.join({
    signature,
    meetingNumber: number,
    password: passcode,
    userName: shown,
    // Either token says who answers for this participant, never both.
    ...(how === "send" ? { obfToken: token } : { zak: token }),
  });
}

let client;

/** The Meeting SDK's component view, loaded when it is needed. */
async function meetingClient() {
  if (client) return client;
  for (const script of ["react", "react-dom", "redux", "redux-thunk", "lodash"]) {
    await load(`/sdk/lib/vendor/${script}.min.js`);
  }
  await load("/sdk/zoom-meeting-embedded-ES5.min.js");
  const created = window.ZoomMtgEmbedded.createClient();
  await created.init({
    zoomAppRoot: $("meeting"),
    assetPath: `${location.origin}/sdk/lib/av`, // the SDK's own default is Zoom's CDN
    language: "en-US",
    patchJsMedia: true,
    leaveOnPageUnload: true,
  });
  return (client = created);
}

function load(src) {
  return new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src });
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${src} did not load; is node_modules complete?`));
    document.head.append(script);
  });
}

function say(id, text) {
  $(id).textContent = text;
  $(id).hidden = !text;
}

/** The SDK throws {type, reason, errorCode}. */
function explain(error) {
  const code = error.errorCode ? ` (${error.errorCode})` : "";
  return `${error.reason || error.message || "Zoom gave no reason."}${code}`;
}
