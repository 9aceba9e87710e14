(function () {
  "use strict";
  var data = document.currentScript.dataset;
  try {
    if (location.hash.length > 1) sessionStorage.setItem(data.key, location.hash);
    else sessionStorage.removeItem(data.key);
  } catch (storageIsBlocked) {}
  var next = new URL("/", location.origin);
  try {
    var wanted = new URL(data.next, location.origin);
    if (data.next.charAt(0) === "/" && wanted.origin === location.origin) next = wanted;
  } catch (notAURL) {}
  location.replace(next.href);
})();
