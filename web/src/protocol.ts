// What comes over the WebSocket: package internal/media/play/mse is the other
// end. Binary messages carry media, text messages carry JSON.

export interface Track {
  id: number;
  kind: "video" | "audio";
  codec: string;
  bitrate?: number;
  width?: number;
  height?: number;
  sample_rate?: number;
  channels?: number;
  language?: string;
  rendition?: string;
}

export interface Catalog {
  type: "catalog";
  stream: string;
  epoch: number;
  version: number;
  title: string;
  ended: boolean;
  tracks: Track[];
  selected: number[];
}

export interface Peer {
  id: string;
  addr: string;
  path: string;
  reason?: string;
  role: string;
  rtt_ms: number;
  bytes_in: number;
  bytes_out: number;
}

// The same fields as a line of `p2plive watch --json`.
export interface Status {
  state: string;
  name: string;
  queue_place?: number;
  viewers?: number;
  bytes_from_peers: number;
  bytes_from_edges: number;
  bytes_uploaded: number;
  latency_ms: { p50: number; p95: number; p99: number };
  fragments_played: number;
  fragments_missed: number;
  stalls: number;
  peers: Peer[] | null;
}

export type TextMessage =
  | Catalog
  | { type: "status"; now: number; status: Status | null }
  | { type: "missed"; track: number; seq: number }
  | { type: "skipped" }
  | { type: "closed" };

export interface MediaMessage {
  kind: "init" | "fragment";
  track: number;
  key: boolean;
  seq: number;
  base: number; // seconds
  duration: number; // seconds
  wall: number; // source's clock, Unix milliseconds
  data: Uint8Array<ArrayBuffer>;
}

const typeFragment = 1;
const typeInit = 2;
const flagKey = 1;
const leastHeader = 32;

/** Reads a binary message; null if it is of a kind that this page is too old for. */
export function parseMedia(b: ArrayBuffer): MediaMessage | null {
  if (b.byteLength < leastHeader) return null;
  const v = new DataView(b);
  const kind = v.getUint8(0);
  const header = v.getUint8(3);
  if ((kind !== typeFragment && kind !== typeInit) || header < leastHeader || header > b.byteLength) return null;
  const timescale = v.getUint32(28) || 1;
  return {
    kind: kind === typeInit ? "init" : "fragment",
    track: v.getUint8(1),
    key: (v.getUint8(2) & flagKey) !== 0,
    seq: v.getUint32(4),
    base: Number(v.getBigUint64(8)) / timescale,
    duration: v.getUint32(16) / timescale,
    wall: Number(v.getBigInt64(20)),
    data: new Uint8Array(b, header),
  };
}

/** The name under which Media Source Extensions know a track's format. */
export function mime(t: Track): string {
  return `${t.kind}/mp4; codecs="${t.codec}"`;
}
