(function () {
  "use strict";
  var data = document.currentScript.dataset;
  var message = document.getElementById("message");
  var ways = document.querySelector(".ways");
  var go = document.getElementById("go");
  var timer;

  // The second press of a double click that began in another window is none here.
  function later() {
    go.disabled = true;
    clearTimeout(timer);
    timer = setTimeout(function () { go.disabled = false; }, 1000);
  }

  function say(text) { message.textContent = text; }

  go.addEventListener("click", function () {
    var frame = window.opener; // null where a page on the way has cut it off
    go.disabled = true;
    fetch(data.endpoint, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(frame ? {} : { frame: data.frame })
    }).then(function (answer) {
      return answer.json().then(function (value) {
        if (!answer.ok) throw new Error(value.detail);
        ways.hidden = true;
        if (!frame) return say("Done. Go back to the page you came from and press Continue there.");
        frame.postMessage({ frame: data.frame, ticket: value.ticket }, location.origin);
        say("Done. You can close this window.");
        window.close();
      });
    }).catch(function (error) {
      say(error.message || "The sign-in failed.");
      later();
    });
  });
  window.addEventListener("focus", later);
  later();
})();
