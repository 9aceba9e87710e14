(function () {
  "use strict";
  var data = document.currentScript.dataset;
  var message = document.getElementById("message");
  var ways = document.querySelectorAll(".ways a");
  var signIn = ways[0], again = ways[1];
  var opened = null; // the window, as long as nobody cuts it off
  var asked = false;

  // Only who knows the key can say whom a ticket is for.
  var key = Array.from(crypto.getRandomValues(new Uint8Array(16)), function (byte) {
    return (256 + byte).toString(16).slice(1);
  }).join("");

  function say(text) { message.textContent = text; }

  function loadAnew() {
    if (again.href === location.href.split("#")[0]) location.reload();
    else location.replace(again.href);
  }

  function redeem(what, otherwise) {
    return fetch(data.endpoint, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(what)
    }).then(function (answer) {
      if (answer.ok) return loadAnew();
      return answer.json().then(function (value) {
        say(value.code === "bad_request" ? otherwise : value.detail);
      });
    }).catch(function () { say("The sign-in failed. Please try again."); });
  }

  // A page that cannot be named to the visitor gets nothing.
  var around = location.ancestorOrigins ? Array.from(location.ancestorOrigins) : ["null"];
  around = around.filter(function (origin, i) {
    return origin !== location.origin && around.indexOf(origin) === i;
  });
  if (around.length === 0) return; // only pages of this site: it has the same cookies
  if (around.indexOf("null") >= 0) {
    say("Your browser does not tell which page this one is part of. Open this site in a window of its own.");
    return;
  }

  signIn.addEventListener("click", function (event) {
    event.preventDefault();
    asked = true;
    opened = window.open(data.window + "?frame=" + key + "&by=" + encodeURIComponent(around.join(",")));
  });

  window.addEventListener("message", function (event) {
    if (!opened || event.source !== opened || event.origin !== location.origin) return;
    if (event.data && event.data.frame === key) redeem({ ticket: event.data.ticket }, "The sign-in failed. Please try again.");
  });

  // Where the window was cut off, its answer lies in a cookie. A browser that lets the
  // frame see it need not ask the visitor.
  var access = !document.requestStorageAccess;
  if (document.hasStorageAccess) document.hasStorageAccess().then(function (has) { access = access || has; });

  again.addEventListener("click", function (event) {
    if (!asked) return;
    event.preventDefault();
    (access ? Promise.resolve() : document.requestStorageAccess()).then(function () {
      return redeem({ frame: key }, "The new window has not given its answer yet.");
    }, function () {
      say("Your browser keeps this page from its cookies. Allow them, or open this site in a window of its own.");
    });
  });
})();
