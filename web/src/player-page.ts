// The page of `p2plive watch`: plays what the program on this host receives.
import { Controls } from "./controls";
import { byId } from "./dom";
import { Panel } from "./panel";
import { Player } from "./player";
import { Status } from "./protocol";
import { showState } from "./screen";

const explain: Record<string, string> = {
  connecting: "Asking the tracker for the stream.",
  waiting: "The stream is not live yet. It starts here by itself.",
  buffering: "Found it. The first picture is on its way.",
  full: "The stream is full, and so is its queue. This page asks again by itself.",
};

const player = new Player(byId<HTMLVideoElement>("video"), async () => {
  const url = new URL("ws", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
});
const controls = new Controls(player);
const panel = new Panel(player);

let state = "connecting";
player.onstate = (s, detail) => {
  state = s;
  showState(s, detail);
};
player.oncatalog = (c) => {
  controls.offer(c);
  panel.setCatalog(c);
};
player.onstatus = (s: Status | null) => {
  if (!s) return;
  panel.setStatus(s);
  const text = s.queue_place ? `The stream is full. You are number ${s.queue_place} in the queue, and it starts here by itself.` : explain[s.state];
  if (state === "waiting" && text) showState("waiting", text);
};
showState("connecting");
player.start();
