import { Peer, Status } from "./protocol";

export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let i = -1;
  do {
    n /= 1000;
    i++;
  } while (n >= 999.5 && i < units.length - 1);
  return `${n < 10 ? n.toFixed(1) : n.toFixed(0)} ${units[i]}`;
}

export function rate(bitsPerSecond: number): string {
  if (bitsPerSecond < 1e6) return `${Math.round(bitsPerSecond / 1000)} kbit/s`;
  return `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`;
}

export function seconds(ms: number): string {
  return ms < 950 ? `${Math.round(ms / 10) * 10} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function count(n: number, one: string, many = one + "s"): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** How much of a stretch came from viewers, 0 to 1; null if nothing came. */
export function share(now: Status, before: Status | null): number | null {
  let peers = now.bytes_from_peers - (before?.bytes_from_peers ?? 0);
  let edges = now.bytes_from_edges - (before?.bytes_from_edges ?? 0);
  if (peers < 0 || edges < 0) [peers, edges] = [now.bytes_from_peers, now.bytes_from_edges];
  const all = peers + edges;
  return all > 0 ? peers / all : null;
}

/** Where the picture comes from, in a sentence. */
export function origin(s: Status, part: number | null): string {
  const givers = (s.peers ?? []).filter((p) => p.role === "viewer" && p.bytes_in > 0).length;
  const from = givers === 1 ? "1 viewer" : givers > 1 ? `${givers} viewers` : "viewers";
  if (part === null) return "Nothing has arrived yet";
  const percent = Math.round(part * 100);
  if (percent === 0) return "All of it comes from the edge server";
  if (percent === 100) return `All of it comes from ${from}`;
  return `${percent}% from ${from}, ${100 - percent}% from the edge`;
}

const paths: Record<string, [string, string]> = {
  lan: ["local network", "In the same network: the data never leaves it"],
  direct: ["direct", "Reachable without any help"],
  mapped: ["port mapping", "Through a port that a router opened on request"],
  punched: ["hole punched", "Through both routers, opened from both sides at once"],
  predicted: ["predicted port", "Through a difficult router, by guessing its next port"],
  edge: ["edge server", "A server that keeps the newest seconds of the stream"],
  "edge over WebSocket": ["edge, WebSocket", "The network blocks UDP, so the data comes over the web port"],
};

/** A short name for a connection's path, and what it means. */
export function path(p: Peer): [string, string] {
  return paths[p.path] ?? [p.path || "unknown", ""];
}
