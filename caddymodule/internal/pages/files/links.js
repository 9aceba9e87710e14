(function () {
  "use strict";
  var login = new URL(document.currentScript.dataset.login, location.origin).href;
  var here = location.href.split("#")[0];
  if (location.hash.length < 2) return;
  document.querySelectorAll("a").forEach(function (link) {
    var url = new URL(link.href);
    if (url.href === here) { // to follow a link to the same fragment loads nothing
      link.addEventListener("click", function (event) {
        event.preventDefault();
        location.reload();
      });
    } else if (url.origin + url.pathname === login) {
      var back = url.searchParams.get("return_to") || "/";
      if (new URL(back, here).href !== here) return;
      url.searchParams.set("return_to", back + location.hash);
      link.href = url.href;
    }
  });
})();
