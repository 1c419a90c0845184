import { Buffer, mediaSource } from "./buffer";
import { Connection } from "./connection";
import { Pace } from "./pace";
import { Catalog, MediaMessage, Status, TextMessage, Track, mime } from "./protocol";

export type State = "connecting" | "waiting" | "playing" | "stalled" | "ended" | "offline" | "unsupported";

export interface Choice {
  video: number | null; // track ids; null for the first
  audio: number | null;
}

export interface Measures {
  bitrate: number; // bits a second, of the last two seconds
  behind: number | null; // milliseconds from the source's clock to the screen
  left: number; // seconds in the buffer
  stalls: number;
}

const stepEvery = 100; // milliseconds
const measureOver = 2000;
const still = 300; // milliseconds without progress that count as none

/** Plays a stream in a video element, as close to live as the buffer allows. */
export class Player {
  onstate: (s: State, detail: string) => void = () => {};
  oncatalog: (c: Catalog) => void = () => {};
  onstatus: (s: Status | null) => void = () => {};
  onmuted: () => void = () => {};

  private connection: Connection | null = null;
  private buffer: Buffer | null = null;
  private pace = new Pace();
  private catalog: Catalog | null = null;
  private choice: Choice = { video: null, audio: null };
  private arrived: { at: number; bytes: number }[] = [];
  private state: State = "connecting";
  private paused = false; // by the user
  private starting = false;
  private stalls = 0;
  private progress = { time: -1, at: 0 };
  private dry = false;
  private clock = 0; // other end's clock minus ours, milliseconds

  constructor(private video: HTMLVideoElement, private address: () => Promise<string | null>) {
    video.addEventListener("error", () => this.rebuild());
    video.addEventListener("waiting", () => (this.dry = !video.seeking));
    for (const e of ["playing", "seeking", "canplay"]) video.addEventListener(e, () => (this.dry = false));
    document.addEventListener("visibilitychange", () => this.step());
    window.setInterval(() => this.step(), stepEvery);
  }

  start(): void {
    if (!mediaSource()) {
      this.set("unsupported", "This browser cannot play live streams. A current Chrome, Edge, Firefox or Safari can.");
      return;
    }
    this.connect();
  }

  /** Chooses tracks; the picture comes back with their next key frame. */
  choose(choice: Choice): void {
    this.choice = choice;
    this.connect();
  }

  get isPaused(): boolean {
    return this.paused;
  }

  pause(paused: boolean): void {
    this.paused = paused;
    if (paused) {
      this.video.pause();
      return;
    }
    this.pace.reset(); // on to live: what was missed is over
    this.step();
  }

  measures(): Measures {
    const now = performance.now();
    this.arrived = this.arrived.filter((a) => now - a.at < measureOver);
    const sum = this.arrived.reduce((n, a) => n + a.bytes, 0);
    const wall = this.buffer?.wall(this.video.currentTime);
    const behind = wall ? Date.now() + this.clock - wall : null;
    const range = this.buffer?.range(this.video.currentTime);
    return {
      bitrate: (sum * 8000) / measureOver,
      // Clocks of two machines differ; what cannot be true is not shown.
      behind: behind !== null && behind > 0 && behind < 60000 ? behind : null,
      left: range ? Math.max(0, range.end - this.video.currentTime) : 0,
      stalls: this.stalls,
    };
  }

  private connect(): void {
    this.connection?.close();
    this.connection = new Connection(
      async () => {
        const base = await this.address();
        if (base === null) return null;
        const url = new URL(base);
        if (this.choice.video !== null) url.searchParams.set("video", String(this.choice.video));
        if (this.choice.audio !== null) url.searchParams.set("audio", String(this.choice.audio));
        return url.href;
      },
      {
        text: (m) => this.text(m),
        media: (m) => this.media(m),
        down: () => {
          // What is buffered plays on; only an empty screen is worth a word.
          if (this.state !== "playing" || this.starved()) this.set("offline");
        },
      },
    );
  }

  private starved(): boolean {
    return !this.buffer?.range(this.video.currentTime);
  }

  private text(m: TextMessage): void {
    switch (m.type) {
      case "catalog":
        this.setCatalog(m);
        break;
      case "status":
        this.clock = m.now - Date.now();
        if (!this.catalog || this.state === "offline") this.set(this.catalog ? "stalled" : "waiting");
        this.onstatus(m.status);
        break;
      case "closed":
        this.catalog = null;
        this.set("ended");
        break;
    }
  }

  private setCatalog(c: Catalog): void {
    this.catalog = c;
    this.oncatalog(c);
    if (c.ended) return this.set("ended");
    const tracks = c.tracks.filter((t) => c.selected.includes(t.id));
    if (tracks.length === 0) return this.set("waiting");
    const strange = tracks.find((t) => !mediaSource()!.isTypeSupported(mime(t)));
    if (strange) {
      return this.set("unsupported", `This browser cannot decode the ${strange.kind} of this stream (${strange.codec}).`);
    }
    if (!this.buffer?.fits(c, tracks)) this.open(c, tracks);
    if (this.state !== "playing") this.set("stalled");
  }

  private open(c: Catalog, tracks: Track[]): void {
    this.buffer?.close();
    this.pace.reset();
    this.progress = { time: -1, at: 0 };
    this.buffer = new Buffer(this.video, c, tracks, () => this.rebuild());
  }

  /** Starts from nothing after an error of the decoder or the buffer. */
  private rebuild(): void {
    if (!this.buffer) return;
    this.buffer.close();
    this.buffer = null;
    this.set("stalled");
    this.connect();
  }

  private media(m: MediaMessage): void {
    this.arrived.push({ at: performance.now(), bytes: m.data.byteLength });
    this.buffer?.add(m);
    // Timers of hidden pages rest; messages do not.
    if (document.hidden) this.step();
  }

  private step(): void {
    const { video, buffer } = this;
    if (!buffer) return;
    const now = performance.now();
    if (video.currentTime !== this.progress.time) this.progress = { time: video.currentTime, at: now };
    // Not every browser says that it waits.
    const dry = this.dry || (now - this.progress.at > still && video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA);
    const s = this.pace.step({
      now,
      time: video.currentTime,
      paused: this.paused,
      seeking: video.seeking,
      dry,
      range: buffer.range(video.currentTime),
      edge: buffer.edge(),
    });
    if (s.seek !== undefined) video.currentTime = s.seek;
    if (video.playbackRate !== s.rate) video.playbackRate = s.rate;
    if (s.stalled) {
      this.stalls++;
      if (this.state === "playing") this.set("stalled");
    }
    if (video.paused && !this.paused && buffer.edge()) void this.play();
    if (!dry && !video.paused && video.readyState > HTMLMediaElement.HAVE_CURRENT_DATA && this.state !== "playing" && this.state !== "ended") this.set("playing");
  }

  /** Plays with sound where the browser allows it, otherwise without. */
  private async play(): Promise<void> {
    if (this.starting) return;
    this.starting = true;
    try {
      await this.video.play();
    } catch (e) {
      if (e instanceof DOMException && e.name === "NotAllowedError" && !this.video.muted) {
        this.video.muted = true;
        this.onmuted();
      }
    } finally {
      this.starting = false;
    }
  }

  private set(s: State, detail = ""): void {
    if (s === this.state && !detail) return;
    this.state = s;
    this.onstate(s, detail);
  }
}
