(function () {
  "use strict";
  var data = document.currentScript.dataset;
  var message = document.getElementById("message");
  var ways = document.getElementById("ways");
  var destination = data.next || location.href;
  var listening = false; // to the SDK's event
  var expecting = false; // a code, which is good for one try
  var busy = false;

  // A reload, because a URL that differs in its fragment only loads nothing.
  function goOn() {
    try {
      history.replaceState(null, "", destination);
    } catch (anotherHost) {
      location.replace(destination);
      return;
    }
    location.reload();
  }

  // Zoom gives codes to pages on the app's OAuth allow list only, so this page
  // takes the address of one that is.
  function beRegistered() {
    var pages = data.registered.split(" ").filter(function (page) {
      return page.indexOf(location.origin + "/") === 0;
    });
    if (pages.length > 0 && pages.indexOf(location.href) < 0) {
      history.replaceState(null, "", pages[0]);
    }
  }

  function fail(text) {
    message.textContent = text;
    ways.hidden = false;
    busy = false;
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
    if (!expecting) return;
    expecting = false;
    if (event.result === false || !event.code) {
      fail("Zoom ended the sign-in without giving permission.");
      return;
    }
    post(data.authorized, { code: event.code, state: event.state, redirectUri: event.redirectUri })
      .then(goOn)
      .catch(function (error) { fail(error.message); });
  }

  function signIn() {
    if (busy) return;
    if (!window.zoomSdk) {
      fail("Zoom's script did not load. The operator of this app may have to add appssdk.zoom.us to its domain allow list at Zoom.");
      return;
    }
    busy = true;
    ways.hidden = true;
    message.textContent = "One moment, Zoom is asked who you are.";
    beRegistered();
    zoomSdk.config({ capabilities: ["authorize", "onAuthorized"], version: "0.16" })
      .then(function (client) {
        if (client && client.auth && client.auth.status === "unauthenticated") {
          throw new Error("You are a guest here. Sign in to Zoom itself, then open this app again.");
        }
        if (!listening) zoomSdk.onAuthorized(authorized);
        listening = true;
        return post(data.authorize, {});
      })
      .then(function (challenge) {
        expecting = true;
        return zoomSdk.authorize({ codeChallenge: challenge.codeChallenge, state: challenge.state });
      })
      .catch(function (error) { fail(error.message || String(error)); });
  }

  document.getElementById("go").addEventListener("click", function () {
    if (window.zoomSdk) signIn(); else goOn();
  });
  if (!data.wait) signIn();
})();
