(function () {
  "use strict";
  var data = document.currentScript.dataset;
  var next = new URL("/", location.origin);
  try {
    var wanted = new URL(data.next, location.origin);
    if (data.next.charAt(0) === "/" && wanted.origin === location.origin) next = wanted;
  } catch (notAURL) {}
  try {
    var hash = sessionStorage.getItem(data.key) || "";
    sessionStorage.removeItem(data.key);
    if (hash.charAt(0) === "#") next.hash = hash;
  } catch (storageIsBlocked) {}
  location.replace(next.href);
})();
