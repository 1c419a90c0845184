import { Catalog, MediaMessage, Track, mime } from "./protocol";

// Played media that is kept, and what triggers its removal, in seconds.
const keepPlayed = 5;
const trimBeyond = 15;
// Bytes that may wait for the browser. More means that it has given up.
const maxWaiting = 64 << 20;

type SourceConstructor = typeof MediaSource;
declare global {
  interface Window {
    ManagedMediaSource?: SourceConstructor; // Safari on phones has only this one
  }
}

/** The browser's media source class, if it has one. */
export function mediaSource(): SourceConstructor | undefined {
  return window.ManagedMediaSource ?? window.MediaSource;
}

interface Lane {
  mime: string;
  source: SourceBuffer;
  waiting: Uint8Array<ArrayBuffer>[];
  bytes: number;
}

/** One MediaSource with a SourceBuffer for each chosen track. */
export class Buffer {
  readonly epoch: number;
  private media: MediaSource;
  private lanes = new Map<number, Lane>();
  // What came before the lanes were open. The media source calls itself open a
  // little before it says so in an event; what comes in between waits too.
  private early: MediaMessage[] | null = [];
  private offset: number | null = null; // the stream's time at which this starts
  private url: string;
  private clocks = new Map<number, { end: number; wall: number }>();

  constructor(private video: HTMLVideoElement, catalog: Catalog, private tracks: Track[], private failed: () => void) {
    this.epoch = catalog.epoch;
    const Source = mediaSource()!;
    this.media = new Source();
    this.url = URL.createObjectURL(this.media);
    this.media.addEventListener(
      "sourceopen",
      () => {
        for (const t of tracks) this.open(t);
        const early = this.early ?? [];
        this.early = null;
        for (const m of early) this.add(m);
      },
      { once: true },
    );
    video.disableRemotePlayback = true; // a condition of ManagedMediaSource
    video.src = this.url;
  }

  /** Whether the stream of the catalog can go on in this buffer. */
  fits(catalog: Catalog, tracks: Track[]): boolean {
    if (catalog.epoch !== this.epoch || (!this.early && this.media.readyState !== "open")) return false;
    if (this.early) return tracks.every((t, i) => this.tracks[i]?.id === t.id); // about to open
    return tracks.length === this.lanes.size && tracks.every((t) => this.lanes.get(t.id)?.mime === mime(t));
  }

  close(): void {
    for (const l of this.lanes.values()) l.waiting = [];
    URL.revokeObjectURL(this.url);
  }

  add(m: MediaMessage): void {
    if (this.early) {
      this.early.push(m);
      return;
    }
    const lane = this.lanes.get(m.track);
    if (!lane) return;
    if (m.kind === "fragment") {
      if (this.offset === null) {
        this.offset = m.base;
        // Streams count from the source's own origin; a player's clock that
        // starts near zero keeps its precision and is readable.
        for (const l of this.lanes.values()) if (!l.source.updating) l.source.timestampOffset = -m.base;
      }
      this.clocks.set(m.track, { end: m.base + m.duration - this.offset, wall: m.wall });
    }
    lane.waiting.push(m.data);
    lane.bytes += m.data.byteLength;
    if (lane.bytes > maxWaiting) return this.failed();
    this.feed(lane);
  }

  /** Start and end of what can be played at or after a time; null if nothing. */
  range(time: number): { start: number; end: number } | null {
    let start = 0;
    let end = Infinity;
    for (const l of this.lanes.values()) {
      const b = l.source.buffered;
      let found = false;
      for (let i = 0; i < b.length && !found; i++) {
        if (b.end(i) > time + 0.01) {
          start = Math.max(start, b.start(i));
          end = Math.min(end, b.end(i));
          found = true;
        }
      }
      if (!found) return null;
    }
    return end > start && end !== Infinity ? { start, end } : null;
  }

  /** End of the newest media that all tracks have; null if there is none. */
  edge(): { start: number; end: number } | null {
    let start = 0;
    let end = Infinity;
    for (const l of this.lanes.values()) {
      const b = l.source.buffered;
      if (b.length === 0) return null;
      start = Math.max(start, b.start(b.length - 1));
      end = Math.min(end, b.end(b.length - 1));
    }
    return end > start && end !== Infinity ? { start, end } : null;
  }

  /** The source's clock when what is shown at a time was taken, Unix milliseconds. */
  wall(time: number): number | null {
    let newest: { end: number; wall: number } | null = null;
    for (const c of this.clocks.values()) if (!newest || c.wall > newest.wall) newest = c;
    return newest && newest.wall - (newest.end - time) * 1000;
  }

  private open(t: Track): void {
    const source = this.media.addSourceBuffer(mime(t));
    const lane: Lane = { mime: mime(t), source, waiting: [], bytes: 0 };
    this.lanes.set(t.id, lane);
    source.addEventListener("updateend", () => this.feed(lane));
    source.addEventListener("error", () => this.failed());
  }

  private feed(lane: Lane): void {
    const { source } = lane;
    if (source.updating || this.media.readyState !== "open" || this.video.error) return;
    if (this.trim(source)) return;
    const next = lane.waiting[0];
    if (!next) return;
    // An init segment may have gone in before the offset was known.
    if (this.offset !== null && source.timestampOffset !== -this.offset) {
      try {
        source.timestampOffset = -this.offset;
      } catch {
        // In the middle of a fragment; there is another chance after it.
      }
    }
    try {
      source.appendBuffer(next);
      lane.waiting.shift();
      lane.bytes -= next.byteLength;
    } catch (e) {
      if (e instanceof DOMException && e.name === "QuotaExceededError" && this.trim(source, 0)) return;
      this.failed();
    }
  }

  /** Removes what was played long ago. */
  private trim(source: SourceBuffer, beyond = trimBeyond): boolean {
    const b = source.buffered;
    if (b.length === 0) return false;
    // A paused player stands still while the stream goes on: it will jump.
    const now = Math.max(this.video.currentTime, b.end(b.length - 1) - 4 * trimBeyond);
    const until = now - keepPlayed;
    if (now - b.start(0) <= beyond || until <= b.start(0)) return false;
    source.remove(0, until);
    return true;
  }
}
