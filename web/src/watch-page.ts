// The tracker's page of one stream: plays straight from an edge, and says how
// to join the swarm.
import { Controls } from "./controls";
import { byId, copyButton, setText } from "./dom";
import { Panel } from "./panel";
import { Player } from "./player";
import { showState } from "./screen";
import { count } from "./words";

interface Detail {
  name: string;
  id: string;
  live: boolean;
  viewers: number;
  edges: { peer_id: string; http_url: string }[];
}

const refreshEvery = 5000;
const name = decodeURIComponent(location.pathname.split("/").filter(Boolean).pop() ?? "");

let next = 0; // which edge the next attempt takes

async function detail(): Promise<Detail | null> {
  const r = await fetch(`/api/streams/${encodeURIComponent(name)}`, { cache: "no-store" });
  if (r.status === 404) return null;
  if (!r.ok) throw new Error(`tracker: ${r.status}`);
  return (await r.json()) as Detail;
}

/** The next edge that carries the stream: each attempt tries another one. */
async function address(): Promise<string | null> {
  const d = await detail();
  show(d);
  const edges = (d?.edges ?? []).filter((e) => e.http_url);
  if (!d?.live || edges.length === 0) {
    waiting = true;
    return null;
  }
  waiting = false;
  const edge = edges[next++ % edges.length]!;
  const url = new URL(`${edge.http_url.replace(/\/$/, "")}/s/${d.id}/ws`);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

function show(d: Detail | null): void {
  setText(byId("viewers"), d?.live ? count(d.viewers, "viewer") : "");
}

let waiting = true;
const player = new Player(byId<HTMLVideoElement>("video"), address);
const controls = new Controls(player);
const panel = new Panel(player);
setText(byId("title"), name);
document.title = name;
const command = `p2plive watch ${location.origin}/s/${encodeURIComponent(name)}`;
setText(byId("command"), command);
copyButton(byId<HTMLButtonElement>("copy"), () => command);

player.onstate = (s, text) => {
  // Not live is no lost connection.
  if (s === "offline" && waiting) showState("waiting", "This stream is not live at the moment. It starts here by itself.");
  else showState(s, text);
};
player.oncatalog = (c) => {
  controls.offer(c);
  panel.setCatalog({ ...c, title: c.title || name });
};
showState("connecting");
player.start();
window.setInterval(() => {
  if (!document.hidden) void detail().then(show, () => {});
}, refreshEvery);
