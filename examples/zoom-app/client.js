const frame = document.getElementById("app");
const consent = document.getElementById("consent");

// post tells the client's other half, which speaks to Zoom.
async function post(path, body) {
  const answer = await fetch(path, { method: "POST", body });
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

function decision() {
  consent.hidden = false;
  return new Promise(function (resolve) {
    for (const id of ["allow", "decline"]) {
      document.getElementById(id).onclick = function () {
        consent.hidden = true;
        resolve(id);
      };
    }
  });
}

async function authorize(data) {
  const call = { ...data, page: frame.contentWindow.location.href };
  let answer = await post("authorize", JSON.stringify(call));
  if (answer.status === 202) {
    answer = await post("authorize", JSON.stringify({ ...call, decision: await decision() }));
  }
  send({ type: "event", name: "onAuthorized", data: await answer.json() });
}

// What the SDK may ask for, with the answers of a client.
const apis = {
  config: () => ({ clientVersion: "6.6.0.1000", unsupportedApis: [], runningContext: "inMeeting", product: "desktop", auth: { status: "authorized" } }),
  getRunningContext: () => "inMeeting", // the SDK wraps it
  authorize: function (data) {
    authorize(data).catch(console.error);
    return { message: "Success" };
  },
};

function send(message) { frame.contentWindow.postMessage(message, location.origin); }

window.addEventListener("message", function (event) {
  if (event.source !== frame.contentWindow || event.origin !== location.origin) return;
  const { jsCallId, apiName, data } = JSON.parse(event.data);
  const api = apis[apiName];
  send({
    type: "apiResponse",
    data: api ? { jsCallId, result: api(data) } : { jsCallId, errorCode: 1, errorMessage: apiName + " is not simulated" },
  });
});

async function reopen(path, body) {
  consent.hidden = true;
  await post(path, body);
  frame.src = "/";
}

document.getElementById("move").onclick = () => reopen("move");
document.getElementById("remove").onclick = () => reopen("remove");
document.getElementById("user").onchange = (event) => reopen("user", new URLSearchParams({ id: event.target.value }));
