(function () {
  "use strict";
  var data = document.currentScript.dataset;
  var message = document.getElementById("message");
  var again = document.getElementById("again");

  function fail(text) {
    message.textContent = text;
    again.hidden = false;
  }

  function post(url, body) {
    return fetch(url, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body)
    }).then(function (answer) {
      return answer.json().then(function (value) {
        if (!answer.ok) throw new Error(value.detail || "The sign-in failed.");
        return value;
      });
    });
  }

  function authorized(event) {
    if (event.result === false || !event.code) {
      fail("Zoom ended the sign-in without giving permission.");
      return;
    }
    post(data.authorized, { code: event.code, state: event.state, redirectUri: event.redirectUri })
      .then(function () { location.replace(data.next); })
      .catch(function (error) { fail(error.message); });
  }

  function signIn() {
    again.hidden = true;
    if (!window.zoomSdk) {
      fail("Zoom's SDK did not load. Is appssdk.zoom.us on the app's domain allow list?");
      return;
    }
    zoomSdk.config({ capabilities: ["authorize", "onAuthorized"], version: "0.16.0" })
      .then(function () {
        zoomSdk.onAuthorized(authorized);
        return post(data.authorize, {});
      })
      .then(function (challenge) {
        return zoomSdk.authorize({ codeChallenge: challenge.codeChallenge, state: challenge.state });
      })
      .catch(function (error) { fail(error.message || String(error)); });
  }

  again.addEventListener("click", function () { location.reload(); });
  signIn();
})();
