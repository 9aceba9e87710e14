(function () {
  "use strict";
  var next = document.currentScript.dataset.next;
  if (location.hash.length > 1) next += encodeURIComponent(location.hash);
  var url = new URL(next, location.origin);
  if (url.origin === location.origin) location.replace(url.href);
})();
