import zoomSdk from "/appssdk.js";

const running = document.getElementById("running");
try {
  await zoomSdk.config({ capabilities: ["getRunningContext"] });
  running.textContent = (await zoomSdk.getRunningContext()).context;
} catch (error) {
  running.textContent = error.message;
}
